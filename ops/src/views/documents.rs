//! How documents fare: those under way, and those that ended of late.

use std::collections::BTreeMap;
use std::time::Duration;

use celeriac_process::Settings;
use chrono::{DateTime, Utc};
use sqlx::PgPool;

/// The states of a document, in the order of its life.
pub(crate) const STATUSES: [&str; 5] = ["uploading", "processing", "analyzing", "completed", "failed"];

/// Documents by status: those in motion all of them, those that ended only since `since`. Both through an index, however long the table.
///
/// # Errors
/// When PostgreSQL does not answer.
pub(crate) async fn by_status(pool: &PgPool, since: DateTime<Utc>) -> sqlx::Result<BTreeMap<&'static str, u64>> {
    let rows = sqlx::query!(
        r#"select status as "status!", count(*) as "count!" from celeriac.documents
           where status in ('uploading', 'processing', 'analyzing') and deleted_at is null group by status
           union all
           select status, count(*) from celeriac.documents
           where status in ('completed', 'failed') and completed_at >= $1 group by status"#,
        since
    );
    let mut counts: BTreeMap<&'static str, u64> = STATUSES.iter().map(|status| (*status, 0)).collect();
    for row in rows.fetch_all(pool).await? {
        if let Some(count) = counts.get_mut(row.status.as_str()) {
            *count = row.count.unsigned_abs();
        }
    }
    Ok(counts)
}

/// Documents that their users deleted.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Deleted {
    /// Rows that are still there.
    pub(crate) waiting: u64,
    /// Of these, purge_documents should have deleted them for good.
    pub(crate) overdue: u64,
}

/// `due_after`: how long after its deletion a document is to be gone.
///
/// # Errors
/// When PostgreSQL does not answer.
pub(crate) async fn deleted(pool: &PgPool, due_after: Duration) -> sqlx::Result<Deleted> {
    let row = sqlx::query!(
        r#"select count(*) as "waiting!", count(*) filter (where deleted_at < now() - make_interval(secs => $1)) as "overdue!"
           from celeriac.documents where deleted_at is not null"#,
        due_after.as_secs_f64()
    );
    let row = row.fetch_one(pool).await?;
    Ok(Deleted { waiting: row.waiting.unsigned_abs(), overdue: row.overdue.unsigned_abs() })
}

/// How long after its deletion a document is gone where purge_documents runs every night: there is a day for a night that failed.
pub(crate) fn purge_due_after(settings: &Settings) -> Duration {
    settings.duration("DOCUMENT_PURGE_AFTER") + 2 * Duration::from_secs(86_400)
}

/// The start of today, UTC.
pub(crate) fn today(now: DateTime<Utc>) -> DateTime<Utc> {
    now.date_naive().and_time(chrono::NaiveTime::MIN).and_utc()
}
