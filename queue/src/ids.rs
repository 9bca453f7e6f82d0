//! Names that could be swapped by mistake, each a type of its own.

use std::fmt;

use rand::RngExt;
use serde::{Deserialize, Serialize};

use crate::Error;

/// A job's id: opaque, 1 to 200 visible ASCII characters. Unique within its queue.
#[derive(Debug, Clone, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(try_from = "String", into = "String")]
pub struct JobId(String);

impl JobId {
    /// A new id that sorts by time (UUID version 7).
    pub fn generate() -> Self {
        Self(uuid::Uuid::now_v7().to_string())
    }

    /// # Errors
    /// [`Error::InvalidName`] when it is empty, longer than 200 characters or holds white space or control characters.
    pub fn parse(id: &str) -> Result<Self, Error> {
        if (1..=200).contains(&id.len()) && id.bytes().all(|b| b.is_ascii_graphic()) {
            return Ok(Self(id.to_owned()));
        }
        Err(Error::invalid_name("job id", id, "1 to 200 visible ASCII characters, as in invoice-2026-11"))
    }

    pub fn as_str(&self) -> &str {
        &self.0
    }
}

/// A batch's id: opaque, 1 to 150 visible ASCII characters. Unique within its home queue. Its jobs' ids begin with it.
#[derive(Debug, Clone, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(try_from = "String", into = "String")]
pub struct BatchId(String);

impl BatchId {
    /// A new id that sorts by time (UUID version 7).
    pub fn generate() -> Self {
        Self(uuid::Uuid::now_v7().to_string())
    }

    /// # Errors
    /// [`Error::InvalidName`] when it is empty, longer than 150 characters or holds white space or control characters.
    pub fn parse(id: &str) -> Result<Self, Error> {
        if (1..=150).contains(&id.len()) && id.bytes().all(|b| b.is_ascii_graphic()) {
            return Ok(Self(id.to_owned()));
        }
        Err(Error::invalid_name("batch id", id, "1 to 150 visible ASCII characters, as in import-2026-11"))
    }

    pub fn as_str(&self) -> &str {
        &self.0
    }
}

/// A queue's name: a lower-case letter, then up to 62 of `a-z 0-9 _ -`.
#[derive(Debug, Clone, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(try_from = "String", into = "String")]
pub struct QueueName(String);

impl QueueName {
    /// # Errors
    /// [`Error::InvalidName`] when a character or the length is not allowed.
    pub fn parse(name: &str) -> Result<Self, Error> {
        let allowed = |b: u8| b.is_ascii_lowercase() || b.is_ascii_digit() || b == b'_' || b == b'-';
        if (1..=63).contains(&name.len()) && name.as_bytes()[0].is_ascii_lowercase() && name.bytes().all(allowed) {
            return Ok(Self(name.to_owned()));
        }
        Err(Error::invalid_name("queue name", name, "a lower-case letter, then up to 62 of a-z 0-9 _ -, as in documents"))
    }

    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl Default for QueueName {
    fn default() -> Self {
        Self("default".to_owned())
    }
}

/// One worker process's identity, new at every start, so that a restarted worker is never taken for its dead predecessor.
#[derive(Debug, Clone, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize)]
pub struct WorkerId(String);

impl WorkerId {
    /// `<host>:<process id>:<8 random hex digits>`
    pub fn generate(host: &str) -> Self {
        let host: String = host.chars().filter(char::is_ascii_graphic).take(60).collect();
        Self(format!("{host}:{}:{:08x}", std::process::id(), rand::rng().random::<u32>()))
    }

    pub fn as_str(&self) -> &str {
        &self.0
    }
}

macro_rules! text_conversions {
    ($($name:ident),+) => {$(
        impl fmt::Display for $name {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str(&self.0)
            }
        }
        impl From<$name> for String {
            fn from(name: $name) -> String {
                name.0
            }
        }
    )+};
}
text_conversions!(BatchId, JobId, QueueName, WorkerId);

macro_rules! checked_from_text {
    ($($name:ident),+) => {$(
        impl TryFrom<String> for $name {
            type Error = Error;
            fn try_from(text: String) -> Result<Self, Error> {
                Self::parse(&text)
            }
        }
        impl std::str::FromStr for $name {
            type Err = Error;
            fn from_str(text: &str) -> Result<Self, Error> {
                Self::parse(text)
            }
        }
    )+};
}
checked_from_text!(BatchId, JobId, QueueName);

/// A job's wire name: snake_case, at most 100 characters, dots allowed between parts.
pub(crate) fn check_job_name(name: &str) -> Result<(), Error> {
    let allowed = |b: u8| b.is_ascii_lowercase() || b.is_ascii_digit() || b == b'_' || b == b'.';
    if (1..=100).contains(&name.len()) && name.as_bytes()[0].is_ascii_lowercase() && name.bytes().all(allowed) {
        return Ok(());
    }
    Err(Error::invalid_name("job name", name, "snake_case of at most 100 characters, as in process_document"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_queue_name_that_would_break_the_hash_tag_is_refused() {
        for bad in ["", "a}b", "{a", "A", "1a", "a b", "a:b", &"a".repeat(64)] {
            assert!(QueueName::parse(bad).is_err(), "{bad:?} was accepted");
        }
        assert!(QueueName::parse("documents-2_b").is_ok());
    }

    #[test]
    fn a_job_id_keeps_whatever_visible_text_it_is_given() {
        for good in ["007", "daily@2026-11-21T03:00:00.000Z", "a/b:c"] {
            assert_eq!(JobId::parse(good).unwrap().as_str(), good);
        }
        for bad in ["", "a b", "a\n", "é", &"x".repeat(201)] {
            assert!(JobId::parse(bad).is_err(), "{bad:?} was accepted");
        }
    }
}
