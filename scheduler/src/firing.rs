//! Firing due schedules: for each, one transaction of run rows, outbox rows and the next moment.
//!
//! A crash before the commit leaves everything as it was, and the next pass does it again; the key (schedule, instant) of
//! `celeriac.schedule_runs` makes a second firing of an occurrence a no-op, whoever tries it.

use std::collections::BTreeMap;
use std::time::Duration;

use anyhow::{Context, anyhow};
use celeriac_process::in_words;
use chrono::{DateTime, Utc};
use sqlx::{PgPool, PgTransaction};
use tokio::sync::watch;
use tokio_util::sync::CancellationToken;

use crate::catch_up::{CatchUp, Plan};
use crate::leader::until_leading;
use crate::pace::Pace;
use crate::{Calendar, transaction};

#[derive(Debug, Clone, PartialEq, Eq)]
pub struct FiringConfig {
    /// How often schedules are looked at when none is due: the longest time until an edited one is noticed.
    pub look: Duration,
}

impl Default for FiringConfig {
    fn default() -> Self {
        Self { look: Duration::from_secs(2) }
    }
}

/// Fires what is due.
pub struct Firing {
    config: FiringConfig,
    pool: PgPool,
}

/// What one pass did.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct FiringReport {
    pub fired: usize,
    /// Occurrences that had been fired before, by another scheduler or before a crash.
    pub repeated: usize,
    /// Occurrences not fired because the run before was unfinished.
    pub overlapped: usize,
    /// Schedules of which missed occurrences were left out by their catch-up policy.
    pub left_out: Vec<String>,
    /// Schedule → why it cannot be fired. The others are not held up.
    pub faults: BTreeMap<String, String>,
    /// When the next schedule is due.
    pub next_due: Option<DateTime<Utc>>,
}

struct Row {
    name: String,
    calendar: Calendar,
    catch_up: CatchUp,
    skips_overlap: bool,
    next_at: Option<DateTime<Utc>>,
}

impl Firing {
    pub fn new(config: FiringConfig, pool: PgPool) -> Self {
        Self { config, pool }
    }

    /// Fires while this scheduler leads, by the clock of PostgreSQL.
    pub async fn run(self, mut leading: watch::Receiver<bool>, stop: CancellationToken) {
        let mut pace = Pace::new("firing schedules", stop.clone());
        let mut told = BTreeMap::new();
        while until_leading(&mut leading, &stop).await {
            let pass = self.pass(&mut told).await;
            if !pace.rest(pass).await {
                break;
            }
        }
    }

    async fn pass(&self, told: &mut BTreeMap<String, String>) -> anyhow::Result<Duration> {
        let now =
            sqlx::query_scalar!(r#"select clock_timestamp() as "now!""#).fetch_one(&self.pool).await.context("cannot read the clock")?;
        let report = self.run_once(now).await?;
        for (schedule, fault) in report.faults.iter().filter(|(schedule, fault)| told.get(*schedule) != Some(fault)) {
            tracing::error!(schedule, error = fault, "schedule {schedule} cannot be fired until it is corrected: {fault}");
        }
        *told = report.faults;
        let until_due = report.next_due.and_then(|due| (due - now).to_std().ok()).unwrap_or(self.config.look);
        Ok(until_due.min(self.config.look))
    }

    /// Fires every schedule that is due at `now`.
    ///
    /// # Errors
    /// When PostgreSQL fails; what was committed before stays fired, the rest is due still.
    pub async fn run_once(&self, now: DateTime<Utc>) -> anyhow::Result<FiringReport> {
        let mut report = FiringReport::default();
        let due = sqlx::query_scalar!(
            "select name from celeriac.schedules where enabled and (next_at is null or next_at <= $1) order by next_at, name",
            now
        )
        .fetch_all(&self.pool)
        .await
        .context("cannot read the schedules")?;
        for name in due {
            match self.fire(&name, now, &mut report).await {
                Ok(()) => {}
                Err(error) if is_own_fault(&error) => drop(report.faults.insert(name, in_words(&error))),
                Err(error) => return Err(error.context(format!("cannot fire the schedule {name}"))),
            }
        }
        report.next_due = sqlx::query_scalar!("select min(next_at) from celeriac.schedules where enabled and next_at > $1", now)
            .fetch_one(&self.pool)
            .await?;
        Ok(report)
    }

    async fn fire(&self, name: &str, now: DateTime<Utc>, report: &mut FiringReport) -> anyhow::Result<()> {
        let mut tx = transaction::begin(&self.pool).await?;
        // Another scheduler may be at it (then it is passed over) or have done it (then it is no longer due).
        let Some(row) = lock(&mut tx, name, now).await? else { return Ok(()) };
        // A schedule without a next moment is new or was edited: it is counted from now on.
        let plan = match row.next_at {
            Some(due) => row.catch_up.plan(&row.calendar, due, now),
            None => Plan { fire: Vec::new(), left_out: false, next_at: row.calendar.next_after(now) },
        };
        let mut fired = FiringReport::default();
        let mut running = row.skips_overlap && has_unfinished_run(&mut tx, &row.name).await?;
        for (instant, reason) in &plan.fire {
            if running {
                sqlx::query!(
                    "insert into celeriac.schedule_runs (schedule, instant, reason) values ($1, $2, 'skipped_overlap')
                     on conflict (schedule, instant) do nothing",
                    row.name,
                    instant
                )
                .execute(&mut *tx)
                .await?;
                fired.overlapped += 1;
                continue;
            }
            let fresh = sqlx::query_scalar!(r#"select celeriac.fire($1, $2, $3) as "fresh!""#, row.name, instant, reason.as_str())
                .fetch_one(&mut *tx)
                .await?;
            fired.fired += usize::from(fresh);
            fired.repeated += usize::from(!fresh);
            running = row.skips_overlap && fresh;
        }
        sqlx::query!("update celeriac.schedules set next_at = $2 where name = $1", row.name, plan.next_at).execute(&mut *tx).await?;
        tx.commit().await?;
        tell(&row, &plan, &fired, now);
        report.fired += fired.fired;
        report.repeated += fired.repeated;
        report.overlapped += fired.overlapped;
        report.left_out.extend(plan.left_out.then_some(row.name));
        Ok(())
    }
}

/// The schedule's row, locked, if it is still due and nobody else has it.
async fn lock(tx: &mut PgTransaction<'_>, name: &str, now: DateTime<Utc>) -> anyhow::Result<Option<Row>> {
    let row = sqlx::query!(
        "select cron, every_seconds, time_zone, catch_up, overlap, next_at from celeriac.schedules
         where name = $1 and enabled and (next_at is null or next_at <= $2) for update skip locked",
        name,
        now
    )
    .fetch_optional(&mut **tx)
    .await?;
    let Some(row) = row else { return Ok(None) };
    Ok(Some(Row {
        name: name.to_owned(),
        calendar: Calendar::new(row.cron.as_deref(), row.every_seconds.map(i64::from), &row.time_zone)?,
        catch_up: CatchUp::parse(&row.catch_up).ok_or_else(|| anyhow!("it has an unknown catch-up policy, {}", row.catch_up))?,
        skips_overlap: row.overlap == "skip",
        next_at: row.next_at,
    }))
}

/// Whether a job of this schedule is still to end. Asked of the outbox, so that a run whose job was deleted does not block for ever.
async fn has_unfinished_run(tx: &mut PgTransaction<'_>, schedule: &str) -> sqlx::Result<bool> {
    sqlx::query_scalar!(
        r#"select exists (select from celeriac.schedule_runs r join celeriac.outbox o on o.id = r.job_id
                          where r.schedule = $1 and r.finished_at is null and o.done_at is null) as "unfinished!""#,
        schedule
    )
    .fetch_one(&mut **tx)
    .await
}

/// Whether the schedule itself is to blame (its text, arguments or queue), and not the connection to PostgreSQL.
fn is_own_fault(error: &anyhow::Error) -> bool {
    let Some(sql) = error.chain().find_map(|cause| cause.downcast_ref::<sqlx::Error>()) else { return true };
    let code = sql.as_database_error().and_then(|error| error.code()).unwrap_or_default();
    // Classes: bad value, violated constraint, limit exceeded, no data, raised by our own functions.
    ["22", "23", "54", "02", "P0"].iter().any(|class| code.starts_with(class))
}

fn tell(row: &Row, plan: &Plan, fired: &FiringReport, now: DateTime<Utc>) {
    let schedule = row.name.as_str();
    for (instant, reason) in &plan.fire {
        let late_ms = (now - *instant).num_milliseconds();
        tracing::debug!(schedule, %instant, reason = reason.as_str(), late_ms, "occurrence taken up");
    }
    if fired.fired > 0 {
        tracing::info!(schedule, count = fired.fired, next_at = ?plan.next_at, "fired {schedule}");
    }
    if fired.overlapped > 0 {
        tracing::info!(schedule, count = fired.overlapped, "{schedule} was not fired: its run before is unfinished");
    }
    if plan.left_out {
        tracing::warn!(schedule, since = ?row.next_at, "{schedule}: missed occurrences were left out, as its catch-up policy says");
    }
}
