//! Named steps of a long body: what one has come to is kept with the job, and a later run of the job goes on behind it.

use std::collections::{BTreeMap, BTreeSet};
use std::future::Future;
use std::sync::Mutex;
use std::time::Duration;

use serde::de::DeserializeOwned;
use serde::{Deserialize, Serialize};
use tokio::sync::OnceCell;

use crate::key_ring::{Closed, plain_len};
use crate::registry::fault;
use crate::scripts::{self, NewStep, StepReply};
use crate::{Error, JobContext, JobError, JobId, JobResult, KeyRing, Millis};

/// What one step comes to, as JSON, may be so large: 64 KB. What is larger belongs elsewhere.
pub const STEP_BYTES_MAX: usize = 65_536;
/// Steps of one job.
pub const STEPS_MAX: usize = 200;
/// What all steps of one job come to, together, as it lies in Redis: 1 MB.
pub const STEPS_BYTES_MAX: usize = 1_000_000;

const NAME_BYTES_MAX: usize = 100;
/// Between tries to reach a Redis that is away, at first and at most.
const PAUSES: [Duration; 2] = [Duration::from_millis(100), Duration::from_secs(5)];

/// A step that has finished. What it came to is not shown: it may hold personal data.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct StepView {
    pub name: String,
    /// When it finished, by the Redis clock.
    pub at: Millis,
    /// Of its result, as JSON.
    pub bytes: usize,
    /// The name of the key that its result is encrypted with in Redis; absent when it lies there as it is.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub encrypted_with: Option<String>,
}

/// The steps of one run.
#[derive(Default)]
pub(crate) struct Steps {
    /// Of the delivery; `None` where a body runs without a queue.
    token: Option<String>,
    /// What earlier runs left, read at the first step.
    kept: OnceCell<BTreeMap<String, Kept>>,
    /// What has finished in this run or was taken from an earlier one.
    passed: Mutex<BTreeSet<String>>,
}

struct Kept {
    key: Option<String>,
    result: Vec<u8>,
}

impl Steps {
    pub(crate) fn under(token: String) -> Self {
        Self { token: Some(token), ..Self::default() }
    }

    /// False when it was there before.
    fn pass(&self, name: &str) -> bool {
        self.passed.lock().expect("nothing panics while it holds the names of steps").insert(name.to_owned())
    }

    fn has_passed(&self, name: &str) -> bool {
        self.passed.lock().expect("nothing panics while it holds the names of steps").contains(name)
    }
}

impl JobContext {
    /// Runs a step of the body once, over all runs of the job: what it returns is kept with the job, and the next run (after a failure, a
    /// snooze, a crash, a replay) is handed that in place of running it again. A worker that dies between a step's end and the keeping of
    /// its result runs it again: a step, as a body, is to be safe to run twice.
    ///
    /// The name finds the step: keep it when the code around it changes, and give it another when it is to run again in jobs that are
    /// under way. A result that no longer is of type `T` is logged, and the step runs again. What is kept is small ([`STEP_BYTES_MAX`],
    /// [`STEPS_MAX`], [`STEPS_BYTES_MAX`]) and lies in Redis, encrypted where payloads are.
    ///
    /// While Redis is away it waits to keep the result, as long as the job runs.
    ///
    /// # Errors
    /// Whatever the step returns; then nothing is kept. [`JobError::LeaseLost`] when another worker may have the job by now; return it.
    /// [`JobError::Bury`] when the name cannot be used or was used before in this run, the result is too large, or it was encrypted with a
    /// key that this worker lacks.
    pub async fn step<T, Body, Running>(&self, name: &str, body: Body) -> JobResult<T>
    where
        T: Serialize + DeserializeOwned,
        Body: FnOnce() -> Running,
        Running: Future<Output = JobResult<T>>,
    {
        check_name(name)?;
        if self.steps.has_passed(name) {
            return Err(twice(name));
        }
        let result = match self.kept_result(name).await? {
            Some(result) => result,
            None => {
                let result = body().await?;
                self.keep(name, &result).await?;
                result
            }
        };
        // Two that run beside each other under one name have both found it free.
        if self.steps.pass(name) { Ok(result) } else { Err(twice(name)) }
    }

    /// What an earlier run left of that step.
    async fn kept_result<T: DeserializeOwned>(&self, name: &str) -> JobResult<Option<T>> {
        let kept = self.steps.kept.get_or_try_init(|| self.recall()).await?;
        let Some(kept) = kept.get(name) else { return Ok(None) };
        match serde_json::from_slice(&self.opened(name, kept)?) {
            Ok(result) => Ok(Some(result)),
            Err(error) => {
                let fault = fault(&error);
                tracing::warn!(job.id = %self.shared.id, step = name, fault, "what the step came to is not of its type; it runs again");
                Ok(None)
            }
        }
    }

    async fn recall(&self) -> JobResult<BTreeMap<String, Kept>> {
        let Some(token) = &self.steps.token else { return Ok(BTreeMap::new()) };
        let connection = self.shared.client.connection();
        let keys = connection.namespace().queue(&self.shared.queue);
        let found = patiently(|| scripts::recall(connection, &keys, &self.shared.id, token)).await?;
        let records = found.ok_or(JobError::LeaseLost)?;
        Ok(records.into_iter().filter_map(|(name, record)| Some((name, Kept::parse(&record)?))).collect())
    }

    fn opened(&self, name: &str, kept: &Kept) -> JobResult<Vec<u8>> {
        let Some(key) = &kept.key else { return Ok(kept.result.clone()) };
        let ring = self.shared.client.connection().payload_keys();
        let opened = ring.map_or(Err(Closed::KeyMissing), |ring| ring.open(key, &bound_to(&self.shared.id, name), &kept.result));
        opened.map_err(|closed| {
            JobError::bury(match closed {
                Closed::KeyMissing => format!(
                    "what its step \"{name}\" came to is encrypted with key {key}, which this worker does not have: add it to \
                     PAYLOAD_ENCRYPTION_KEYS, then requeue the job"
                ),
                Closed::Changed => format!(
                    "what its step \"{name}\" came to does not open with its key {key}: its bytes in Redis were changed, or moved here \
                     from another job"
                ),
            })
        })
    }

    async fn keep<T: Serialize>(&self, name: &str, result: &T) -> JobResult {
        let plain = serde_json::to_vec(result)
            .map_err(|error| JobError::bury(format!("what its step \"{name}\" came to cannot be written as JSON: {error}")))?;
        if plain.len() > STEP_BYTES_MAX {
            return Err(too_large(name, &format!("is {} bytes, more than the {STEP_BYTES_MAX} that are kept of one step", plain.len())));
        }
        let Some(token) = &self.steps.token else { return Ok(()) };
        let connection = self.shared.client.connection();
        let keys = connection.namespace().queue(&self.shared.queue);
        let ring = connection.payload_keys();
        let stored = ring.map_or_else(|| plain.clone(), |ring| ring.seal(&bound_to(&self.shared.id, name), &plain));
        let key = ring.map(KeyRing::newest);
        let step = NewStep { name, key, result: &stored, steps_max: STEPS_MAX, bytes_max: STEPS_BYTES_MAX };
        match patiently(|| scripts::step(connection, &keys, &self.shared.id, token, &step)).await? {
            StepReply::Kept => Ok(()),
            StepReply::LeaseLost => Err(JobError::LeaseLost),
            StepReply::TooMany => Err(JobError::bury(format!(
                "its step \"{name}\" is one more than the {STEPS_MAX} whose results are kept of one job: make steps of larger parts"
            ))),
            StepReply::TooLarge => {
                Err(too_large(name, &format!("comes on top of others, which makes more than the {STEPS_BYTES_MAX} bytes kept of one job")))
            }
        }
    }
}

impl Kept {
    /// As `lua/steps.lua` describes it; nothing else is ever stored.
    fn parse(record: &[u8]) -> Option<Self> {
        let mut parts = record.splitn(3, |byte| *byte == b' ');
        let (_at, key, result) = (parts.next()?, parts.next()?, parts.next()?);
        let key = std::str::from_utf8(key).ok().filter(|key| *key != "-").map(str::to_owned);
        Some(Self { key, result: result.to_vec() })
    }
}

impl StepView {
    /// From name, moment (µs), key or `-`, and bytes as stored.
    pub(crate) fn in_order(mut entries: Vec<(String, u64, String, usize)>) -> Vec<Self> {
        entries.sort_by_key(|(_, at_us, ..)| *at_us);
        let view = |(name, at_us, key, stored): (String, u64, String, usize)| {
            let encrypted_with = (key != "-").then_some(key);
            Self { name, at: at_us / 1_000, bytes: if encrypted_with.is_some() { plain_len(stored) } else { stored }, encrypted_with }
        };
        entries.into_iter().map(view).collect()
    }
}

/// Until Redis has answered. Whoever may not wait so long drops the run: its time limit, its lost lease, the end of its worker.
async fn patiently<T, Asking: Future<Output = Result<T, Error>>>(ask: impl Fn() -> Asking) -> JobResult<T> {
    let [mut pause, longest] = PAUSES;
    loop {
        match ask().await {
            Err(error) if error.is_outage() => tracing::debug!(%error, "what a step came to waits for Redis"),
            answer => return Ok(answer?),
        }
        tokio::time::sleep(pause).await;
        pause = (pause * 2).min(longest);
    }
}

/// Of three lines, so that it is never what a payload is bound to.
fn bound_to(id: &JobId, step: &str) -> Vec<u8> {
    format!("step\n{id}\n{step}").into_bytes()
}

fn check_name(name: &str) -> JobResult {
    let allowed = |byte: u8| byte.is_ascii_alphanumeric() || b"_-.:/".contains(&byte);
    if (1..=NAME_BYTES_MAX).contains(&name.len()) && name.bytes().all(allowed) {
        return Ok(());
    }
    let shown: String = name.chars().take(40).flat_map(char::escape_default).collect();
    Err(JobError::bury(format!("\"{shown}\" cannot be the name of a step: it must be 1 to {NAME_BYTES_MAX} of a-z A-Z 0-9 _ - . : /")))
}

fn twice(name: &str) -> JobError {
    JobError::bury(format!("its step \"{name}\" is there twice in one run: give each step a name of its own, as in page-1, page-2"))
}

fn too_large(name: &str, how: &str) -> JobError {
    JobError::bury(format!("what its step \"{name}\" came to {how}: store it elsewhere (a table, a bucket), and return a reference to it"))
}
