//! One job a unique key: which enqueue is a repetition of another, for how long, and what becomes of it.

use std::time::Duration;

use serde::{Deserialize, Serialize};
use sha2::{Digest, Sha256};

use crate::Error;

/// Makes an enqueue give way to a job that is already there.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Unique {
    /// What must not be there twice in the queue; `None`: the job's name and arguments.
    pub key: Option<String>,
    pub scope: UniqueScope,
    pub conflict: Conflict,
}

/// For how long a job has its unique key.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum UniqueScope {
    /// Until it is first handed to a worker: what comes while it runs is enqueued, once.
    Queued,
    /// Until it has ended, whichever way; retries included.
    Running,
    /// For that long from the enqueue, also when it has ended before.
    Period(Duration),
}

/// What becomes of an enqueue whose unique key is taken. A job that runs or has ended takes over nothing: then it is rejected.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum Conflict {
    /// Nothing is enqueued.
    #[default]
    Reject,
    /// The waiting job takes over the arguments and keeps its moment.
    Replace,
    /// The waiting job takes over the arguments and, when both are due later, the new moment: with a delay, the last of a burst runs, once
    /// and when the burst is over (debounce).
    KeepLast,
}

/// What is known of a stored job's unique key.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct UniqueView {
    pub key: String,
    /// queued, running or period.
    pub scope: String,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub period_ms: Option<u64>,
    /// reject, replace or keep_last.
    pub conflict: String,
}

/// A longer period is asked for by mistake: its key would be kept for as long.
const PERIOD_MAX: Duration = Duration::from_secs(366 * 86_400);

/// As the enqueue script reads it.
#[derive(Serialize)]
pub(crate) struct RawUnique {
    key: String,
    scope: &'static str,
    #[serde(skip_serializing_if = "Option::is_none")]
    period_ms: Option<u64>,
    conflict: Conflict,
}

impl Unique {
    /// By the job's name and arguments, while it waits or runs; the second enqueue is rejected.
    pub fn by_arguments() -> Self {
        Self { key: None, scope: UniqueScope::Running, conflict: Conflict::Reject }
    }

    /// By a key of the caller's, otherwise as [`Unique::by_arguments`].
    pub fn by(key: impl Into<String>) -> Self {
        Self { key: Some(key.into()), ..Self::by_arguments() }
    }

    #[must_use]
    pub fn scope(self, scope: UniqueScope) -> Self {
        Self { scope, ..self }
    }

    #[must_use]
    pub fn on_conflict(self, conflict: Conflict) -> Self {
        Self { conflict, ..self }
    }

    /// From the words that SQL, HTTP and the command line use: scope `queued`, `running` or `period`, conflict `reject`, `replace` or
    /// `keep_last`. Left out, they are as in [`Unique::by_arguments`]; a period alone makes the scope `period`.
    ///
    /// # Errors
    /// [`Error::InvalidName`] for another word, a key or period that cannot be used, or a period that does not fit the scope.
    pub fn from_words(key: Option<String>, scope: Option<&str>, period: Option<Duration>, conflict: Option<&str>) -> Result<Self, Error> {
        let scope = match (scope, period) {
            (None | Some("running"), None) => UniqueScope::Running,
            (Some("queued"), None) => UniqueScope::Queued,
            (None | Some("period"), Some(period)) => UniqueScope::Period(period),
            (Some("period"), None) => return Err(Error::invalid_name("unique scope", "period", "given with its period, as in 10 minutes")),
            (Some(scope @ ("queued" | "running")), Some(_)) => {
                return Err(Error::invalid_name("unique scope", scope, "period, or left out, where a period is given"));
            }
            (Some(scope), _) => return Err(Error::invalid_name("unique scope", scope, "queued, running or period")),
        };
        let conflict = match conflict {
            None | Some("reject") => Conflict::Reject,
            Some("replace") => Conflict::Replace,
            Some("keep_last") => Conflict::KeepLast,
            Some(other) => return Err(Error::invalid_name("way to settle a conflict", other, "reject, replace or keep_last")),
        };
        let unique = Self { key, scope, conflict };
        unique.to_raw("", b"")?;
        Ok(unique)
    }

    pub(crate) fn to_raw(&self, job: &str, payload: &[u8]) -> Result<RawUnique, Error> {
        let key = match &self.key {
            Some(key) => check(key)?,
            None => fingerprint(job, payload),
        };
        let (scope, period_ms) = match self.scope {
            UniqueScope::Queued => ("queued", None),
            UniqueScope::Running => ("running", None),
            UniqueScope::Period(period) if (Duration::from_millis(1)..=PERIOD_MAX).contains(&period) => {
                ("period", Some(period.as_millis() as u64))
            }
            UniqueScope::Period(period) => {
                let given = format!("{} s", period.as_secs_f64());
                return Err(Error::invalid_name("period of a unique key", &given, "1 ms to 366 days"));
            }
        };
        Ok(RawUnique { key, scope, period_ms, conflict: self.conflict })
    }
}

fn check(key: &str) -> Result<String, Error> {
    if (1..=500).contains(&key.len()) {
        return Ok(key.to_owned());
    }
    Err(Error::invalid_name("unique key", key, "1 to 500 bytes, as in invoice-2026-11"))
}

/// The same for the same name and arguments, whatever the order of an object's members.
fn fingerprint(job: &str, payload: &[u8]) -> String {
    let mut hash = Sha256::new();
    hash.update(job);
    hash.update(b"\n");
    // A map of serde_json is ordered by its keys.
    match serde_json::from_slice::<serde_json::Value>(payload) {
        Ok(arguments) => hash.update(arguments.to_string()),
        Err(_) => hash.update(payload),
    }
    hash.finalize().iter().take(16).map(|byte| format!("{byte:02x}")).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_same_arguments_in_another_order_are_the_same_job_and_another_name_is_not() {
        let one = fingerprint("greet", br#"{"a": 1, "b": [2, 3]}"#);
        assert_eq!(one, fingerprint("greet", br#"{"b":[2,3],"a":1}"#));
        assert_ne!(one, fingerprint("greet", br#"{"b":[3,2],"a":1}"#));
        assert_ne!(one, fingerprint("greet_again", br#"{"a": 1, "b": [2, 3]}"#));
        assert_ne!(fingerprint("greet", b"\xff"), fingerprint("greet", b"\xfe"));
    }

    #[test]
    fn words_that_do_not_fit_together_are_refused_with_what_would() {
        let minute = Some(Duration::from_secs(60));
        let scope_of = |scope, period| Unique::from_words(None, scope, period, None).map(|unique| unique.scope);
        assert_eq!(scope_of(None, None).unwrap(), UniqueScope::Running);
        assert_eq!(scope_of(Some("queued"), None).unwrap(), UniqueScope::Queued);
        assert_eq!(scope_of(None, minute).unwrap(), UniqueScope::Period(Duration::from_secs(60)));
        for (scope, period) in [(Some("period"), None), (Some("queued"), minute), (Some("always"), None), (None, Some(Duration::ZERO))] {
            assert!(scope_of(scope, period).is_err(), "{scope:?} with {period:?} was accepted");
        }
        assert_eq!(Unique::from_words(None, None, None, Some("keep_last")).unwrap().conflict, Conflict::KeepLast);
        assert!(Unique::from_words(None, None, None, Some("keep")).is_err());
        assert!(Unique::from_words(Some(String::new()), None, None, None).is_err(), "an empty key was accepted");
    }
}
