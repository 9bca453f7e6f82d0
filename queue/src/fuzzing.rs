//! What the fuzz targets in `fuzz/` call: each takes bytes as they may come from outside and asserts what must hold of any.
//! The tests run them on the seeds, to which the bytes of every finding are added.

use std::sync::LazyLock;

use serde::Serialize;
use serde::de::DeserializeOwned;

use crate::chain::Next;
use crate::client::Pause;
use crate::ids::check_job_name;
use crate::limits::check_key;
use crate::{
    Attempt, Envelope, Error, JobId, KeyRing, Limits, LogLine, Namespace, Outcome, Progress, QueueName, Rate, TransfersView, Tries, Unique,
    WorkerView,
};

static RING: LazyLock<KeyRing> = LazyLock::new(|| KeyRing::parse("cGF5bG9hZC1leGFtcGxlLWtleS0zMi1ieXRlcyEhISE=").expect("a key"));

/// What lies in Redis in the place of an envelope: it is refused, or read and written without a change, in the clear and encrypted.
pub fn envelope(bytes: &[u8]) {
    let id = JobId::generate();
    if let Ok(seen) = Envelope::peek(bytes) {
        assert!(seen.peeked_bytes() <= bytes.len());
    }
    let _ = Envelope::decode(bytes, &id, Some(&RING));
    let Ok(envelope) = Envelope::decode(bytes, &id, None) else { return };
    let plain = envelope.clone().encode(Some(&id), None);
    assert_eq!(Envelope::decode(&plain, &id, None).expect("what was written").encode(Some(&id), None), plain);
    for bound_to in [Some(&id), None] {
        let sealed = envelope.clone().encode(bound_to, Some(&RING));
        let opened = Envelope::decode(&sealed, &id, Some(&RING)).expect("what was sealed");
        assert_eq!(opened.encode(Some(&id), None), plain, "encryption changed it");
        assert!(matches!(Envelope::decode(&sealed, &id, None), Err(Error::KeyMissing { .. })), "it was read without the key");
        let elsewhere = Envelope::decode(&sealed, &JobId::generate(), Some(&RING));
        assert_eq!(elsewhere.is_ok(), bound_to.is_none(), "a bound payload opened under another id, or a free one did not");
    }
}

/// Names, ids, keys and rates as callers spell them. What is taken names one thing only; what is refused is told without control characters,
/// which would forge lines in a log.
pub fn names(bytes: &[u8]) {
    let Ok(text) = std::str::from_utf8(bytes) else { return };
    if let Ok(queue) = told(QueueName::parse(text)) {
        let keys = Namespace::default().queue(&queue);
        for key in keys.all() {
            assert_eq!(key.matches(['{', '}']).count(), 2, "{key} has another hash tag than its queue's");
        }
    }
    if let Ok(id) = told(JobId::parse(text)) {
        assert_eq!(serde_json::from_str::<JobId>(&serde_json::to_string(&id).expect("text")).expect("its own text"), id);
    }
    if let Ok(rate) = told(Rate::parse(text)) {
        let json = serde_json::to_string(&rate).expect("numbers");
        serde_json::from_str::<Rate>(&json).unwrap_or_else(|error| panic!("{json} was written and is not read: {error}"));
    }
    let _ = told(Namespace::parse(text));
    let _ = told(check_job_name(text));
    let _ = told(check_key(text));
    let _ = told(Unique::by(text).to_raw("fuzz", bytes));
    let _ = Unique::by_arguments().to_raw("fuzz", bytes);
    if let Ok(ring) = KeyRing::parse(text) {
        let shown = format!("{ring:?}");
        assert!(text.split(',').all(|key| !shown.contains(key.trim())), "a key was shown");
    }
}

/// What Redis keeps beside a job, read back for people: it is refused, or can be written and read again.
pub fn records(bytes: &[u8]) {
    TransfersView::of(1, &[Some(bytes.to_vec())], 0);
    let _ = Next::split(bytes);
    let Ok(text) = std::str::from_utf8(bytes) else { return };
    Tries::parse(text).deliveries();
    again::<Outcome>(text);
    again::<Attempt>(text);
    again::<LogLine>(text);
    again::<Progress>(text);
    again::<Pause>(text);
    again::<WorkerView>(text);
    again::<Limits>(text);
}

fn told<T>(parsed: Result<T, Error>) -> Result<T, Error> {
    if let Err(error) = &parsed {
        assert!(!error.to_string().contains(char::is_control), "{error:?} is told with a control character");
    }
    parsed
}

fn again<T: Serialize + DeserializeOwned>(text: &str) {
    let Ok(record) = serde_json::from_str::<T>(text) else { return };
    let json = serde_json::to_string(&record).expect("a record has only text keys");
    serde_json::from_str::<T>(&json).unwrap_or_else(|error| panic!("{json} was written and is not read: {error}"));
}

#[cfg(test)]
#[path = "../../fuzz/replay.rs"]
mod replay;

#[cfg(test)]
mod tests {
    #[test]
    fn every_seed_is_taken_or_refused_in_order() {
        super::replay::seeds("envelope", super::envelope);
        super::replay::seeds("names", super::names);
        super::replay::seeds("records", super::records);
    }
}
