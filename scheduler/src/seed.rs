//! Making the database's schedules equal to `schedules.toml`, except where a person has edited them.

use anyhow::Context;
use sqlx::PgPool;

use crate::Catalogue;
use crate::schedules::FileSchedule;

/// What a seeding changed. All lists are of schedule names.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct SeedReport {
    pub added: Vec<String>,
    pub updated: Vec<String>,
    /// In the file, but edited in the database by a person: left as they are.
    pub kept: Vec<String>,
    /// No longer in the file: switched off, with their history.
    pub disabled: Vec<String>,
}

/// Brings the file's schedules into the database, in one transaction.
///
/// # Errors
/// When PostgreSQL fails; then nothing was changed.
pub async fn seed(pool: &PgPool, schedules: &[FileSchedule]) -> anyhow::Result<SeedReport> {
    let names: Vec<String> = schedules.iter().map(|schedule| schedule.name.clone()).collect();
    let mut report = SeedReport::default();
    let mut tx = pool.begin().await.context("cannot reach PostgreSQL")?;
    for schedule in schedules {
        let added = sqlx::query_file_scalar!(
            "sql/upsert_schedule.sql",
            schedule.name,
            schedule.cron,
            schedule.every_seconds,
            schedule.time_zone,
            schedule.job,
            schedule.args,
            schedule.queue,
            schedule.priority,
            schedule.enabled,
            schedule.catch_up,
            schedule.overlap,
            schedule.expires_seconds,
            schedule.key,
            schedule.unique_key,
            schedule.unique_scope,
            schedule.unique_conflict,
        )
        .fetch_optional(&mut *tx)
        .await
        .with_context(|| format!("cannot store the schedule {}", schedule.name))?;
        match added {
            Some(true) => report.added.push(schedule.name.clone()),
            Some(false) => report.updated.push(schedule.name.clone()),
            None => {}
        }
    }
    report.kept =
        sqlx::query_scalar!("select name from celeriac.schedules where source = 'person' and name = any($1) order by name", &names)
            .fetch_all(&mut *tx)
            .await?;
    // Switched off rather than deleted: the runs stay readable, and a rollback of the file brings the schedule back.
    report.disabled = sqlx::query_scalar!(
        "update celeriac.schedules set enabled = false, next_at = null, changed_at = now()
         where source = 'file' and enabled and name <> all($1) returning name",
        &names,
    )
    .fetch_all(&mut *tx)
    .await?;
    report.disabled.sort();
    tx.commit().await?;
    Ok(report)
}

/// Says what was seeded, and warns of jobs nobody here knows.
pub(crate) fn tell(report: &SeedReport, schedules: &[FileSchedule], catalogue: &Catalogue) {
    tracing::info!(added = ?report.added, updated = ?report.updated, count = schedules.len(), "schedules are as the file has them");
    if !report.kept.is_empty() {
        tracing::info!(kept = ?report.kept, "some schedules were edited by a person: the file does not change them");
    }
    if !report.disabled.is_empty() {
        tracing::warn!(disabled = ?report.disabled, "some schedules are no longer in the file: they are switched off, their history stays");
    }
    for schedule in schedules.iter().filter(|schedule| !catalogue.knows(&schedule.job)) {
        tracing::warn!(
            schedule = schedule.name,
            job.name = schedule.job,
            "schedule {}: {} is not a job that Celeriac ships; it needs a worker that registers it, and goes to the queue {}",
            schedule.name,
            schedule.job,
            schedule.queue.as_deref().unwrap_or("default"),
        );
    }
}
