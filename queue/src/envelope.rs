//! The wire format of a queued job: one line of JSON (the header), then the payload's bytes as they are.
//!
//! The payload stays opaque: a message of another system (Celery's, say) can be carried with its own content type. Headers of a newer
//! version are refused by name; unknown header fields are ignored, so an older worker reads what a newer client wrote.
//!
//! With a [`KeyRing`] the payload is encrypted and the header stays readable. The ciphertext opens only under this job's name and id.

use serde::{Deserialize, Serialize};

use crate::key_ring::{Closed, plain_len};
use crate::{BatchTally, Error, JobId, KeyRing, Millis};

/// What is written with a plain payload.
const VERSION: u8 = 1;
/// With an encrypted one: a version of its own, so that a worker from before it says so instead of taking noise for arguments.
const VERSION_SEALED: u8 = 2;
/// Where more than the payload follows the header, encrypted or not: a version of its own again, so that a worker from before it does not
/// lose the rest of a chain. The newest that this code reads.
const VERSION_IN_PARTS: u8 = 3;

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
    /// The name of the key that the payload is stored under; absent when it is stored as it is.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    key: Option<String>,
    /// The encrypted payload is not bound to an id: it may have taken the place of another job's.
    #[serde(default, skip_serializing_if = "is_default")]
    any_id: bool,
    /// Of a batch's callback: how its members ended.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub batch: Option<BatchTally>,
    /// Where more than the payload follows: the bytes of the payload and those of the input; the rest is the chain.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    parts: Option<[usize; 2]>,
    #[serde(skip)]
    pub payload: Vec<u8>,
    /// Of a later link of a chain: the output of the one before it, JSON.
    #[serde(skip)]
    pub(crate) input: Option<Vec<u8>>,
    /// What is to come after it, as `chain.rs` writes it.
    #[serde(skip)]
    pub(crate) chain: Option<Vec<u8>>,
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
            key: None,
            any_id: false,
            batch: None,
            parts: None,
            payload,
            input: None,
            chain: None,
        }
    }

    /// The bytes to store under this id (`None`: under one that is not known yet), the payload encrypted when there is a ring.
    pub(crate) fn encode(mut self, id: Option<&JobId>, ring: Option<&KeyRing>) -> Vec<u8> {
        let (input, chain) = (self.input.take(), self.chain.take());
        if input.is_some() || chain.is_some() {
            self.parts = Some([self.payload.len(), input.as_ref().map_or(0, Vec::len)]);
            self.payload.extend(input.into_iter().chain(chain).flatten());
        }
        self.key = ring.map(|ring| ring.newest().to_owned());
        self.any_id = ring.is_some() && id.is_none();
        self.version = match (self.parts, ring) {
            (Some(_), _) => VERSION_IN_PARTS,
            (None, Some(_)) => VERSION_SEALED,
            (None, None) => VERSION,
        };
        if let Some(ring) = ring {
            self.payload = ring.seal(&bound_to(&self.job, id), &self.payload);
        }
        let mut bytes = serde_json::to_vec(&self).expect("a header has only text keys");
        bytes.push(b'\n');
        bytes.extend_from_slice(&self.payload);
        bytes
    }

    /// Adds the output of the link before it, and what is to come after it.
    pub(crate) fn in_chain(mut self, input: Option<Vec<u8>>, chain: Option<Vec<u8>>) -> Self {
        (self.input, self.chain) = (input, chain);
        self
    }

    /// Reads what was stored under this id, the payload included.
    ///
    /// # Errors
    /// [`Error::Decode`] when there is no header line, it is not JSON of the expected shape, or its version is newer than this code;
    /// [`Error::KeyMissing`] when the ring has not the key of the payload, [`Error::Sealed`] when the payload does not open with it.
    pub fn decode(bytes: &[u8], id: &JobId, ring: Option<&KeyRing>) -> Result<Self, Error> {
        let mut envelope = Self::peek(bytes)?;
        let Some(key) = &envelope.key else {
            envelope.take_apart()?;
            return Ok(envelope);
        };
        let id = (!envelope.any_id).then_some(id);
        let opened = ring.map_or(Err(Closed::KeyMissing), |ring| ring.open(key, &bound_to(&envelope.job, id), &envelope.payload));
        envelope.payload = opened.map_err(|closed| match closed {
            Closed::KeyMissing => Error::KeyMissing { key: key.clone() },
            Closed::Changed => Error::Sealed { key: key.clone() },
        })?;
        envelope.take_apart()?;
        Ok(envelope)
    }

    /// Reads the header; an encrypted payload stays so. For views, which show no payloads.
    ///
    /// # Errors
    /// [`Error::Decode`], as above.
    pub(crate) fn peek(bytes: &[u8]) -> Result<Self, Error> {
        let end = bytes.iter().position(|b| *b == b'\n').ok_or_else(|| Error::Decode("it has no header line".into()))?;
        let mut envelope: Self = serde_json::from_slice(&bytes[..end]).map_err(|error| Error::Decode(error.to_string()))?;
        if envelope.version > VERSION_IN_PARTS {
            let version = envelope.version;
            return Err(Error::Decode(format!("it has version {version}, this worker reads up to {VERSION_IN_PARTS}: upgrade it")));
        }
        envelope.payload = bytes[end + 1..].to_vec();
        Ok(envelope)
    }

    /// The job's wire name from the first line alone; `None` when that line is none of ours.
    pub(crate) fn job_in_header(header: &[u8]) -> Option<String> {
        serde_json::from_slice::<Self>(header).ok().filter(|envelope| envelope.version <= VERSION_IN_PARTS).map(|envelope| envelope.job)
    }

    /// The name of the key that the payload is stored under; `None`: it is stored as it is.
    pub fn encrypted_with(&self) -> Option<&str> {
        self.key.as_deref()
    }

    /// The plain payload's size, of an envelope that was only peeked at.
    pub(crate) fn peeked_bytes(&self) -> usize {
        let bytes = if self.key.is_some() { plain_len(self.payload.len()) } else { self.payload.len() };
        self.parts.map_or(bytes, |[payload, _]| payload)
    }

    /// Of a body in parts, only the payload stays in its place.
    fn take_apart(&mut self) -> Result<(), Error> {
        let Some([payload, input]) = self.parts.take() else { return Ok(()) };
        let ends = payload.checked_add(input).filter(|end| *end <= self.payload.len());
        let end = ends.ok_or_else(|| Error::Decode("its parts are longer than all of it".into()))?;
        self.chain = Some(self.payload.split_off(end)).filter(|chain| !chain.is_empty());
        self.input = Some(self.payload.split_off(payload)).filter(|input| !input.is_empty());
        Ok(())
    }
}

/// What a payload is bound to. Not to the rest of the header: a requeue takes the deadline out of it. An id is not empty and holds no
/// line's end, so no two pairs look alike.
fn bound_to(job: &str, id: Option<&JobId>) -> Vec<u8> {
    format!("{}\n{job}", id.map_or("", JobId::as_str)).into_bytes()
}

#[cfg(test)]
mod tests {
    use super::*;

    const KEYS: &str = "cGF5bG9hZC1leGFtcGxlLWtleS0zMi1ieXRlcyEhISE=";

    fn id(text: &str) -> JobId {
        JobId::parse(text).unwrap()
    }

    fn envelope() -> Envelope {
        let mut envelope = Envelope::new("greet", b"{\n\"a\": 1}\n\xff\x00".to_vec(), 1_763_711_111_111);
        envelope.origin = Origin::Outbox;
        envelope.content_type = "application/x-python".into();
        envelope.remember_ms = Some(5);
        envelope
    }

    #[test]
    fn what_was_encoded_is_decoded_and_the_payload_is_untouched() {
        let bytes = envelope().encode(Some(&id("a")), None);
        assert_eq!(Envelope::decode(&bytes, &id("a"), None).unwrap(), envelope());
    }

    #[test]
    fn an_input_and_a_chain_are_told_from_the_payload_and_parts_that_do_not_add_up_are_refused() {
        let ring = KeyRing::parse(KEYS).unwrap();
        for (input, chain) in [(Some(b"null".to_vec()), None), (None, Some(b"[\n]".to_vec())), (Some(b"7".to_vec()), Some(b"[]".to_vec()))]
        {
            for ring in [None, Some(&ring)] {
                let envelope = Envelope::new("greet", b"{\"a\":1}".to_vec(), 1).in_chain(input.clone(), chain.clone());
                let bytes = envelope.encode(Some(&id("a")), ring);
                assert_eq!(Envelope::peek(&bytes).unwrap().peeked_bytes(), 7);
                let read = Envelope::decode(&bytes, &id("a"), ring).unwrap();
                assert_eq!((read.payload.as_slice(), &read.input, &read.chain), (&b"{\"a\":1}"[..], &input, &chain));
            }
        }
        for parts in ["[3,0]", "[2,1]", "[18446744073709551615,1]"] {
            let bytes = format!("{{\"v\":3,\"job\":\"a\",\"at\":1,\"parts\":{parts}}}\n{{}}");
            assert!(matches!(Envelope::decode(bytes.as_bytes(), &id("a"), None), Err(Error::Decode(_))), "{parts} was accepted");
        }
    }

    #[test]
    fn a_plain_header_stays_small() {
        let bytes = Envelope::new("process_document", b"{}".to_vec(), 1_763_711_111_111).encode(Some(&id("a")), None);
        assert!(bytes.len() < 60 + 2, "{}", String::from_utf8_lossy(&bytes));
    }

    #[test]
    fn a_newer_version_an_empty_value_and_noise_are_refused_with_a_reason() {
        for bad in [&b""[..], b"{}", b"{}\n", b"\xff\xfe\n{}", b"{\"v\":9,\"job\":\"a\",\"at\":1}\n{}"] {
            assert!(matches!(Envelope::peek(bad), Err(Error::Decode(_))), "{bad:?} was accepted");
        }
        let unknown_field = b"{\"v\":1,\"job\":\"a\",\"at\":1,\"later\":true}\n{}";
        assert_eq!(Envelope::peek(unknown_field).unwrap().job, "a");
    }

    #[test]
    fn an_encrypted_payload_opens_only_under_its_own_id_and_name() {
        let ring = KeyRing::parse(KEYS).unwrap();
        let bytes = envelope().encode(Some(&id("a")), Some(&ring));
        let opened = Envelope::decode(&bytes, &id("a"), Some(&ring)).unwrap();
        assert_eq!((opened.payload, opened.job), (envelope().payload, envelope().job));
        assert!(matches!(Envelope::decode(&bytes, &id("b"), Some(&ring)), Err(Error::Sealed { .. })), "it opened under another id");
        let end = bytes.iter().position(|byte| *byte == b'\n').unwrap();
        let header = String::from_utf8(bytes[..end].to_vec()).unwrap();
        let freed = header.replace("\"key\"", "\"any_id\":true,\"key\"");
        let freed = [freed.as_bytes(), &bytes[end..]].concat();
        assert!(matches!(Envelope::decode(&freed, &id("b"), Some(&ring)), Err(Error::Sealed { .. })), "a word in the header freed it");
        let renamed = [header.replace("greet", "greed").as_bytes(), &bytes[end..]].concat();
        assert!(matches!(Envelope::decode(&renamed, &id("a"), Some(&ring)), Err(Error::Sealed { .. })), "it opened under another name");
    }

    #[test]
    fn whoever_has_not_the_key_reads_the_header_and_is_told_which_key_it_is() {
        let ring = KeyRing::parse(KEYS).unwrap();
        let bytes = envelope().encode(Some(&id("a")), Some(&ring));
        let seen = Envelope::peek(&bytes).unwrap();
        assert_eq!((seen.job.as_str(), seen.peeked_bytes()), ("greet", envelope().payload.len()));
        let refused = Envelope::decode(&bytes, &id("a"), None).unwrap_err();
        assert!(matches!(&refused, Error::KeyMissing { key } if key == ring.newest()), "{refused}");
    }
}
