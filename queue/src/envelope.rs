//! The wire format of a queued job: one line of JSON (the header), then the payload's bytes as they are.
//!
//! The payload stays opaque: a message of another system (Celery's, say) can be carried with its own content type. Headers of a newer
//! version are refused by name; unknown header fields are ignored, so an older worker reads what a newer client wrote.

use serde::{Deserialize, Serialize};

use crate::{Error, Millis};

/// The newest version this code reads and the one it writes.
const VERSION: u8 = 1;

/// Payloads above this are refused at enqueue: 1 MB.
pub const PAYLOAD_BYTES_MAX: usize = 1_000_000;

const JSON: &str = "application/json";

/// Where a job came from.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Origin {
    /// The Rust client.
    #[default]
    Rust,
    Cli,
    Http,
    /// The outbox in PostgreSQL (SQL function, schedule, durable HTTP): the worker confirms it there before it acknowledges here.
    Outbox,
}

/// A job as it lies in Redis.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Envelope {
    #[serde(rename = "v")]
    version: u8,
    /// The job's wire name.
    pub job: String,
    /// When it was enqueued, by the enqueuer's clock, ms.
    pub at: Millis,
    #[serde(default, skip_serializing_if = "is_default")]
    pub origin: Origin,
    #[serde(default = "json", skip_serializing_if = "is_json")]
    pub content_type: String,
    /// Not started by then (Redis clock, ms): dropped unrun.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub expires_at: Option<Millis>,
    /// Overrides the policy of the job type.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub max_attempts: Option<u32>,
    /// Keep the record of the end for so long, ms. Overrides the policy.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub keep_ms: Option<u64>,
    /// Remember the id for so long after the end, ms: set when the caller chose the id.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub remember_ms: Option<u64>,
    /// The web request that caused it, for the logs.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub request_id: Option<String>,
    /// W3C trace context of the enqueuer.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub traceparent: Option<String>,
    #[serde(skip)]
    pub payload: Vec<u8>,
}

fn json() -> String {
    JSON.to_owned()
}

fn is_json(content_type: &str) -> bool {
    content_type == JSON
}

fn is_default<T: Default + PartialEq>(value: &T) -> bool {
    *value == T::default()
}

impl Envelope {
    /// A new envelope around a JSON payload.
    pub fn new(job: impl Into<String>, payload: Vec<u8>, at: Millis) -> Self {
        Self {
            version: VERSION,
            job: job.into(),
            at,
            origin: Origin::default(),
            content_type: json(),
            expires_at: None,
            max_attempts: None,
            keep_ms: None,
            remember_ms: None,
            request_id: None,
            traceparent: None,
            payload,
        }
    }

    pub(crate) fn encode(&self) -> Vec<u8> {
        let mut bytes = serde_json::to_vec(self).expect("a header has only text keys");
        bytes.push(b'\n');
        bytes.extend_from_slice(&self.payload);
        bytes
    }

    /// # Errors
    /// [`Error::Decode`] when there is no header line, it is not JSON of the expected shape, or its version is newer than this code.
    pub fn decode(bytes: &[u8]) -> Result<Self, Error> {
        let end = bytes.iter().position(|b| *b == b'\n').ok_or_else(|| Error::Decode("it has no header line".into()))?;
        let mut envelope: Self = serde_json::from_slice(&bytes[..end]).map_err(|error| Error::Decode(error.to_string()))?;
        if envelope.version > VERSION {
            return Err(Error::Decode(format!("it has version {}, this worker reads up to {VERSION}: upgrade it", envelope.version)));
        }
        envelope.payload = bytes[end + 1..].to_vec();
        Ok(envelope)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_was_encoded_is_decoded_and_the_payload_is_untouched() {
        let mut envelope = Envelope::new("greet", b"{\n\"a\": 1}\n\xff\x00".to_vec(), 1_763_711_111_111);
        envelope.origin = Origin::Outbox;
        envelope.content_type = "application/x-python".into();
        envelope.remember_ms = Some(5);
        assert_eq!(Envelope::decode(&envelope.encode()).unwrap(), envelope);
    }

    #[test]
    fn a_plain_header_stays_small() {
        let envelope = Envelope::new("process_document", b"{}".to_vec(), 1_763_711_111_111);
        assert!(envelope.encode().len() < 60 + envelope.payload.len(), "{}", String::from_utf8_lossy(&envelope.encode()));
    }

    #[test]
    fn a_newer_version_an_empty_value_and_noise_are_refused_with_a_reason() {
        for bad in [&b""[..], b"{}", b"{}\n", b"\xff\xfe\n{}", b"{\"v\":9,\"job\":\"a\",\"at\":1}\n{}"] {
            assert!(matches!(Envelope::decode(bad), Err(Error::Decode(_))), "{bad:?} was accepted");
        }
        let unknown_field = b"{\"v\":1,\"job\":\"a\",\"at\":1,\"later\":true}\n{}";
        assert_eq!(Envelope::decode(unknown_field).unwrap().job, "a");
    }
}
