//! Many documents, several workers, and a model that is limited and often fails: what the limit lets through, and that no job fails by it.

use std::fmt;
use std::time::{Duration, Instant};

use celeriac_ops::standin::openai::{Counters, Options};

use crate::{System, SystemOptions, samples};

/// What is let loose.
#[derive(Debug, Clone)]
pub struct Crowd {
    pub documents: u64,
    pub workers: usize,
    /// Of the stand-in, and set for the workers unless they are to learn it.
    pub requests_per_minute: u64,
    pub workers_know: bool,
    /// Part of the requests that get a fault instead of an answer.
    pub fault_rate: f64,
    pub seed: u64,
    /// Given up after that.
    pub longest: Duration,
}

/// What came of it.
#[derive(Debug)]
pub struct CrowdReport {
    pub crowd: Crowd,
    pub completed: u64,
    /// Sentences of the documents that failed.
    pub failed: Vec<String>,
    pub took: Duration,
    pub model: Counters,
    /// Calls whose outcome was lost.
    pub unknown_outcomes: i64,
    /// How often a job gave its slot back to wait.
    pub snoozed: u64,
    pub retried: u64,
}

impl Crowd {
    /// Runs it on a system of its own, on the servers that the environment names.
    pub async fn run(self) -> CrowdReport {
        let openai = Options {
            latency: Duration::from_millis(200),
            latency_max: Some(Duration::from_millis(1_500)),
            requests_per_minute: Some(self.requests_per_minute),
            fault_rate: self.fault_rate,
            seed: self.seed,
            ..Options::default()
        };
        let mut system = System::with(SystemOptions { openai, ..SystemOptions::default() }).await;
        if self.workers_know {
            system.set("OPENAI_RPM", self.requests_per_minute.to_string());
        }
        system.set("OPENAI_TIMEOUT", "20s");
        self.upload(&system).await;
        let _scheduler = system.scheduler();
        let _workers: Vec<_> = (0..self.workers).map(|_| system.worker()).collect();
        let started = Instant::now();
        let mut ended = 0;
        while ended < self.documents && started.elapsed() < self.longest {
            tokio::time::sleep(Duration::from_millis(100)).await;
            ended = count(&system, "status in ('completed', 'failed')").await;
        }
        let took = started.elapsed();
        let report = self.report(&system, took).await;
        system.finish().await;
        report
    }

    /// Each document has bytes of its own: what follows the end of a PDF is no part of it.
    async fn upload(&self, system: &System) {
        const USERS: i64 = 20;
        let letter = samples::bytes("denial_letter.pdf");
        for user in 0..USERS {
            system.consent(user).await;
        }
        for (number, user) in (0..self.documents).zip((0..USERS).cycle()) {
            system.upload(user, "letter.pdf", &[&letter[..], format!("% {number}\n").as_bytes()].concat()).await;
        }
    }

    async fn report(self, system: &System, took: Duration) -> CrowdReport {
        let failed = sqlx::query_scalar("select coalesce(error_message, '') from celeriac.documents where status = 'failed'");
        let unknown = sqlx::query_scalar("select coalesce(sum(unknown_outcomes), 0)::bigint from celeriac.paid_calls");
        let queue = system.inspector().queue(&celeriac_jobs::queues::documents()).await.expect("Redis");
        let moves = |name: &str| queue.moves.get(name).copied().unwrap_or(0);
        CrowdReport {
            completed: count(system, "status = 'completed'").await,
            failed: failed.fetch_all(&system.pool).await.expect("PostgreSQL"),
            took,
            model: system.openai.counters(),
            unknown_outcomes: unknown.fetch_one(&system.pool).await.expect("PostgreSQL"),
            snoozed: moves("snoozed"),
            retried: moves("retried"),
            crowd: self,
        }
    }
}

async fn count(system: &System, condition: &str) -> u64 {
    let statement = sqlx::AssertSqlSafe(format!("select count(*) from celeriac.documents where {condition}"));
    let count: i64 = sqlx::query_scalar(statement).fetch_one(&system.pool).await.expect("PostgreSQL");
    count.unsigned_abs()
}

impl CrowdReport {
    /// All completed, none failed, and no minute with more than 2 % above the limit.
    pub fn holds(&self) -> bool {
        self.completed == self.crowd.documents && self.failed.is_empty() && self.most_allowed() >= self.model.requests_per_minute_max
    }

    fn most_allowed(&self) -> u64 {
        self.crowd.requests_per_minute + self.crowd.requests_per_minute / 50
    }
}

impl fmt::Display for CrowdReport {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { crowd, completed, failed, took, model, unknown_outcomes, snoozed, retried } = self;
        let ideal = (model.requests.saturating_sub(1)) as f64 * 60.0 / crowd.requests_per_minute as f64;
        writeln!(
            f,
            "{} documents, {} workers, {} requests a minute, seed {}",
            crowd.documents, crowd.workers, crowd.requests_per_minute, crowd.seed
        )?;
        writeln!(f, "completed            {completed}")?;
        writeln!(f, "failed               {} {failed:?}", failed.len())?;
        writeln!(
            f,
            "took                 {:.1} s; {} requests at exactly the limit take {ideal:.1} s",
            took.as_secs_f64(),
            model.requests
        )?;
        writeln!(
            f,
            "most in a minute     {} of {} (2 % more: {})",
            model.requests_per_minute_max,
            crowd.requests_per_minute,
            self.most_allowed()
        )?;
        writeln!(f, "at once              {}", model.in_flight_max)?;
        writeln!(f, "outcomes             {:?}", model.outcomes)?;
        writeln!(f, "unknown outcomes     {unknown_outcomes}")?;
        writeln!(f, "slots given back     {snoozed}; attempts spent {retried}")?;
        writeln!(f, "{}", if self.holds() { "holds" } else { "DOES NOT HOLD" })
    }
}
