//! What the fuzz targets `api` and `spellings` in `fuzz/` call, and the test of their seeds.

use celeriac_queue::Outcome;
use chrono::Utc;

use crate::http::fuzzing as http;
use crate::human::{bytes as size, clock, moment, parse_duration, parse_moment, relative, rfc3339, took};

/// A request from anybody: the headers that open the console (the first line and the second), and a body for the API.
pub fn api(bytes: &[u8]) {
    let mut parts = bytes.splitn(3, |byte| *byte == b'\n');
    let mut next = || parts.next().unwrap_or_default();
    http::headers(next(), next());
    http::job_body(next());
}

/// What a person types, and moments that somebody else has put into Redis, as they are shown.
pub fn spellings(bytes: &[u8]) {
    if let Ok(text) = std::str::from_utf8(bytes) {
        if let Ok(duration) = parse_duration(text) {
            assert!(Utc::now().checked_add_signed(chrono::TimeDelta::from_std(duration).expect("some years")).is_some());
        }
        if let Ok(at) = parse_moment(text) {
            show(at.timestamp_millis().unsigned_abs());
        }
        if let Ok(outcome) = serde_json::from_str::<Outcome>(text) {
            show(outcome.at);
            took(outcome.duration_ms.unwrap_or_default());
        }
    }
    if let Some(number) = bytes.first_chunk() {
        show(u64::from_le_bytes(*number));
    }
}

fn show(ms: u64) {
    let at = moment(ms);
    assert!(!clock(at).is_empty() && !rfc3339(at).is_empty() && !relative(at, Utc::now()).is_empty());
    assert!(!took(ms).is_empty() && !size(ms).is_empty());
}

#[cfg(test)]
#[path = "../../fuzz/replay.rs"]
mod replay;

#[cfg(test)]
mod tests {
    #[test]
    fn every_seed_is_taken_or_refused_in_order() {
        super::replay::seeds("api", super::api);
        super::replay::seeds("spellings", super::spellings);
    }
}
