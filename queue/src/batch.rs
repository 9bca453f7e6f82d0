//! Batches: many jobs in any queues, and jobs that are enqueued when all of them, or the first to fail, have ended.
//!
//! The record of a batch lives in the slot of its home queue, which is that of its callbacks. It is complete before any member is enqueued;
//! every step may be repeated, and a repetition goes on where the last try ended.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};

use crate::client::{Attached, Writing, millis, new_job};
use crate::consumer::BATCH_MAX;
use crate::scripts::{self, NewJob, Opened, RawCallback};
use crate::spec::Spec;
use crate::{BatchId, Chain, Client, EnqueueOptions, Error, Job, JobId, Policy, QueueName};

/// Members of one batch.
const MEMBERS_MAX: usize = 100_000;

/// How a batch stands; what its callbacks are told, see [`crate::JobContext::batch`].
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct BatchTally {
    pub id: BatchId,
    /// Members in all.
    pub total: u64,
    pub finished: u64,
    pub dead: u64,
    pub cancelled: u64,
    pub expired: u64,
    /// Never enqueued, as another job has their unique key.
    pub rejected: u64,
}

impl BatchTally {
    /// Members that ended without finishing.
    pub fn failed(&self) -> u64 {
        self.dead + self.cancelled + self.expired + self.rejected
    }

    /// Members that have not ended.
    pub fn pending(&self) -> u64 {
        self.total.saturating_sub(self.finished + self.failed())
    }
}

/// Which batch a job belongs to, as the scripts keep it.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct BatchOf {
    pub(crate) home: QueueName,
    pub(crate) id: BatchId,
    /// Of a later link of a chain: whose place it has. Else the job's own.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(crate) member: Option<String>,
}

/// When a callback is enqueued.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum When {
    /// Every member has finished.
    Success,
    /// Every member has ended, whichever way.
    Done,
    /// The first member has ended dead, cancelled or expired, or was refused. Once.
    Failure,
}

impl When {
    pub const ALL: [Self; 3] = [Self::Success, Self::Done, Self::Failure];

    pub fn as_str(self) -> &'static str {
        match self {
            Self::Success => "success",
            Self::Done => "done",
            Self::Failure => "failure",
        }
    }
}

/// A batch under construction; see [`Client::batch`].
#[must_use = "nothing is enqueued before `enqueue`"]
pub struct Batch {
    client: Client,
    id: Option<BatchId>,
    members: Vec<Member>,
    callbacks: BTreeMap<When, Spec>,
    fault: Option<Error>,
}

enum Member {
    Job(Box<Spec>),
    Chain(Box<Chain>),
}

/// A batch whose members are enqueued.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct BatchEnqueued {
    pub id: BatchId,
    /// The queue of its callbacks, where its record is.
    pub home: QueueName,
    pub members: usize,
    /// Members that were refused, as another job has their unique key; they count as ended.
    pub rejected: usize,
    /// True: it had been enqueued before; nothing was changed.
    pub duplicate: bool,
}

impl Client {
    /// Begins to put a batch together: many jobs, and callbacks for the end of all or the failure of one.
    ///
    /// A member counts once, by its first end: one that dies, is requeued and then finishes has failed. The batch is remembered for a day
    /// after its end; like everything in Redis, it is gone when Redis loses its data.
    pub fn batch(&self) -> Batch {
        Batch { client: self.clone(), id: None, members: Vec::new(), callbacks: BTreeMap::new(), fault: None }
    }
}

impl Batch {
    /// Makes the enqueue idempotent: to repeat the whole call after a failure enqueues what was not enqueued.
    pub fn id(mut self, id: BatchId) -> Self {
        self.id = Some(id);
        self
    }

    #[expect(clippy::should_implement_trait, reason = "a builder's word; nobody takes it for a sum")]
    pub fn add<J: Job>(self, job: &J) -> Self {
        self.add_with(job, EnqueueOptions::default())
    }

    pub fn add_with<J: Job>(mut self, job: &J, options: EnqueueOptions) -> Self {
        match Spec::of(job, options) {
            Ok(member) => self.members.push(Member::Job(Box::new(member))),
            Err(error) => self.fault = self.fault.or(Some(error)),
        }
        self
    }

    /// A job whose type this program does not know.
    pub fn add_raw(mut self, name: &str, payload: Vec<u8>, policy: &Policy, options: EnqueueOptions) -> Self {
        self.members.push(Member::Job(Box::new(Spec { name: name.to_owned(), payload, policy: policy.clone(), options })));
        self
    }

    /// A whole chain as one member: it has finished when its last link has.
    pub fn add_chain(mut self, chain: Chain) -> Self {
        self.members.push(Member::Chain(Box::new(chain)));
        self
    }

    /// Enqueued once every member has finished.
    pub fn on_success<J: Job>(self, job: &J) -> Self {
        self.on(When::Success, Spec::of(job, EnqueueOptions::default()))
    }

    /// Enqueued once every member has ended, whichever way.
    pub fn on_done<J: Job>(self, job: &J) -> Self {
        self.on(When::Done, Spec::of(job, EnqueueOptions::default()))
    }

    /// Enqueued once, as soon as the first member has ended dead, cancelled or expired.
    pub fn on_failure<J: Job>(self, job: &J) -> Self {
        self.on(When::Failure, Spec::of(job, EnqueueOptions::default()))
    }

    pub fn on_with<J: Job>(self, when: When, job: &J, options: EnqueueOptions) -> Self {
        self.on(when, Spec::of(job, options))
    }

    /// A callback whose type this program does not know.
    pub fn on_raw(self, when: When, name: &str, payload: Vec<u8>, policy: &Policy, options: EnqueueOptions) -> Self {
        self.on(when, Ok(Spec { name: name.to_owned(), payload, policy: policy.clone(), options }))
    }

    fn on(mut self, when: When, callback: Result<Spec, Error>) -> Self {
        match callback {
            Ok(callback) => drop(self.callbacks.insert(when, callback)),
            Err(error) => self.fault = self.fault.or(Some(error)),
        }
        self
    }

    /// Enqueues every member, at most 100,000, in calls of 500 a queue.
    ///
    /// # Errors
    /// [`Error::Refused`], [`Error::BatchTooLarge`] and what a member's enqueue refuses: nothing was enqueued. [`Error::Redis`]: a part
    /// may have been; repeat the call with the same [`Batch::id`], or the batch is forgotten after a day.
    pub async fn enqueue(self) -> Result<BatchEnqueued, Error> {
        let client = self.client.clone();
        let plan = self.plan()?;
        let opened = plan.record(&client).await?;
        let enqueued = |rejected, duplicate| BatchEnqueued {
            id: plan.id.clone(),
            home: plan.home.clone(),
            members: plan.members.len(),
            rejected,
            duplicate,
        };
        if opened == Opened::Sealed {
            return Ok(enqueued(0, true));
        }
        let rejected = plan.enqueue_members(&client, opened == Opened::New).await?;
        scripts::seal_batch(client.connection(), &client.keys(&plan.home), &plan.id).await?;
        Ok(enqueued(rejected, false))
    }

    /// Checks everything before anything is written.
    fn plan(self) -> Result<Plan, Error> {
        if let Some(error) = self.fault {
            return Err(error);
        }
        if self.members.len() > MEMBERS_MAX {
            return Err(Error::BatchTooLarge { count: self.members.len(), max: MEMBERS_MAX });
        }
        let id = self.id.unwrap_or_else(BatchId::generate);
        let mut members = Vec::with_capacity(self.members.len());
        for (number, member) in self.members.into_iter().enumerate() {
            let member_id = JobId::parse(&format!("{id}.{number}"))?;
            members.push(match member {
                Member::Job(spec) => {
                    spec.check()?;
                    spec.check_has_no_id("a member of a batch")?;
                    PlannedMember { id: member_id, spec: *spec, chain: None }
                }
                Member::Chain(chain) => {
                    let planned = chain.plan(Some(member_id.clone()))?;
                    PlannedMember { id: member_id, spec: planned.first, chain: planned.rest }
                }
            });
        }
        let home = home(&self.callbacks, &members)?;
        let writing = self.client.writing();
        let mut callbacks = Vec::new();
        for (when, spec) in self.callbacks {
            callbacks.push(callback(&id, when, spec, writing)?);
        }
        Ok(Plan { id, home, members, callbacks })
    }
}

/// A batch that was checked and can be enqueued.
struct Plan {
    id: BatchId,
    home: QueueName,
    members: Vec<PlannedMember>,
    callbacks: Vec<RawCallback>,
}

struct PlannedMember {
    id: JobId,
    spec: Spec,
    chain: Option<Vec<u8>>,
}

impl Plan {
    /// Writes the batch down with all its members, unless that was done before.
    async fn record(&self, client: &Client) -> Result<Opened, Error> {
        client.announce(&self.home).await?;
        let (connection, keys) = (client.connection(), client.keys(&self.home));
        let opened = scripts::open_batch(connection, &keys, &self.id, self.members.len(), &self.callbacks).await?;
        match opened {
            Opened::New | Opened::Filling => {}
            Opened::Filled | Opened::Sealed => return Ok(opened),
            Opened::OtherTotal => {
                let why = format!("batch {} exists in queue {} with another number of members: choose another id", self.id, self.home);
                return Err(Error::Refused(why));
            }
            Opened::IdsTaken => {
                let why =
                    format!("batch {} has been before in queue {}, and its callback is still known: choose another id", self.id, self.home);
                return Err(Error::Refused(why));
            }
        }
        let names: Vec<String> = self.members.iter().map(|member| member_name(member.spec.queue(), &member.id)).collect();
        let parts = names.len().div_ceil(BATCH_MAX).max(1);
        for part in 0..parts {
            let names = &names[part * BATCH_MAX..names.len().min((part + 1) * BATCH_MAX)];
            scripts::fill_batch(connection, &keys, &self.id, names, part + 1 == parts).await?;
        }
        Ok(opened)
    }

    /// Returns how many were refused. `is_new`: nobody has tried before, so that an id that is known is somebody else's.
    async fn enqueue_members(&self, client: &Client, is_new: bool) -> Result<usize, Error> {
        let mut by_queue: BTreeMap<&QueueName, Vec<&PlannedMember>> = BTreeMap::new();
        for member in &self.members {
            by_queue.entry(member.spec.queue()).or_default().push(member);
        }
        let mut rejected = 0;
        for (queue, members) in by_queue {
            for part in members.chunks(BATCH_MAX) {
                let jobs = part.iter().map(|member| member.job(self, client.writing())).collect::<Result<Vec<_>, Error>>()?;
                let answers = client.put(queue, &jobs).await?;
                let refused = part.iter().zip(answers).filter(|(member, answer)| answer.duplicate && (is_new || answer.id != member.id));
                let ended: Vec<(String, String)> =
                    refused.map(|(member, _)| (member_name(queue, &member.id), "rejected".to_owned())).collect();
                if !ended.is_empty() {
                    scripts::end_members(client.connection(), &client.keys(&self.home), &self.id, &ended).await?;
                    rejected += ended.len();
                }
            }
        }
        Ok(rejected)
    }
}

impl PlannedMember {
    fn job<'a>(&'a self, plan: &Plan, writing: Writing<'_>) -> Result<NewJob<'a>, Error> {
        let spec = &self.spec;
        // Named, so that it is remembered: to enqueue it again after its end is without effect.
        let options = EnqueueOptions { id: Some(self.id.clone()), ..spec.options.clone() };
        let batch = BatchOf { home: plan.home.clone(), id: plan.id.clone(), member: None };
        let attached = Attached { batch: Some(batch), chain: self.chain.clone() };
        new_job(&self.id, spec.name.clone(), spec.payload.clone(), &spec.policy, options, attached, writing)
    }
}

/// As the set of members has it.
pub(crate) fn member_name(queue: &QueueName, id: &JobId) -> String {
    format!("{queue}/{id}")
}

/// The queue of the callbacks; of a batch without any, that of its first member.
fn home(callbacks: &BTreeMap<When, Spec>, members: &[PlannedMember]) -> Result<QueueName, Error> {
    let mut queues = callbacks.values().map(Spec::queue);
    let Some(home) = queues.next() else {
        return Ok(members.first().map_or_else(QueueName::default, |member| member.spec.queue().clone()));
    };
    match queues.find(|queue| *queue != home) {
        None => Ok(home.clone()),
        Some(other) => Err(Error::Refused(format!(
            "the callbacks of a batch must be of one queue, as they are enqueued by its record there: these are of {home} and of {other}"
        ))),
    }
}

fn callback(id: &BatchId, when: When, spec: Spec, writing: Writing<'_>) -> Result<RawCallback, Error> {
    let what = "a callback";
    spec.check_has_no_id(what)?;
    spec.check_is_not_unique(what)?;
    if spec.options.at.is_some() {
        return Err(Error::Refused(format!("{} cannot have a moment of its own, as {what}: give it a delay", spec.name)));
    }
    let job_id = JobId::parse(&format!("{id}.{}", when.as_str()))?;
    let delay_ms = spec.options.delay.map_or(0, millis);
    let job = new_job(&job_id, spec.name.clone(), spec.payload, &spec.policy, spec.options, Attached::default(), writing)?;
    let head = serde_json::json!({ "id": job_id, "priority": job.priority, "delay_ms": delay_ms, "extra": job.extra });
    let mut stored = head.to_string().into_bytes();
    stored.push(b'\n');
    stored.extend_from_slice(&job.envelope);
    Ok(RawCallback { when: when.as_str(), job: spec.name, id: job_id.to_string(), stored })
}
