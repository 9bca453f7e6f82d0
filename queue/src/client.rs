//! The enqueueing side: put jobs in, wait for them, cancel and requeue them, pause and resume queues.

use std::collections::HashMap;
use std::sync::{Arc, Mutex};
use std::time::{Duration, SystemTime, UNIX_EPOCH};

use crate::batch::BatchOf;
use crate::chain::NextHead;
use crate::consumer::BATCH_MAX;
use crate::ids::check_job_name;
use crate::keys::{Key, QueueKeys};
use crate::limits::check_key;
use crate::scripts::{self, CancelReply, NewJob, Put, RequeueReply, WaitReply};
use crate::spec::Spec;
use crate::unique::RawUnique;
use crate::wait::EndListener;
use crate::{
    Conflict, Connection, Envelope, Error, Job, JobId, KeyRing, Limits, Millis, Origin, Outcome, PAYLOAD_BYTES_MAX, Policy, Progress,
    QueueName, RedisConfig, State, Unique,
};

/// How long an id chosen by the caller is remembered after the job's end.
pub(crate) const REMEMBER: Duration = Duration::from_secs(24 * 3600);

/// A cheap-to-clone handle for enqueueing from code.
#[derive(Clone)]
pub struct Client {
    connection: Connection,
    /// The keys of the queues that this process has announced in the set of queues; to put them together takes as long as a move.
    announced: Arc<Mutex<HashMap<QueueName, QueueKeys>>>,
}

/// What may differ from the job type's policy for one job.
#[derive(Debug, Clone, Default)]
pub struct EnqueueOptions {
    /// Makes the enqueue idempotent: the same id a second time is answered with [`Enqueued::duplicate`]. Remembered for 24 h after the end.
    pub id: Option<JobId>,
    pub queue: Option<QueueName>,
    /// 0 (first) to 9 (last).
    pub priority: Option<u8>,
    /// Run no sooner than this long from now. Held in Redis.
    pub delay: Option<Duration>,
    /// Run no sooner than this moment, ms since the epoch. Wins over `delay`.
    pub at: Option<Millis>,
    /// Not started by then, ms since the epoch: dropped unrun.
    pub expires_at: Option<Millis>,
    pub max_attempts: Option<u32>,
    /// Whose work it is (a tenant, an account): jobs of different keys share the queue fairly, and limits hold for each. 1 to 200 visible
    /// ASCII characters.
    pub key: Option<String>,
    /// What it costs of a rate limit and of its key's fair share; 1 unless said, at most 1,000,000,000.
    pub units: Option<u32>,
    pub unique: Option<Unique>,
    /// Keep the record of the end for so long.
    pub keep: Option<Duration>,
    pub origin: Origin,
    pub request_id: Option<String>,
    pub traceparent: Option<String>,
}

impl EnqueueOptions {
    /// Whether priority, key, units and unique key can be used: for whoever hands the job to another who will enqueue it.
    ///
    /// # Errors
    /// [`Error::InvalidName`], as [`Client::enqueue_raw`] would answer.
    pub fn check(&self) -> Result<(), Error> {
        check_priority(self.priority.unwrap_or_default())?;
        Extra::of("", b"", self, None).map(drop)
    }
}

/// The answer to an enqueue.
#[derive(Debug, Clone, PartialEq, Eq, serde::Serialize)]
pub struct Enqueued {
    /// Of a duplicate: the job that was there before.
    pub id: JobId,
    pub queue: QueueName,
    /// Ready, or scheduled when it is due later. Says nothing of a duplicate, which may have ended.
    pub state: State,
    /// True: that id was known or the unique key taken, nothing was enqueued.
    pub duplicate: bool,
    /// True: the duplicate was still waiting and has taken over these arguments.
    pub replaced: bool,
}

/// What a cancellation did.
#[derive(Debug, Clone, Copy, PartialEq, Eq, serde::Serialize)]
#[serde(rename_all = "snake_case")]
pub enum Cancelled {
    /// It was waiting and is cancelled.
    Cancelled,
    /// It is running: its worker was told and stops it within a second.
    Asked,
    /// It had ended before.
    AlreadyEnded,
}

/// Why a queue hands out no work.
#[derive(Debug, Clone, PartialEq, Eq, serde::Serialize, serde::Deserialize)]
pub struct Pause {
    pub reason: String,
    pub by: String,
    pub at: Millis,
    /// Resumes by itself at this moment, ms since the epoch.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub resume_at: Option<Millis>,
    /// What it is about, for [`Client::lift`].
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub cause: Option<String>,
}

impl Client {
    /// # Errors
    /// As [`Connection::open`].
    pub async fn connect(config: &RedisConfig) -> Result<Self, Error> {
        Ok(Self::new(Connection::open(config).await?))
    }

    pub fn new(connection: Connection) -> Self {
        Self { connection, announced: Arc::default() }
    }

    pub fn connection(&self) -> &Connection {
        &self.connection
    }

    /// Enqueues a job by its type's policy.
    ///
    /// # Errors
    /// [`Error::PayloadTooLarge`], [`Error::Encode`] or [`Error::Redis`]; then nothing is known to be enqueued.
    pub async fn enqueue<J: Job>(&self, job: &J) -> Result<Enqueued, Error> {
        self.enqueue_with(job, EnqueueOptions::default()).await
    }

    /// As [`Client::enqueue`], with some of the policy overridden.
    pub async fn enqueue_with<J: Job>(&self, job: &J, options: EnqueueOptions) -> Result<Enqueued, Error> {
        let Spec { name, payload, policy, options } = Spec::of(job, options)?;
        self.enqueue_raw(&name, payload, &policy, options).await
    }

    /// Enqueues a job whose type this program does not know.
    ///
    /// # Errors
    /// [`Error::InvalidName`], [`Error::PayloadTooLarge`] or [`Error::Redis`].
    pub async fn enqueue_raw(&self, name: &str, payload: Vec<u8>, policy: &Policy, options: EnqueueOptions) -> Result<Enqueued, Error> {
        let queue = options.queue.clone().unwrap_or_else(|| policy.queue.clone());
        let mut answers = self.enqueue_many(&queue, vec![(name.to_owned(), payload, options)], policy).await?;
        Ok(answers.pop().expect("one job, one answer"))
    }

    /// Enqueues many jobs of one queue in one round trip; each is enqueued or known, in the given order.
    ///
    /// # Errors
    /// [`Error::BatchTooLarge`] beyond 500 jobs, else as [`Client::enqueue_raw`]; on any error none was enqueued, or (when the line broke)
    /// all may have been: repeat with the same ids.
    pub async fn enqueue_many(
        &self,
        queue: &QueueName,
        jobs: Vec<(String, Vec<u8>, EnqueueOptions)>,
        policy: &Policy,
    ) -> Result<Vec<Enqueued>, Error> {
        if jobs.len() > BATCH_MAX {
            return Err(Error::BatchTooLarge { count: jobs.len(), max: BATCH_MAX });
        }
        if jobs.is_empty() {
            return Ok(Vec::new());
        }
        let writing = self.writing();
        let ids: Vec<JobId> = jobs.iter().map(|(_, _, options)| options.id.clone().unwrap_or_else(JobId::generate)).collect();
        let mut new_jobs = Vec::with_capacity(jobs.len());
        for ((name, payload, options), id) in jobs.into_iter().zip(&ids) {
            new_jobs.push(new_job(id, name, payload, policy, options, Attached::default(), writing)?);
        }
        self.put(queue, &new_jobs).await
    }

    pub(crate) fn writing(&self) -> Writing<'_> {
        Writing { now: wall_clock_ms(), payload_keys: self.connection.payload_keys() }
    }

    /// At most 500 jobs of one queue.
    pub(crate) async fn put(&self, queue: &QueueName, jobs: &[NewJob<'_>]) -> Result<Vec<Enqueued>, Error> {
        match self.announce(queue).await {
            // In a cluster the set of queues may lie on a node that is away. Workers name their queues too.
            Err(error) if self.connection.is_cluster() => tracing::debug!(%error, "the queue could not be added to the set of queues"),
            announced => announced?,
        }
        let replies = scripts::enqueue(&self.connection, &self.keys(queue), jobs).await?;
        Ok(jobs.iter().zip(replies).map(|(job, put)| enqueued(job.id.clone(), queue, put)).collect())
    }

    /// Waits for a job's end and returns how it ended. Returns as soon as it ends; no polling.
    ///
    /// # Errors
    /// [`Error::WaitTimedOut`] when it takes longer, [`Error::NoSuchJob`] when it is not (or no longer) known.
    pub async fn wait(&self, queue: &QueueName, id: &JobId, longest: Duration) -> Result<Outcome, Error> {
        let waiting = async {
            loop {
                if let Some(outcome) = self.wait_once(queue, id).await? {
                    return Ok(outcome);
                }
                tracing::debug!(job.id = %id, "the line broke while waiting for the job's end; waiting on");
            }
        };
        // Whoever gives up leaves the note that somebody waits: it goes with the job, and others may be waiting too.
        tokio::time::timeout(longest, waiting)
            .await
            .unwrap_or_else(|_| Err(Error::WaitTimedOut { id: id.clone(), seconds: longest.as_secs() }))
    }

    /// `None` when the line broke before the end came.
    async fn wait_once(&self, queue: &QueueName, id: &JobId) -> Result<Option<Outcome>, Error> {
        let keys = self.keys(queue);
        // Listen first, look second: an end between the two would be missed the other way round.
        let mut listener = EndListener::subscribe(&self.connection, keys.get(Key::EndedChannel)).await?;
        match scripts::wait(&self.connection, &keys, id).await? {
            WaitReply::Noted => Ok(listener.outcome_of(id).await),
            WaitReply::Ended(json) => serde_json::from_str(&json).map(Some).map_err(|error| Error::Decode(error.to_string())),
            WaitReply::Missing => Err(Error::NoSuchJob { queue: queue.clone(), id: id.clone() }),
        }
    }

    /// Ends a waiting job, or asks the worker of a running one to end it.
    ///
    /// # Errors
    /// [`Error::NoSuchJob`], [`Error::Redis`].
    pub async fn cancel(&self, queue: &QueueName, id: &JobId, by: &str) -> Result<Cancelled, Error> {
        let outcome = Outcome::new(State::Cancelled, wall_clock_ms()).because("asked", format!("cancelled by {by}"));
        match scripts::cancel(&self.connection, &self.keys(queue), id, &outcome.to_json()).await? {
            CancelReply::Cancelled => Ok(Cancelled::Cancelled),
            CancelReply::Asked => Ok(Cancelled::Asked),
            CancelReply::AlreadyEnded => Ok(Cancelled::AlreadyEnded),
            CancelReply::Missing => Err(Error::NoSuchJob { queue: queue.clone(), id: id.clone() }),
        }
    }

    /// Runs an ended job again, from its first attempt. False when it has not ended.
    ///
    /// # Errors
    /// [`Error::NoSuchJob`], [`Error::Redis`].
    pub async fn requeue(&self, queue: &QueueName, id: &JobId) -> Result<bool, Error> {
        match scripts::requeue(&self.connection, &self.keys(queue), id, 0, false).await? {
            RequeueReply::Ready | RequeueReply::Scheduled => Ok(true),
            RequeueReply::Refused => Ok(false),
            RequeueReply::Missing => Err(Error::NoSuchJob { queue: queue.clone(), id: id.clone() }),
        }
    }

    /// Makes a scheduled job due at once, as what it waited for has come. False when it is not scheduled.
    ///
    /// # Errors
    /// [`Error::NoSuchJob`], [`Error::Redis`].
    pub async fn hasten(&self, queue: &QueueName, id: &JobId) -> Result<bool, Error> {
        let hastened = scripts::hasten(&self.connection, &self.keys(queue), id).await?;
        hastened.ok_or_else(|| Error::NoSuchJob { queue: queue.clone(), id: id.clone() })
    }

    /// Stops handing out a queue's work; what runs goes on. The first reason stands until the queue is resumed.
    pub async fn pause(&self, queue: &QueueName, pause: &Pause) -> Result<(), Error> {
        let json = serde_json::to_string(pause).expect("a pause has only text keys");
        self.announce(queue).await?;
        redis::cmd("HSETNX").arg(self.keys(queue).get(Key::Meta)).arg("paused").arg(json).exec_async(&mut self.connection.shared()).await?;
        Ok(())
    }

    /// Hands out a queue's work again. False when it was not paused.
    pub async fn resume(&self, queue: &QueueName) -> Result<bool, Error> {
        let keys = self.keys(queue);
        let (removed,): (i64,) = redis::pipe()
            .atomic()
            .hdel(keys.get(Key::Meta), "paused")
            .rpush(keys.get(Key::Wake), "1")
            .ignore()
            .ltrim(keys.get(Key::Wake), 0, 0)
            .ignore()
            .query_async(&mut self.connection.shared())
            .await?;
        Ok(removed == 1)
    }

    /// Hands out a queue's work again if it is paused for that cause; another pause stands. False when there was none such.
    pub async fn lift(&self, queue: &QueueName, cause: &str) -> Result<bool, Error> {
        scripts::lift(&self.connection, &self.keys(queue), cause).await
    }

    /// Replaces a queue's limits; empty ones lift them. They hold from the next claim on, in every worker.
    ///
    /// # Errors
    /// [`Error::InvalidName`] when they would let nothing pass.
    pub async fn set_limits(&self, queue: &QueueName, limits: &Limits) -> Result<(), Error> {
        let fields = limits.to_fields()?;
        self.announce(queue).await?;
        scripts::set_limits(&self.connection, &self.keys(queue), &fields).await
    }

    pub(crate) async fn log(&self, queue: &QueueName, id: &JobId, attempt: u32, message: &str) -> Result<(), Error> {
        let message: String = message.chars().take(1_000).collect();
        let json = serde_json::json!({ "at": wall_clock_ms(), "attempt": attempt, "message": message }).to_string();
        scripts::log(&self.connection, &self.keys(queue), id, &json).await?;
        Ok(())
    }

    pub(crate) async fn set_progress(&self, queue: &QueueName, id: &JobId, mut progress: Progress) -> Result<(), Error> {
        progress.message = progress.message.chars().take(200).collect();
        progress.step = progress.step.map(|step| step.chars().take(100).collect());
        let json = serde_json::to_string(&progress).expect("progress has only text keys");
        // A body that does not know that it has lost its job must not leave progress of a job that is gone.
        scripts::progress(&self.connection, &self.keys(queue), id, &json).await?;
        Ok(())
    }

    pub(crate) fn keys(&self, queue: &QueueName) -> QueueKeys {
        let known = self.announced.lock().expect("no panic while announcing").get(queue).cloned();
        known.unwrap_or_else(|| self.connection.namespace().queue(queue))
    }

    /// Makes the queue known to whoever lists queues; once a process and queue.
    pub(crate) async fn announce(&self, queue: &QueueName) -> Result<(), Error> {
        if self.announced.lock().expect("no panic while announcing").contains_key(queue) {
            return Ok(());
        }
        redis::cmd("SADD").arg(self.connection.namespace().queues()).arg(queue.as_str()).exec_async(&mut self.connection.shared()).await?;
        self.announced.lock().expect("no panic while announcing").insert(queue.clone(), self.connection.namespace().queue(queue));
        Ok(())
    }
}

fn enqueued(id: JobId, queue: &QueueName, put: Put) -> Enqueued {
    let fresh = Enqueued { id, queue: queue.clone(), state: State::Ready, duplicate: false, replaced: false };
    match put {
        Put::Ready => fresh,
        Put::Scheduled => Enqueued { state: State::Scheduled, ..fresh },
        Put::Known => Enqueued { duplicate: true, ..fresh },
        Put::Held(holder) => Enqueued { id: holder, duplicate: true, ..fresh },
        Put::Replaced(holder) => Enqueued { id: holder, duplicate: true, replaced: true, ..fresh },
    }
}

/// What only some jobs have, as the scripts read it.
#[derive(Default, serde::Serialize)]
struct Extra {
    #[serde(skip_serializing_if = "Option::is_none")]
    key: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    units: Option<u32>,
    #[serde(skip_serializing_if = "Option::is_none")]
    unique: Option<RawUnique>,
    #[serde(skip_serializing_if = "Option::is_none")]
    batch: Option<BatchOf>,
}

/// How the envelopes of a call are written.
#[derive(Clone, Copy)]
pub(crate) struct Writing<'a> {
    /// This machine's clock.
    pub(crate) now: Millis,
    pub(crate) payload_keys: Option<&'a KeyRing>,
}

/// What a job belongs to, beside what its enqueuer may say of it.
#[derive(Default)]
pub(crate) struct Attached {
    pub(crate) batch: Option<BatchOf>,
    /// What is to come after it in its chain.
    pub(crate) chain: Option<Vec<u8>>,
}

/// What only some jobs have, of a later link of a chain; empty when it has nothing of it.
pub(crate) fn extra_of_next(head: &NextHead, batch: Option<BatchOf>) -> String {
    if head.key.is_none() && head.units.is_none() && batch.is_none() {
        return String::new();
    }
    let extra = Extra { key: head.key.clone(), units: head.units, unique: None, batch };
    serde_json::to_string(&extra).expect("only text keys")
}

impl Extra {
    /// Empty when the job has nothing of it.
    fn of(name: &str, payload: &[u8], options: &EnqueueOptions, batch: Option<BatchOf>) -> Result<String, Error> {
        if options.key.is_none() && options.units.is_none() && options.unique.is_none() && batch.is_none() {
            return Ok(String::new());
        }
        if let Some(key) = &options.key {
            check_key(key)?;
        }
        if let Some(units) = options.units
            && !(1..=UNITS_MAX).contains(&units)
        {
            return Err(Error::invalid_name("number of units", &units.to_string(), "1 to 1,000,000,000"));
        }
        let unique = options.unique.as_ref().map(|unique| unique.to_raw(name, payload)).transpose()?;
        let extra = Self { key: options.key.clone(), units: options.units, unique, batch };
        Ok(serde_json::to_string(&extra).expect("only text keys"))
    }
}

/// Beyond this, virtual times would lose their last digits.
const UNITS_MAX: u32 = 1_000_000_000;

fn check_priority(priority: u8) -> Result<(), Error> {
    if priority <= 9 { Ok(()) } else { Err(Error::invalid_name("priority", &priority.to_string(), "0 (first) to 9 (last)")) }
}

pub(crate) fn check_payload(name: &str, payload: &[u8]) -> Result<(), Error> {
    if payload.len() <= PAYLOAD_BYTES_MAX {
        return Ok(());
    }
    Err(Error::PayloadTooLarge { job: name.to_owned(), bytes: payload.len(), max: PAYLOAD_BYTES_MAX })
}

pub(crate) fn new_job<'a>(
    id: &'a JobId,
    name: String,
    payload: Vec<u8>,
    policy: &Policy,
    options: EnqueueOptions,
    attached: Attached,
    writing: Writing<'_>,
) -> Result<NewJob<'a>, Error> {
    check_job_name(&name)?;
    let priority = options.priority.unwrap_or(policy.priority);
    check_priority(priority)?;
    check_payload(&name, &payload)?;
    let extra = Extra::of(&name, &payload, &options, attached.batch)?;
    let mut envelope = Envelope::new(name, payload, writing.now);
    envelope.origin = options.origin;
    envelope.expires_at = options.expires_at;
    envelope.max_attempts = options.max_attempts;
    envelope.keep_ms = options.keep.map(millis);
    envelope.remember_ms = options.id.is_some().then_some(millis(REMEMBER));
    envelope.request_id = options.request_id;
    envelope.traceparent = options.traceparent;
    // Such arguments come to lie under the id of the job that has the unique key.
    let may_replace = options.unique.is_some_and(|unique| unique.conflict != Conflict::Reject);
    Ok(NewJob {
        id,
        envelope: envelope.in_chain(None, attached.chain).encode((!may_replace).then_some(id), writing.payload_keys),
        priority,
        due: options.at.unwrap_or(0),
        delay_ms: options.delay.map_or(0, millis),
        extra,
    })
}

/// As the scripts and the envelope have it.
pub(crate) fn millis(time: Duration) -> u64 {
    time.as_millis() as u64
}

/// This machine's clock. Only for what is shown; whatever decides uses the Redis clock.
pub(crate) fn wall_clock_ms() -> Millis {
    SystemTime::now().duration_since(UNIX_EPOCH).map_or(0, |since| since.as_millis() as u64)
}
