//! How the stand-in behaves: what it begins with, and what changes on the way.

use std::collections::BTreeMap;
use std::time::Duration;

use serde::{Deserialize, Deserializer, Serialize, Serializer};

use super::batch_fault::BatchFault;
use super::fault::Fault;

/// How the stand-in begins.
#[derive(Debug, Clone, Default)]
pub struct Options {
    /// How long each answer takes.
    pub latency: Duration,
    /// The longest that an answer takes, each between `latency` and this; `None`: all take the same.
    pub latency_max: Option<Duration>,
    /// What the first requests get instead of an answer, in order.
    pub next: Vec<Fault>,
    /// Requests a minute; `None`: as many as come.
    pub requests_per_minute: Option<u64>,
    /// Tokens a minute, by the estimate that the service makes before it answers.
    pub tokens_per_minute: Option<u64>,
    /// The share of requests, 0 to 1, that get one of `faults` instead of an answer.
    pub fault_rate: f64,
    /// What the fault rate draws from; empty: [`Fault::passing`].
    pub faults: Vec<Fault>,
    /// The same seed draws the same faults and latencies for the same sequence of requests.
    pub seed: u64,
    /// How long a batch takes.
    pub batch_latency: BatchLatency,
}

/// What `POST /control` takes. What is left out stays as it is.
#[derive(Debug, Clone, Default, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Control {
    /// Sets both ends of the range, unless `latency_max_ms` is given too.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub latency_ms: Option<u64>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub latency_max_ms: Option<u64>,
    /// Appended to the script.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub next: Vec<Fault>,
    /// Appended to the script of one kind of question (by the name of its schema), or of one other route (as in `POST /v1/batches`).
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    pub next_for: BTreeMap<String, Vec<Fault>>,
    /// 0: no limit any more.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub requests_per_minute: Option<u64>,
    /// 0: no limit any more.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub tokens_per_minute: Option<u64>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub fault_rate: Option<f64>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub faults: Option<Vec<Fault>>,
    /// For the batches that run as well as for those to come.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub batch_latency_ms: Option<BatchLatency>,
    /// What the next batches come to, in order.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub batch_next: Vec<BatchFault>,
    /// True: forgets scripts and counters first. Files and batches stay.
    #[serde(default)]
    pub reset: bool,
}

/// How long a batch takes from its creation to its end. On the wire: milliseconds, or `"never"`.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum BatchLatency {
    After(Duration),
    Never,
}

impl Default for BatchLatency {
    fn default() -> Self {
        Self::After(Duration::ZERO)
    }
}

impl std::str::FromStr for BatchLatency {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        match text {
            "never" => Ok(Self::Never),
            text => text
                .parse()
                .map(|milliseconds| Self::After(Duration::from_millis(milliseconds)))
                .map_err(|_| format!("'{text}' is neither a number of milliseconds nor \"never\"")),
        }
    }
}

impl Serialize for BatchLatency {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        match self {
            Self::After(latency) => serializer.serialize_u64(u64::try_from(latency.as_millis()).unwrap_or(u64::MAX)),
            Self::Never => serializer.serialize_str("never"),
        }
    }
}

impl<'de> Deserialize<'de> for BatchLatency {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        #[derive(Deserialize)]
        #[serde(untagged)]
        enum Wire {
            Milliseconds(u64),
            Word(String),
        }
        match Wire::deserialize(deserializer)? {
            Wire::Milliseconds(milliseconds) => Ok(Self::After(Duration::from_millis(milliseconds))),
            Wire::Word(word) => word.parse().map_err(serde::de::Error::custom),
        }
    }
}
