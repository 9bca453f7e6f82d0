//! Admission to the model: limits that all workers share, kept in Redis. A request is reserved before it is made and settled with what it
//! really used; what the provider says of its own limits is learned for everybody.
//!
//! ```text
//!              ┌─ granted ──────▶ the call ──▶ settle (real use, learned limits, shared pause after a 429)
//!  admit ──────┼─ wait ─────────▶ short: here; else the job gives its slot back and comes at the moment that was kept for it
//!              ├─ spent ────────▶ the queue is paused until the budget renews (a user's: only that user's jobs wait)
//!              ├─ promised ─────▶ what is left may go to batches under way: the job looks again later
//!              └─ unknown ──────▶ the ledger is asked what was spent (Redis had lost it), and again
//! ```
//!
//! Requests and tokens are paced (a GCRA at 99 % of the limit, at most 1 % at once), so that no minute holds more than the limit, however
//! it is cut. Whoever must wait draws a ticket, and tickets lie as far apart as the limit lets requests follow each other: a thousand
//! waiting jobs come one by one. A reservation that a crash leaves behind expires. What a batch may cost is kept back until it has ended
//! (`promises.rs`).

mod limits;
mod promises;
mod scripts;
mod spent;

use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::{Duration, Instant};

use celeriac_queue::{Connection, Millis};
use sqlx::PgPool;

use crate::openai::Learned;
pub use limits::{Budget, Limits};
pub use promises::Offer;
pub use scripts::View;
pub use spent::{Spent, spent};

/// Where no limit is known, Redis is still asked this often whether another worker has learned one.
const LOOK_EVERY: Duration = Duration::from_secs(5);
/// While the ledger is asked what was spent, Redis is asked this often whether it knows now, and so many times.
const REBUILD_LOOK: Duration = Duration::from_millis(20);
const REBUILD_LOOKS_MAX: u32 = 50;

/// The shared limits of one model. Cheap to clone.
#[derive(Clone)]
pub struct Admission {
    connection: Connection,
    pool: PgPool,
    model: String,
    limits: Arc<Limits>,
    seen: Arc<Seen>,
    /// 0: the clock of Redis.
    now: Millis,
}

/// What this process knows of limits that nobody has set.
#[derive(Debug, Default)]
struct Seen {
    bound: AtomicBool,
    looked_at: Mutex<Option<Instant>>,
}

/// What a request is going to need.
#[derive(Debug, Clone)]
pub struct Need<'a> {
    /// Of the question, the same at every try.
    pub ticket: &'a str,
    pub user_id: Option<i64>,
    /// Input and output together, as an estimate that is rather too large.
    pub tokens: u64,
    /// Millionths of a US dollar, estimated the same way.
    pub micro_usd: u64,
    /// The longest that the request can take.
    pub longest: Duration,
}

/// The answer to a request for admission.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Answer {
    /// Make the call, then settle this.
    Granted(Hold),
    /// Come again then; a place in the line is kept.
    Wait { wait: Duration, why: String },
    /// Nothing more may be spent until the budget renews.
    Spent(Shortage),
    /// What is left of it may go to batches under way.
    Promised { shortage: Shortage, promised_micro_usd: u64 },
}

/// How a budget stands that cannot pay for a request.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Shortage {
    pub budget: Budget,
    pub limit_micro_usd: u64,
    pub spent_micro_usd: u64,
    pub renews_in: Duration,
}

/// The right to make one call. Unless it is settled it expires after the longest that the call can take.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Hold {
    /// `None`: no limit was known, and Redis was not asked.
    id: Option<String>,
    user_id: Option<i64>,
}

/// How a call that was admitted has ended.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Use {
    pub end: End,
    pub tokens: u64,
    pub micro_usd: u64,
    pub latency: Option<Duration>,
    /// How long the provider asks to be left alone.
    pub retry_after: Option<Duration>,
    pub learned: Learned,
}

/// In the words of the script.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub enum End {
    Answered,
    /// The provider said no, or the call was not made.
    #[default]
    Refused,
    /// 429: too fast.
    Limited,
    /// Sent, and no answer came.
    Lost,
}

impl std::fmt::Debug for Admission {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Admission").field("model", &self.model).field("limits", &self.limits).finish_non_exhaustive()
    }
}

impl Admission {
    pub fn new(connection: Connection, pool: PgPool, model: impl Into<String>, limits: Limits) -> Self {
        Self { connection, pool, model: model.into(), limits: Arc::new(limits), seen: Arc::default(), now: 0 }
    }

    pub fn limits(&self) -> &Limits {
        &self.limits
    }

    /// For tests of what takes minutes: that moment counts as now.
    #[must_use]
    pub fn at(&self, now: Millis) -> Self {
        Self { now, ..self.clone() }
    }

    /// Reserves a request.
    ///
    /// # Errors
    /// When Redis does not answer, or PostgreSQL where Redis does not know what was spent.
    pub async fn admit(&self, need: &Need<'_>) -> anyhow::Result<Answer> {
        if self.is_open() {
            return Ok(Answer::Granted(Hold { id: None, user_id: need.user_id }));
        }
        let id = uuid::Uuid::new_v4().simple().to_string();
        for _ in 0..REBUILD_LOOKS_MAX {
            match scripts::admit(self, &id, need).await? {
                scripts::Admitted::Granted { bound } => {
                    self.seen.bound.store(bound, Ordering::Relaxed);
                    return Ok(Answer::Granted(Hold { id: Some(id), user_id: need.user_id }));
                }
                scripts::Admitted::Answer(answer) => return Ok(answer),
                scripts::Admitted::Asked => tokio::time::sleep(REBUILD_LOOK).await,
                scripts::Admitted::Unknown(unknown) => self.tell(unknown).await?,
            }
        }
        Ok(Answer::Wait { wait: Duration::from_secs(1), why: "the ledger, to say what was spent".to_owned() })
    }

    /// Tells Redis what the ledger says.
    async fn tell(&self, unknown: scripts::Unknown) -> anyhow::Result<()> {
        let spent = spent(&self.pool, unknown.user_id, unknown.day_from, unknown.month_from).await?;
        scripts::seed(self, &unknown.token, unknown.user_id, &spent).await
    }

    /// Gives the reservation back for what was really used. Returns how long everybody pauses now, if this call has brought that about. A
    /// failure is logged only: the reservation expires, and what was spent is rebuilt from the ledger.
    pub async fn settle(&self, hold: Hold, used: &Use) -> Duration {
        let told = used.end == End::Limited || used.learned != Learned::default();
        if told {
            self.seen.bound.store(true, Ordering::Relaxed);
        }
        if hold.id.is_none() && !told {
            return Duration::ZERO;
        }
        match scripts::settle(self, hold.id.as_deref().unwrap_or_default(), hold.user_id, used).await {
            Ok(pause) => pause,
            Err(error) => {
                tracing::warn!(error = format!("{error:#}"), "the use of the model could not be settled in Redis; its reservation expires");
                Duration::ZERO
            }
        }
    }

    /// How the limits stand.
    ///
    /// # Errors
    /// When Redis does not answer.
    pub async fn view(&self) -> anyhow::Result<View> {
        scripts::view(self).await
    }

    /// Whether nobody need be asked: no limit is set, and none was learned as far as this process knows.
    fn is_open(&self) -> bool {
        if !self.limits.is_open() || self.seen.bound.load(Ordering::Relaxed) {
            return false;
        }
        let mut looked_at = self.seen.looked_at.lock().unwrap_or_else(PoisonError::into_inner);
        if looked_at.is_none_or(|at| at.elapsed() >= LOOK_EVERY) {
            // One of those that find it due looks.
            *looked_at = Some(Instant::now());
            return false;
        }
        true
    }
}
