//! Documents in bad weather: worker processes are killed, or put to sleep past their leases, at every named checkpoint of a document's
//! job and at any other moment, while documents come in; then the database and the stand-in's counters say what became of the money.
//!
//! ```text
//!   feeder ──upload──> PostgreSQL ──relay──> Redis <──claim, settle── lanes of worker processes ──> stand-in for OpenAI
//!                          │                                ^ one strike ends each (plan, by a seed)      │
//!                          └──────── what was inside a call at each strike ─────> reckoning <─────────────┘
//! ```

mod feed;
mod frozen;
mod lane;
mod plan;
mod reckoning;
mod search;
mod studies;

use std::collections::BTreeMap;
use std::sync::atomic::{AtomicU64, AtomicUsize, Ordering};
use std::time::{Duration, Instant};

use anyhow::{Result, ensure};
use tokio::time::sleep;

use crate::chaos::scene::STALL;
use crate::{System, SystemOptions};
use plan::{Place, Strike};

pub use plan::CHECKPOINTS;
pub use reckoning::Reckoning;

/// Short, so that what a dead worker held comes back soon.
const LEASE: Duration = Duration::from_secs(1);
/// Users that the documents belong to, in turn.
const USERS: i64 = 5;
/// Workers that finish what is left when the last strike is done.
const LAST_WORKERS: usize = 2;
/// Between two looks at the database.
const LOOK: Duration = Duration::from_millis(50);

/// What to run. It needs PostgreSQL and Redis, as [`System`] does.
#[derive(Debug, Clone, Copy)]
pub struct Campaign {
    pub seed: u64,
    /// Workers killed with SIGKILL; others are put to sleep besides.
    pub kills: usize,
    /// Workers at work at a time.
    pub lanes: usize,
}

/// What all parts of a run share.
struct Ground {
    system: System,
    strikes: Vec<Strike>,
    /// Strikes begun.
    begun: AtomicUsize,
    /// Strikes done.
    done: AtomicUsize,
    tally: Tally,
    seed: u64,
}

/// What the strikes came to.
#[derive(Debug, Default)]
struct Tally {
    kills: AtomicU64,
    sleeps: AtomicU64,
    /// Ledger rows whose call was open, for the job of the worker that was struck.
    inside: AtomicU64,
    /// Strikes by the checkpoint at which the worker stood, or `anywhere`.
    places: std::sync::Mutex<BTreeMap<&'static str, u64>>,
}

impl Tally {
    fn place(&self, name: &'static str) {
        *self.places.lock().expect("nothing panics while it counts").entry(name).or_default() += 1;
    }
}

impl Campaign {
    /// # Errors
    /// When the run itself fails: a process cannot be started, a sleeper does not stop in good order, nothing moves any more. What the jobs
    /// did wrong stands in the reckoning.
    pub async fn run(self) -> Result<Reckoning> {
        let begun = Instant::now();
        let mut system = System::with(SystemOptions::default()).await;
        system.set("WORKER_LEASE", format!("{}ms", LEASE.as_millis()));
        system.set("WORKER_CONCURRENCY", "1");
        system.set("RELAY_SWEEP", "200ms");
        for user in 0..USERS {
            system.consent(user).await;
        }
        let _scheduler = system.scheduler();
        let ground = Ground {
            system,
            strikes: plan::strikes(self.seed, self.kills),
            begun: AtomicUsize::new(0),
            done: AtomicUsize::new(0),
            tally: Tally::default(),
            seed: self.seed,
        };
        let lanes = futures::future::try_join_all((0..self.lanes).map(|_| lane::run(&ground)));
        futures::try_join!(feed::run(&ground), lanes)?;
        let Ground { mut system, tally, strikes, .. } = ground;
        let last: Vec<_> = (0..LAST_WORKERS).map(|_| system.worker()).collect();
        ended(&system).await?;
        for worker in last {
            worker.stop().await;
        }
        let reckoning = Reckoning::of(&system, &tally, strikes.len(), self, begun.elapsed()).await?;
        if reckoning.holds() {
            system.finish().await;
        }
        Ok(reckoning)
    }
}

/// Waits until every document has ended and every queue is empty, or nothing moves any more.
async fn ended(system: &System) -> Result<()> {
    let (mut last, mut moved) = ((0, String::new()), Instant::now());
    loop {
        let now = (feed::unfinished(&system.pool).await?, system.is_quiet().await.err().unwrap_or_default());
        if now == (0, String::new()) {
            return Ok(());
        }
        if now != last {
            (last, moved) = (now, Instant::now());
        }
        ensure!(moved.elapsed() < STALL, "nothing has moved for {} s: {} jobs have not ended; {}", STALL.as_secs(), last.0, last.1);
        sleep(LOOK).await;
    }
}

impl Ground {
    /// The next strike and its number, until there is none.
    fn next(&self) -> Option<(usize, Strike)> {
        let number = self.begun.fetch_add(1, Ordering::Relaxed);
        self.strikes.get(number).map(|strike| (number, *strike))
    }

    fn is_over(&self) -> bool {
        self.done.load(Ordering::Relaxed) >= self.strikes.len()
    }
}

impl Strike {
    fn checkpoint(&self) -> Option<&'static str> {
        match self.place {
            Place::Checkpoint(name) => Some(name),
            Place::Anywhere => None,
        }
    }
}
