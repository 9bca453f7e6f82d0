//! The claiming and settling side, for workers: every move of a job that is held under a lease.

use std::time::Duration;

use rand::RngExt;

use crate::client::wall_clock_ms;
use crate::keys::{Key, QueueKeys};
use crate::scripts::{self, ClaimArgs, Company, Completion, Held, PruneArgs};
use crate::{Attempt, Client, Connection, Envelope, Error, JobId, Millis, Outcome, QueueName, State, Tries, WorkerId};

/// Jobs that one script takes: what it unpacks stays far below the 7,999 values of Lua's stack.
pub(crate) const BATCH_MAX: usize = 500;
/// Leases that one extend takes.
const EXTEND_MAX: usize = 1_000;
/// A notice that is not acknowledged by then is handed out again.
const NOTICE_LEASE: Duration = Duration::from_secs(60);

/// How leases and records of a queue are kept.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct LeaseConfig {
    /// A worker that is silent for so long loses its jobs. It extends every third of it.
    pub lease: Duration,
    /// A job that lost so many workers is buried as poison.
    pub losses_max: u32,
    /// Finished records kept a queue.
    pub finished_max: usize,
    /// Dead jobs kept a queue.
    pub dead_max: usize,
    pub dead_keep: Duration,
}

impl Default for LeaseConfig {
    fn default() -> Self {
        Self {
            lease: Duration::from_secs(10),
            losses_max: 3,
            finished_max: 1_000,
            dead_max: 10_000,
            dead_keep: Duration::from_secs(30 * 24 * 3600),
        }
    }
}

/// One job, handed to this worker until its lease runs out.
#[derive(Debug)]
pub struct Delivery {
    pub queue: QueueName,
    pub id: JobId,
    /// Proves that this delivery still holds the lease.
    pub token: String,
    /// What the job is; an error when its bytes cannot be read (then it is to be buried, never dropped).
    pub envelope: Result<Envelope, Error>,
    pub tries: Tries,
    /// The Redis clock at the claim, ms.
    pub claimed_at: Millis,
}

/// A job that ended without a handler, whose `on_terminal` is still to run.
#[derive(Debug)]
pub struct Notice {
    pub queue: QueueName,
    pub id: JobId,
    /// `None` when the record is gone or cannot be read: nothing can be told to anybody, acknowledge it.
    pub envelope: Option<Envelope>,
    /// It cannot be read for want of a key that another worker may have.
    pub key_missing: bool,
    pub outcome: Outcome,
    /// Unless acknowledged, it is handed out again then (Redis clock, ms).
    pub visible_at: Millis,
}

/// The answer to a claim.
#[derive(Debug)]
pub struct Claim {
    pub deliveries: Vec<Delivery>,
    pub notices: Vec<Notice>,
    /// How long until something falls due (a scheduled job, a lease, a notice).
    pub next_due: Option<Duration>,
    /// More ready work than the credit covered.
    pub work_left: bool,
    pub paused: bool,
    pub company: Company,
    /// Transfers wait to be moved; see [`crate::Transfers`].
    pub to_move: bool,
}

/// What became of a settling move.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Settled {
    Done,
    /// Somebody had asked to cancel the job: it is cancelled instead.
    Cancelled,
    /// The lease was lost (or the move had been made before): nothing was changed.
    LeaseLost,
}

impl Settled {
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Done => "done",
            Self::Cancelled => "cancelled",
            Self::LeaseLost => "lease_lost",
        }
    }
}

impl From<Held> for Settled {
    fn from(held: Held) -> Self {
        match held {
            Held::Done => Self::Done,
            Held::Cancelled => Self::Cancelled,
            Held::Missing | Held::Lost => Self::LeaseLost,
        }
    }
}

/// What an extend found.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum LeaseState {
    Kept,
    /// Kept, and somebody wants the job cancelled.
    CancelAsked,
    Lost,
}

/// Claims from and settles to one queue.
#[derive(Clone)]
pub struct Consumer {
    connection: Connection,
    queue: QueueName,
    keys: QueueKeys,
    worker: WorkerId,
    config: LeaseConfig,
}

impl Consumer {
    pub fn new(connection: Connection, queue: QueueName, worker: WorkerId, config: LeaseConfig) -> Self {
        let keys = connection.namespace().queue(&queue);
        Self { connection, queue, keys, worker, config }
    }

    pub fn queue(&self) -> &QueueName {
        &self.queue
    }

    pub fn config(&self) -> &LeaseConfig {
        &self.config
    }

    pub fn client(&self) -> Client {
        Client::new(self.connection.clone())
    }

    /// Claims up to `credit` jobs and up to `notices_max` notices in one round trip; never more than 500 of either. For a worker that
    /// holds other jobs: it is given none that is to run alone.
    ///
    /// # Errors
    /// [`Error::Redis`]: whatever Redis may have leased to this call comes back when that lease runs out.
    pub async fn claim(&self, credit: usize, notices_max: usize) -> Result<Claim, Error> {
        self.claim_for(false, credit, notices_max).await
    }

    /// As [`Consumer::claim`], for a worker that holds no job of any queue: see [`Claim::company`].
    ///
    /// # Errors
    /// As [`Consumer::claim`].
    pub async fn claim_when_idle(&self, credit: usize, notices_max: usize) -> Result<Claim, Error> {
        self.claim_for(true, credit, notices_max).await
    }

    async fn claim_for(&self, idle: bool, credit: usize, notices_max: usize) -> Result<Claim, Error> {
        let token = format!("{}:{:016x}", self.worker, rand::rng().random::<u64>());
        let notice_ms = NOTICE_LEASE.as_millis() as u64;
        let args = ClaimArgs {
            credit: credit.min(BATCH_MAX),
            token: &token,
            lease_ms: self.lease_ms(),
            losses_max: self.config.losses_max,
            notices_max: notices_max.min(BATCH_MAX),
            notice_ms,
            idle,
        };
        let raw = scripts::claim(&self.connection, &self.keys, args).await?;
        let deliveries = raw.jobs.into_iter().filter_map(|(id, bytes, tries)| {
            let id = JobId::parse(&id).ok()?;
            Some(Delivery {
                queue: self.queue.clone(),
                token: token.clone(),
                envelope: self.decode(&bytes, &id),
                id,
                tries: Tries::parse(&tries),
                claimed_at: raw.now,
            })
        });
        let visible_at = raw.now + notice_ms;
        let notices = raw.notices.into_iter().filter_map(|(id, bytes, outcome)| {
            let id = JobId::parse(&id).ok()?;
            let envelope = self.decode(&bytes, &id);
            Some(Notice {
                queue: self.queue.clone(),
                id,
                key_missing: matches!(envelope, Err(Error::KeyMissing { .. })),
                envelope: envelope.ok(),
                outcome: serde_json::from_str(&outcome).unwrap_or_else(|_| Outcome::new(State::Dead, raw.now)),
                visible_at,
            })
        });
        Ok(Claim {
            deliveries: deliveries.collect(),
            notices: notices.collect(),
            next_due: raw.next_due_ms.map(Duration::from_millis),
            work_left: raw.work_left,
            paused: raw.paused.is_some(),
            company: raw.company,
            to_move: raw.to_move,
        })
    }

    /// Whether the server of this queue answers at all; changes nothing there.
    ///
    /// # Errors
    /// [`Error::Redis`] when it does not.
    pub async fn reach(&self) -> Result<(), Error> {
        redis::cmd("EXISTS").arg(self.keys.get(Key::Meta)).exec_async(&mut self.connection.shared()).await?;
        Ok(())
    }

    /// Keeps leases for another lease length.
    pub async fn extend(&self, leases: &[(JobId, String)]) -> Result<Vec<LeaseState>, Error> {
        let mut states = Vec::with_capacity(leases.len());
        for part in leases.chunks(EXTEND_MAX) {
            let replies = scripts::extend(&self.connection, &self.keys, self.lease_ms(), part).await?;
            states.extend(replies.into_iter().map(|held| match held {
                Held::Done => LeaseState::Kept,
                Held::Cancelled => LeaseState::CancelAsked,
                Held::Missing | Held::Lost => LeaseState::Lost,
            }));
        }
        Ok(states)
    }

    /// Completes many jobs in one round trip a 500.
    pub async fn complete(&self, jobs: &[Completion]) -> Result<Vec<Settled>, Error> {
        let mut settled = Vec::with_capacity(jobs.len());
        for part in jobs.chunks(BATCH_MAX) {
            let replies = scripts::complete(&self.connection, &self.keys, self.config.finished_max, part).await?;
            settled.extend(replies.into_iter().map(Settled::from));
        }
        Ok(settled)
    }

    /// The attempt failed; the job is due again after `delay`.
    pub async fn retry(&self, id: &JobId, token: &str, delay: Duration, error: &str) -> Result<Settled, Error> {
        let attempt = self.attempt(error);
        let held = scripts::retry(&self.connection, &self.keys, id, token, delay.as_millis() as u64, &attempt).await?;
        Ok(held.into())
    }

    /// The slot is given back; the job is due again after `delay`, with no attempt spent.
    pub async fn snooze(&self, id: &JobId, token: &str, delay: Duration) -> Result<Settled, Error> {
        let held = scripts::snooze(&self.connection, &self.keys, id, token, delay.as_millis() as u64).await?;
        Ok(held.into())
    }

    /// The job will not be tried again. `kind` as in [`Outcome::kind`].
    pub async fn bury(&self, id: &JobId, token: &str, kind: &str, reason: &str) -> Result<Settled, Error> {
        let mut outcome = Outcome::new(State::Dead, wall_clock_ms()).because(kind, reason);
        outcome.worker = Some(self.worker.to_string());
        Ok(scripts::bury(&self.connection, &self.keys, id, token, &outcome.to_json(), &self.attempt(reason)).await?.into())
    }

    /// The job was claimed past its deadline: dropped unrun.
    pub async fn expire(&self, id: &JobId, token: &str) -> Result<Settled, Error> {
        let outcome = Outcome::new(State::Expired, wall_clock_ms()).because("expired", "not started before its deadline");
        Ok(scripts::expire(&self.connection, &self.keys, id, token, &outcome.to_json()).await?.into())
    }

    /// The held job is cancelled; with the given reason, unless somebody had asked for it with another.
    pub async fn cancel(&self, id: &JobId, token: &str, reason: &str) -> Result<Settled, Error> {
        let outcome = Outcome::new(State::Cancelled, wall_clock_ms()).because("asked", reason);
        Ok(scripts::cancel_held(&self.connection, &self.keys, id, token, &outcome.to_json()).await?.into())
    }

    /// Puts claimed jobs back unrun at the head of their lists, in their order; the deliveries are not counted. Those whose cancellation
    /// was asked for are cancelled instead.
    pub async fn release(&self, leases: &[(JobId, String)]) -> Result<Vec<Settled>, Error> {
        let mut settled = Vec::with_capacity(leases.len());
        // The last part first: each goes to the head.
        for part in leases.chunks(BATCH_MAX).rev() {
            let replies = scripts::release(&self.connection, &self.keys, part).await?;
            settled.splice(0..0, replies.into_iter().map(Settled::from));
        }
        Ok(settled)
    }

    /// The notice's `on_terminal` has run. A notice of a later end of the same job (it was requeued meanwhile) stays open.
    pub async fn acknowledge(&self, notice: &Notice) -> Result<(), Error> {
        scripts::acknowledge(&self.connection, &self.keys, &notice.id, notice.visible_at).await?;
        Ok(())
    }

    /// Drops records, remembered ids and unique keys past their time or beyond their count, at most 500 of each kind. Returns how many:
    /// 500 or more mean that as many again may be waiting.
    pub async fn prune(&self) -> Result<u64, Error> {
        let args = PruneArgs {
            finished_max: self.config.finished_max,
            dead_max: self.config.dead_max,
            dead_ms: self.config.dead_keep.as_millis() as u64,
            limit: BATCH_MAX,
        };
        scripts::prune(&self.connection, &self.keys, args).await
    }

    fn decode(&self, bytes: &[u8], id: &JobId) -> Result<Envelope, Error> {
        Envelope::decode(bytes, id, self.connection.payload_keys())
    }

    fn lease_ms(&self) -> u64 {
        self.config.lease.as_millis() as u64
    }

    fn attempt(&self, error: &str) -> String {
        Attempt::new(wall_clock_ms(), self.worker.as_str(), error).to_json()
    }
}
