//! What a job is.

use std::future::Future;
use std::time::Duration;

use serde::Serialize;
use serde::de::DeserializeOwned;

use crate::{Backoff, JobContext, Outcome, QueueName, Unique};

/// A kind of work: a struct of arguments, a wire name, a policy and a body.
///
/// Every job may run twice (a worker can die after the work and before the acknowledgement): write it so that the second run finds the
/// first one's result.
pub trait Job: Serialize + DeserializeOwned + Send + Sync + 'static {
    /// The wire name, in snake_case. Never change it while such jobs are queued; it does not follow a rename of the type.
    const NAME: &'static str;

    /// What the body needs beyond its arguments (pools, clients), given once at registration.
    type State: Clone + Send + Sync + 'static;

    /// What the body returns; kept with the job's record. `()` for nothing.
    type Output: Serialize + Send;

    /// Queue, priority, retries and time limits. May be overridden job by job at enqueue.
    fn policy() -> Policy {
        Policy::default()
    }

    /// Whose work this is (a tenant, an account): jobs of different keys share the queue fairly, and limits hold for each. Overridden by
    /// [`crate::EnqueueOptions::key`].
    fn key(&self) -> Option<String> {
        None
    }

    /// What this job costs of a rate limit and of its key's share. Overridden by [`crate::EnqueueOptions::units`].
    fn units(&self) -> u32 {
        1
    }

    /// Which enqueues are repetitions of each other. Overridden by [`crate::EnqueueOptions::unique`].
    fn unique(&self) -> Option<Unique> {
        None
    }

    /// The work. Dropped at its next await when the job is cancelled, its hard time limit passes or its lease is lost.
    fn run(self, state: Self::State, ctx: JobContext) -> impl Future<Output = JobResult<Self::Output>> + Send;

    /// Called once the job has ended without finishing: dead (also where no handler ran), cancelled or expired. Repeated until it
    /// returns `Ok`, so it must be idempotent.
    fn on_terminal(self, _state: Self::State, _ctx: JobContext, _outcome: Outcome) -> impl Future<Output = anyhow::Result<()>> + Send {
        async { Ok(()) }
    }
}

/// How jobs of a type are queued, repeated and bounded.
#[derive(Debug, Clone, PartialEq)]
pub struct Policy {
    pub queue: QueueName,
    /// 0 (first) to 9 (last).
    pub priority: u8,
    /// Attempts in all; after the last the job is dead.
    pub max_attempts: u32,
    pub backoff: Backoff,
    /// Hard limit: the body is dropped and the attempt has failed.
    pub time_limit: Duration,
    /// Soft limit: [`JobContext::soft_limit_reached`] resolves, the body may wind up. `None` for none.
    pub soft_time_limit: Option<Duration>,
    /// How long the record of a finished job is kept; zero for not at all.
    pub keep: Duration,
}

impl Policy {
    pub const DEFAULT_PRIORITY: u8 = 5;
}

impl Default for Policy {
    fn default() -> Self {
        Self {
            queue: QueueName::default(),
            priority: Self::DEFAULT_PRIORITY,
            max_attempts: 10,
            backoff: Backoff::default(),
            time_limit: Duration::from_secs(30 * 60),
            soft_time_limit: None,
            keep: Duration::from_secs(60 * 60),
        }
    }
}

pub type JobResult<T = ()> = Result<T, JobError>;

/// Why a body did not finish. Any other error becomes [`JobError::Retry`] through `?`.
#[derive(Debug)]
pub enum JobError {
    /// Try again after the policy's backoff, while attempts are left.
    Retry(anyhow::Error),
    /// Try again after that wait (a provider said how long), while attempts are left.
    RetryAfter(Duration, anyhow::Error),
    /// Not now: give the slot back and run again after that wait, without spending an attempt.
    Snooze(Duration, String),
    /// Never again: the job is dead with this reason.
    Bury(anyhow::Error),
    /// Withdrawn from inside: the job is cancelled with this reason.
    Cancel(String),
    /// Nobody can do this job now (a refused key, an exhausted budget): pause its queue with this reason and keep the job, without
    /// spending an attempt, until a person resumes the queue (or what the order says comes about).
    PauseQueue(PauseOrder),
    /// The lease was found to be lost: another worker may have the job, and this run is over, whatever it would still do.
    LeaseLost,
}

/// With what words a queue is paused, and what ends the pause besides a person.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct PauseOrder {
    pub reason: String,
    /// The queue resumes by itself after that long.
    pub resume_in: Option<Duration>,
    /// What the pause is about, for [`crate::Client::lift`]: a fingerprint, never a secret.
    pub cause: Option<String>,
}

impl<T: Into<String>> From<T> for PauseOrder {
    /// Until a person resumes the queue.
    fn from(reason: T) -> Self {
        Self { reason: reason.into(), resume_in: None, cause: None }
    }
}

impl JobError {
    /// A permanent failure in plain words.
    pub fn bury(reason: impl Into<String>) -> Self {
        Self::Bury(anyhow::Error::msg(reason.into()))
    }
}

impl<E: Into<anyhow::Error>> From<E> for JobError {
    fn from(error: E) -> Self {
        Self::Retry(error.into())
    }
}
