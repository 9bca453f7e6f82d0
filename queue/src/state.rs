//! The states of a job and the records it leaves; the chart itself is drawn in ARCHITECTURE.md.
//!
//! | from | move (Lua file) | to |
//! |---|---|---|
//! | – | enqueue | ready, or scheduled when it is due later |
//! | scheduled | promote | ready |
//! | ready | claim | running |
//! | running | complete | finished |
//! | running | retry, snooze | scheduled |
//! | running | bury | dead |
//! | running | expire | expired |
//! | running, ready, scheduled | cancel | cancelled |
//! | running | release, recover | ready |
//! | running | recover, when it took its worker down too often | dead |
//! | dead, finished, cancelled, expired | requeue | ready, or scheduled when it is due later |
//! | dead, finished, cancelled, expired | prune, delete | – |

use serde::{Deserialize, Serialize};

use crate::Millis;

/// Where a job is.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum State {
    Scheduled,
    Ready,
    Running,
    Finished,
    Dead,
    Cancelled,
    Expired,
}

impl State {
    /// Whether the job has ended. A dead job has ended too, though a person may requeue it.
    pub fn is_terminal(self) -> bool {
        matches!(self, Self::Finished | Self::Dead | Self::Cancelled | Self::Expired)
    }

    pub fn as_str(self) -> &'static str {
        match self {
            Self::Scheduled => "scheduled",
            Self::Ready => "ready",
            Self::Running => "running",
            Self::Finished => "finished",
            Self::Dead => "dead",
            Self::Cancelled => "cancelled",
            Self::Expired => "expired",
        }
    }
}

impl std::fmt::Display for State {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(self.as_str())
    }
}

/// Outputs above this are neither kept with the record nor handed to the next link of a chain; what is large belongs in a table.
pub const OUTPUT_BYTES_MAX: usize = 65_536;

/// How a job ended, as it is stored and shown.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Outcome {
    /// Finished, dead, cancelled or expired.
    pub state: State,
    /// When, by the clock of the machine that ended it: for people, nothing is decided by it.
    pub at: Millis,
    /// Why, in words for people; absent for a finished job.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub reason: Option<String>,
    /// Which kind of end, for a dead job: `failed` (attempts used up), `refused` (the handler said never), `poison`, `unknown`
    /// (no such job here), `undecodable`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub kind: Option<String>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub worker: Option<String>,
    /// What the handler returned.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub output: Option<serde_json::Value>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub duration_ms: Option<u64>,
}

impl Outcome {
    pub fn new(state: State, at: Millis) -> Self {
        Self { state, at, reason: None, kind: None, worker: None, output: None, duration_ms: None }
    }

    #[must_use]
    pub fn because(mut self, kind: &str, reason: impl Into<String>) -> Self {
        self.kind = Some(kind.to_owned());
        self.reason = Some(bounded(reason.into()));
        self
    }

    pub(crate) fn to_json(&self) -> String {
        serde_json::to_string(self).expect("an outcome has only text keys")
    }
}

/// One failed attempt in a job's history.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Attempt {
    pub at: Millis,
    pub worker: String,
    /// The error with its causes, at most 2,000 characters.
    pub error: String,
}

impl Attempt {
    pub fn new(at: Millis, worker: impl Into<String>, error: impl Into<String>) -> Self {
        Self { at, worker: worker.into(), error: bounded(error.into()) }
    }

    pub(crate) fn to_json(&self) -> String {
        serde_json::to_string(self).expect("an attempt has only text keys")
    }
}

/// Error texts are kept for people, not for machines: what is beyond this many characters is cut.
const ERROR_CHARS_MAX: usize = 2_000;

fn bounded(text: String) -> String {
    match text.char_indices().nth(ERROR_CHARS_MAX) {
        Some((at, _)) => format!("{}…", &text[..at]),
        None => text,
    }
}

/// How often a job was tried before this delivery.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Tries {
    /// Attempts that failed.
    pub attempts: u32,
    /// Deliveries whose worker died or fell silent.
    pub losses: u32,
    /// Deliveries that gave the slot back without spending an attempt.
    pub snoozes: u32,
}

impl Tries {
    /// From the text that the scripts keep, `"attempts losses snoozes"`; empty means never tried.
    pub(crate) fn parse(text: &str) -> Self {
        let mut numbers = text.split(' ').map(|digits| digits.parse::<u64>().unwrap_or(0));
        // A count too large for its type must not begin anew: the job would be tried for ever.
        let mut next = || u32::try_from(numbers.next().unwrap_or(0)).unwrap_or(u32::MAX);
        Self { attempts: next(), losses: next(), snoozes: next() }
    }

    /// How often the job was handed to a worker before now.
    pub fn deliveries(&self) -> u32 {
        self.attempts.saturating_add(self.losses).saturating_add(self.snoozes)
    }
}
