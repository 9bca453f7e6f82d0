//! Chains: jobs that run one after the other, each handed the output of the one before.
//!
//! What is still to come travels in the envelope of the link that runs. When that link finishes, the move that completes it also writes
//! down the next one, as a transfer to its queue; see [`crate::Transfers`].

use serde::{Deserialize, Serialize};
use serde_json::Value;
use serde_json::value::RawValue;

use crate::client::{Attached, REMEMBER, Writing, millis, new_job, wall_clock_ms};
use crate::spec::Spec;
use crate::{
    Client, EnqueueOptions, Enqueued, Envelope, Error, Job, JobId, KeyRing, Millis, OUTPUT_BYTES_MAX, PAYLOAD_BYTES_MAX, Policy, QueueName,
};

/// Links of one chain.
const LINKS_MAX: usize = 20;
/// So that the ids of later links are ids as well.
const ID_CHARS_MAX: usize = 190;

/// A chain under construction; see [`Client::chain`].
#[must_use = "nothing is enqueued before `enqueue`"]
pub struct Chain {
    client: Client,
    id: Option<JobId>,
    links: Vec<Spec>,
    fault: Option<Error>,
}

/// A chain that has begun.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct ChainEnqueued {
    /// The answer for the first link. A duplicate: the chain was begun before.
    pub first: Enqueued,
    /// Queue and id of each link. All but the first are enqueued later, each when the one before it has finished.
    pub links: Vec<(QueueName, JobId)>,
}

impl Client {
    /// Begins to put a chain together, at most 20 links: `client.chain().then(&a).then(&b).enqueue().await`. Each link runs when the one
    /// before it has finished, and reads its output with [`crate::JobContext::input`]. A link that ends otherwise stops the chain; requeued
    /// and finished, it goes on.
    pub fn chain(&self) -> Chain {
        Chain { client: self.clone(), id: None, links: Vec::new(), fault: None }
    }
}

impl Chain {
    pub fn then<J: Job>(self, job: &J) -> Self {
        self.then_with(job, EnqueueOptions::default())
    }

    /// A delay counts from the end of the link before. A later link must not have a unique key.
    pub fn then_with<J: Job>(mut self, job: &J, options: EnqueueOptions) -> Self {
        match Spec::of(job, options) {
            Ok(link) => self.links.push(link),
            Err(error) => self.fault = self.fault.or(Some(error)),
        }
        self
    }

    /// A job whose type this program does not know; the payload must be JSON.
    pub fn then_raw(mut self, name: &str, payload: Vec<u8>, policy: &Policy, options: EnqueueOptions) -> Self {
        self.links.push(Spec { name: name.to_owned(), payload, policy: policy.clone(), options });
        self
    }

    /// The id of the first link, and what those of the others begin with. Makes the enqueue idempotent.
    pub fn id(mut self, id: JobId) -> Self {
        self.id = Some(id);
        self
    }

    /// Enqueues the first link, which carries the others.
    ///
    /// # Errors
    /// [`Error::Refused`], [`Error::PayloadTooLarge`] (all payloads together may be as large as one) and those of [`Client::enqueue`].
    pub async fn enqueue(self) -> Result<ChainEnqueued, Error> {
        let client = self.client.clone();
        let Planned { first, rest, links } = self.plan(None)?;
        let queue = first.queue().clone();
        let id = links[0].1.clone();
        let Spec { name, payload, policy, options } = first;
        let job = new_job(&id, name, payload, &policy, options, Attached { batch: None, chain: rest }, client.writing())?;
        let mut answers = client.put(&queue, std::slice::from_ref(&job)).await?;
        Ok(ChainEnqueued { first: answers.pop().expect("one job, one answer"), links })
    }

    /// Checks the chain and takes it apart. `id`, if given, is the first link's.
    pub(crate) fn plan(self, id: Option<JobId>) -> Result<Planned, Error> {
        if let Some(error) = self.fault {
            return Err(error);
        }
        let count = self.links.len();
        if !(1..=LINKS_MAX).contains(&count) {
            return Err(Error::Refused(format!("a chain of {count} links cannot be enqueued: it has 1 to {LINKS_MAX}")));
        }
        let bytes = self.links.iter().map(|link| link.payload.len()).sum();
        if bytes > PAYLOAD_BYTES_MAX {
            return Err(Error::PayloadTooLarge { job: format!("a chain of {count} links"), bytes, max: PAYLOAD_BYTES_MAX });
        }
        for link in &self.links {
            link.check()?;
            link.check_has_no_id("a link of a chain")?;
        }
        let is_named = id.is_some() || self.id.is_some();
        let id = id.or(self.id).unwrap_or_else(JobId::generate);
        if id.as_str().len() > ID_CHARS_MAX {
            return Err(Error::invalid_name("chain id", id.as_str(), "1 to 190 visible ASCII characters"));
        }
        let queues = self.links.iter().map(|link| link.queue().clone());
        let links: Vec<(QueueName, JobId)> = queues.enumerate().map(|(number, queue)| (queue, link_id(&id, number))).collect();
        let mut specs = self.links.into_iter();
        let mut first = specs.next().expect("it has a link");
        first.options.id = is_named.then(|| id.clone());
        let rest = specs.map(Link::of).collect::<Result<Vec<Link>, Error>>()?;
        let rest = (!rest.is_empty()).then(|| Rest { id, number: 1, links: rest }.encode());
        Ok(Planned { first, rest, links })
    }
}

/// A chain that can be enqueued.
pub(crate) struct Planned {
    pub(crate) first: Spec,
    pub(crate) rest: Option<Vec<u8>>,
    pub(crate) links: Vec<(QueueName, JobId)>,
}

/// The same at every repetition, so that a link is enqueued once.
fn link_id(first: &JobId, number: usize) -> JobId {
    if number == 0 {
        return first.clone();
    }
    JobId::parse(&format!("{first}+{number}")).expect("the first id leaves room for a number")
}

/// What is still to come, as it travels in an envelope.
#[derive(Serialize, Deserialize)]
struct Rest {
    /// The first link's.
    id: JobId,
    /// Of the next link, the first one's being 0.
    number: usize,
    links: Vec<Link>,
}

impl Rest {
    fn encode(&self) -> Vec<u8> {
        serde_json::to_vec(self).expect("a chain has only text keys")
    }
}

#[derive(Serialize, Deserialize)]
struct Link {
    job: String,
    args: Box<RawValue>,
    queue: QueueName,
    priority: u8,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    key: Option<String>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    units: Option<u32>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    at: Option<Millis>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    delay_ms: Option<u64>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    expires_at: Option<Millis>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    max_attempts: Option<u32>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    keep_ms: Option<u64>,
}

impl Link {
    fn of(spec: Spec) -> Result<Self, Error> {
        spec.check_is_not_unique("a later link of a chain")?;
        // All that an enqueue would refuse is refused now, while somebody is there to hear of it.
        let id = JobId::generate();
        let Spec { name, payload, policy, options } = spec;
        let queue = options.queue.clone().unwrap_or_else(|| policy.queue.clone());
        let priority = options.priority.unwrap_or(policy.priority);
        let args = String::from_utf8(payload.clone()).ok().and_then(|text| RawValue::from_string(text).ok());
        let args = args.ok_or_else(|| Error::Refused(format!("the arguments of {name} are not JSON: those of a chain's links must be")))?;
        let link = Self {
            job: name.clone(),
            args,
            queue,
            priority,
            key: options.key.clone(),
            units: options.units,
            at: options.at,
            delay_ms: options.delay.map(millis),
            expires_at: options.expires_at,
            max_attempts: options.max_attempts,
            keep_ms: options.keep.map(millis),
        };
        new_job(&id, name, payload, &policy, options, Attached::default(), Writing { now: 0, payload_keys: None })?;
        Ok(link)
    }
}

/// The next link of a chain, ready to be enqueued in its queue.
#[derive(Debug, Clone)]
pub struct Next {
    head: NextHead,
    envelope: Envelope,
}

/// What is known of the next link beside its envelope.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub(crate) struct NextHead {
    pub(crate) queue: QueueName,
    pub(crate) id: JobId,
    pub(crate) priority: u8,
    pub(crate) at: Option<Millis>,
    pub(crate) delay_ms: Option<u64>,
    pub(crate) key: Option<String>,
    pub(crate) units: Option<u32>,
}

impl Next {
    /// The link behind a job that has finished with this output; `None` when there is none.
    ///
    /// # Errors
    /// In words, when the output is too large to be handed on, or the rest of the chain cannot be read: the job is to be buried then.
    pub fn after(envelope: &Envelope, output: &Value) -> Result<Option<Self>, String> {
        let Some(bytes) = &envelope.chain else { return Ok(None) };
        let mut rest: Rest = serde_json::from_slice(bytes).map_err(|error| format!("the rest of its chain cannot be read: {error}"))?;
        if rest.links.is_empty() {
            return Ok(None);
        }
        let input = output.to_string().into_bytes();
        if input.len() > OUTPUT_BYTES_MAX {
            return Err(format!(
                "its output of {} bytes cannot be handed to the next link of its chain: at most {OUTPUT_BYTES_MAX} can; store it, and \
                 return what it is found by",
                input.len()
            ));
        }
        let link = rest.links.remove(0);
        let id = link_id(&rest.id, rest.number);
        rest.number += 1;
        let mut next = Envelope::new(link.job, link.args.get().as_bytes().to_vec(), wall_clock_ms());
        next.origin = envelope.origin;
        next.expires_at = link.expires_at;
        next.max_attempts = link.max_attempts;
        next.keep_ms = link.keep_ms;
        next.remember_ms = Some(millis(REMEMBER));
        next.request_id = envelope.request_id.clone();
        next.traceparent = envelope.traceparent.clone();
        let next = next.in_chain(Some(input), (!rest.links.is_empty()).then(|| rest.encode()));
        let Link { queue, priority, at, delay_ms, key, units, .. } = link;
        Ok(Some(Self { head: NextHead { queue, id, priority, at, delay_ms, key, units }, envelope: next }))
    }

    /// A line of JSON, then the envelope.
    pub(crate) fn encode(&self, payload_keys: Option<&KeyRing>) -> Vec<u8> {
        let mut bytes = serde_json::to_vec(&self.head).expect("it has only text keys");
        bytes.push(b'\n');
        bytes.extend(self.envelope.clone().encode(Some(&self.head.id), payload_keys));
        bytes
    }

    /// What [`Next::encode`] wrote; the envelope stays as it is.
    pub(crate) fn split(bytes: &[u8]) -> Option<(NextHead, Vec<u8>)> {
        let line_end = bytes.iter().position(|byte| *byte == b'\n')?;
        let head = serde_json::from_slice(&bytes[..line_end]).ok()?;
        Some((head, bytes[line_end + 1..].to_vec()))
    }
}
