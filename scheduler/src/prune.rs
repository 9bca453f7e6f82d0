//! Dropping what nobody will ask for again: outbox rows long done, old runs of schedules, old entries of the audit log. In small steps, oldest first.

use std::time::Duration;

use anyhow::Context;
use sqlx::PgPool;
use tokio::sync::watch;
use tokio_util::sync::CancellationToken;

use crate::leader::until_leading;
use crate::pace::Pace;

/// Rows of each kind deleted in one statement.
const STEP: i64 = 1_000;

#[derive(Debug, Clone, PartialEq, Eq)]
pub struct PruneConfig {
    /// Between passes that found nothing more to drop.
    pub every: Duration,
    /// An id that a caller chose is not enqueued a second time for at least so long after its end.
    pub keep_outbox: Duration,
    pub keep_runs: Duration,
    pub keep_audit: Duration,
}

impl Default for PruneConfig {
    fn default() -> Self {
        let day = Duration::from_secs(24 * 3_600);
        Self { every: Duration::from_secs(600), keep_outbox: 7 * day, keep_runs: 90 * day, keep_audit: 365 * day }
    }
}

/// Deletes old rows.
pub struct Prune {
    config: PruneConfig,
    pool: PgPool,
}

/// How many rows one pass deleted.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct PruneReport {
    pub outbox: u64,
    pub runs: u64,
    pub audit: u64,
}

impl Prune {
    pub fn new(config: PruneConfig, pool: PgPool) -> Self {
        Self { config, pool }
    }

    /// Prunes while this scheduler leads.
    pub async fn run(self, mut leading: watch::Receiver<bool>, stop: CancellationToken) {
        let mut pace = Pace::new("pruning old rows", stop.clone());
        while until_leading(&mut leading, &stop).await {
            let pass = self.run_once().await;
            let rest = pass.map(|report| {
                let full = report.outbox.max(report.runs).max(report.audit) == STEP.cast_unsigned();
                if full { Duration::from_secs(1) } else { self.config.every }
            });
            if !pace.rest(rest).await {
                break;
            }
        }
    }

    /// Deletes the oldest rows past their time, 1,000 of each kind at most.
    ///
    /// # Errors
    /// When PostgreSQL fails.
    pub async fn run_once(&self) -> anyhow::Result<PruneReport> {
        let outbox = sqlx::query!(
            "delete from celeriac.outbox where id in
             (select id from celeriac.outbox where done_at < clock_timestamp() - make_interval(secs => $1) order by done_at limit $2)",
            self.config.keep_outbox.as_secs_f64(),
            STEP
        )
        .execute(&self.pool)
        .await
        .context("cannot prune the outbox")?;
        // Ids grow with time, so the oldest are found without an index on it.
        let runs = sqlx::query!(
            "delete from celeriac.schedule_runs where id in (select id from celeriac.schedule_runs order by id limit $2)
             and fired_at < clock_timestamp() - make_interval(secs => $1)",
            self.config.keep_runs.as_secs_f64(),
            STEP
        )
        .execute(&self.pool)
        .await
        .context("cannot prune the runs of schedules")?;
        let audit = sqlx::query!(
            "delete from celeriac.audit_log where id in
             (select id from celeriac.audit_log where at < clock_timestamp() - make_interval(secs => $1) order by at limit $2)",
            self.config.keep_audit.as_secs_f64(),
            STEP
        )
        .execute(&self.pool)
        .await
        .context("cannot prune the audit log")?;
        Ok(PruneReport { outbox: outbox.rows_affected(), runs: runs.rows_affected(), audit: audit.rows_affected() })
    }
}
