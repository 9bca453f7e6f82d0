//! The shape of a health report.

use std::collections::BTreeMap;

use chrono::{DateTime, Utc};
use serde::Serialize;
use serde_json::{Map, Value};

/// How bad it is; the worst check is the report's.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Serialize)]
#[serde(rename_all = "snake_case")]
pub(crate) enum Level {
    Healthy,
    /// It works, and somebody should look.
    Degraded,
    /// It does not work: 503.
    Unhealthy,
}

#[derive(Debug, Clone, Serialize)]
pub(crate) struct Check {
    pub(crate) status: Level,
    /// Why it is not healthy, in a sentence.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) message: Option<String>,
    #[serde(flatten)]
    pub(crate) facts: Map<String, Value>,
}

#[derive(Debug, Clone, Serialize)]
pub(crate) struct Report {
    pub(crate) status: Level,
    pub(crate) timestamp: DateTime<Utc>,
    pub(crate) checks: BTreeMap<&'static str, Check>,
}

impl Level {
    pub(crate) fn as_str(self) -> &'static str {
        match self {
            Self::Healthy => "healthy",
            Self::Degraded => "degraded",
            Self::Unhealthy => "unhealthy",
        }
    }
}

impl Check {
    pub(crate) fn healthy(facts: Value) -> Self {
        Self::at(Level::Healthy, None, facts)
    }

    /// Healthy when there is nothing to complain of, else at that level with the complaint.
    pub(crate) fn unless(complaint: Option<(Level, String)>, facts: Value) -> Self {
        match complaint {
            None => Self::healthy(facts),
            Some((level, message)) => Self::at(level, Some(message), facts),
        }
    }

    /// It could not be made.
    pub(crate) fn failed(level: Level, message: impl Into<String>) -> Self {
        Self::at(level, Some(message.into()), Value::Null)
    }

    fn at(status: Level, message: Option<String>, facts: Value) -> Self {
        let facts = match facts {
            Value::Object(facts) => facts,
            _ => Map::new(),
        };
        Self { status, message, facts }
    }
}

impl Report {
    pub(crate) fn new(timestamp: DateTime<Utc>, checks: impl IntoIterator<Item = (&'static str, Check)>) -> Self {
        let checks: BTreeMap<_, _> = checks.into_iter().collect();
        let status = checks.values().map(|check| check.status).max().unwrap_or(Level::Healthy);
        Self { status, timestamp, checks }
    }
}
