//! Batches and chains from outside, over HTTP or from the command line: checked, then given to Redis.

use std::time::Duration;

use celeriac_queue::{BatchEnqueued, BatchId, ChainEnqueued, EnqueueOptions, JobId, Origin, Policy, QueueName, When};
use chrono::{DateTime, Utc};
use serde::Deserialize;
use serde_json::value::RawValue;

use crate::intake::{Refused, millis, not_an_object, policy_of, refused_by_queue};
use crate::stores::Stores;

const DELAY_SECONDS_MAX: f64 = 3.2e8;

/// Many jobs, and those to enqueue at their end. An unknown field is refused.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct BatchRequest {
    id: Option<BatchId>,
    jobs: Vec<Part>,
    on_success: Option<Part>,
    on_done: Option<Part>,
    on_failure: Option<Part>,
}

/// Jobs that run one after the other. An unknown field is refused.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct ChainRequest {
    id: Option<JobId>,
    jobs: Vec<Part>,
}

/// A member or a callback of a batch, or a link of a chain.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
struct Part {
    job: String,
    /// A JSON object; none: an empty one.
    args: Option<Box<RawValue>>,
    queue: Option<QueueName>,
    priority: Option<u8>,
    /// Of a later link of a chain: from the end of the one before.
    delay_seconds: Option<f64>,
    expires_at: Option<DateTime<Utc>>,
    key: Option<String>,
    units: Option<u32>,
}

/// Accepts a batch. The same id again with as many jobs is a duplicate, or completes a call that was cut short.
///
/// # Errors
/// [`Refused`]; then nothing was enqueued, or (store errors) a part: repeat with the same id.
pub(crate) async fn accept_batch(
    stores: &Stores,
    request: BatchRequest,
    origin: Origin,
    request_id: Option<&str>,
) -> Result<BatchEnqueued, Refused> {
    let mut batch = stores.client().await?.batch();
    if let Some(id) = request.id {
        batch = batch.id(id);
    }
    for job in request.jobs {
        let (name, payload, policy, options) = job.taken_apart(origin, request_id)?;
        batch = batch.add_raw(&name, payload, &policy, options);
    }
    for (when, job) in [(When::Success, request.on_success), (When::Done, request.on_done), (When::Failure, request.on_failure)] {
        let Some(job) = job else { continue };
        let (name, payload, policy, options) = job.taken_apart(origin, request_id)?;
        batch = batch.on_raw(when, &name, payload, &policy, options);
    }
    batch.enqueue().await.map_err(refused_by_queue)
}

/// Accepts a chain: its first link is enqueued and carries the others. The same id again is a duplicate.
///
/// # Errors
/// [`Refused`]; then nothing is known to be enqueued: repeat with the same id.
pub(crate) async fn accept_chain(
    stores: &Stores,
    request: ChainRequest,
    origin: Origin,
    request_id: Option<&str>,
) -> Result<ChainEnqueued, Refused> {
    let mut chain = stores.client().await?.chain();
    if let Some(id) = request.id {
        chain = chain.id(id);
    }
    for job in request.jobs {
        let (name, payload, policy, options) = job.taken_apart(origin, request_id)?;
        chain = chain.then_raw(&name, payload, &policy, options);
    }
    chain.enqueue().await.map_err(refused_by_queue)
}

impl Part {
    fn taken_apart(self, origin: Origin, request_id: Option<&str>) -> Result<(String, Vec<u8>, Policy, EnqueueOptions), Refused> {
        let payload = self.args.map_or_else(|| b"{}".to_vec(), |args| args.get().as_bytes().to_vec());
        if !payload.trim_ascii_start().starts_with(b"{") {
            return Err(not_an_object(&self.job));
        }
        let delay = match self.delay_seconds {
            Some(seconds) if !(0.0..=DELAY_SECONDS_MAX).contains(&seconds) => {
                return Err(Refused::Invalid("delay_seconds must be a number from 0 to 320000000 (ten years)".into()));
            }
            seconds => seconds.map(Duration::from_secs_f64),
        };
        let options = EnqueueOptions {
            queue: self.queue,
            priority: self.priority,
            delay,
            expires_at: self.expires_at.map(millis),
            key: self.key,
            units: self.units,
            origin,
            request_id: request_id.map(str::to_owned),
            ..EnqueueOptions::default()
        };
        let policy = policy_of(&self.job);
        Ok((self.job, payload, policy, options))
    }
}
