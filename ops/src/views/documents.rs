//! How documents fare: those under way, and those that ended of late.

use std::collections::BTreeMap;

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

/// The start of today, UTC.
pub(crate) fn today(now: DateTime<Utc>) -> DateTime<Utc> {
    now.date_naive().and_time(chrono::NaiveTime::MIN).and_utc()
}
