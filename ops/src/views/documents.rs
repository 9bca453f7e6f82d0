//! How documents fare: those under way, those that ended of late, and the pages of one.

use std::collections::BTreeMap;
use std::time::Duration;

use celeriac_process::Settings;
use chrono::{DateTime, Utc};
use serde::Serialize;
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

/// Which documents to list.
#[derive(Debug, Clone)]
pub(crate) struct Which {
    /// One of [`STATUSES`].
    pub(crate) status: Option<String>,
    pub(crate) user_id: Option<i64>,
    /// Of those that ended, only the ones since.
    pub(crate) since: DateTime<Utc>,
    pub(crate) limit: i64,
}

/// A document in a list. The name that its user gave it is left out: it may tell what is in it.
#[derive(Debug, Clone, Serialize)]
pub(crate) struct ListedDocument {
    pub(crate) id: i64,
    pub(crate) user_id: i64,
    pub(crate) status: String,
    /// For its user; of an attempt that will be repeated while the status is not failed.
    pub(crate) error_message: Option<String>,
    /// Known when it is completed.
    pub(crate) page_count: Option<i32>,
    pub(crate) pages_missing: i32,
    pub(crate) strategy: Option<String>,
    pub(crate) ai_tokens_used: Option<i32>,
    pub(crate) processing_ms: Option<i64>,
    pub(crate) created_at: DateTime<Utc>,
    pub(crate) completed_at: Option<DateTime<Utc>>,
}

impl ListedDocument {
    /// As in `3` or `3, 1 not read`.
    pub(crate) fn pages_text(&self) -> Option<String> {
        let count = self.page_count?;
        Some(if self.pages_missing > 0 { format!("{count}, {} not read", self.pages_missing) } else { count.to_string() })
    }
}

/// Those in motion first, the newest first; then those that ended, the latest first. Deleted ones are left out. Through an index,
/// however long the table.
///
/// # Errors
/// When PostgreSQL does not answer.
pub(crate) async fn list(pool: &PgPool, which: &Which) -> sqlx::Result<Vec<ListedDocument>> {
    let rows = sqlx::query_as!(
        ListedDocument,
        r#"with listed as (
               (select id from celeriac.documents
                where status in ('uploading', 'processing', 'analyzing') and ($1::text is null or status = $1)
                  and ($2::bigint is null or user_id = $2) and deleted_at is null
                order by created_at desc limit $4)
               union all
               (select id from celeriac.documents
                where status in ('completed', 'failed') and completed_at >= $3 and ($1::text is null or status = $1)
                  and ($2::bigint is null or user_id = $2) and deleted_at is null
                order by completed_at desc limit $4)
           )
           select id as "id!", user_id as "user_id!", status as "status!", error_message, page_count, pages_missing as "pages_missing!",
                  strategy, ai_tokens_used, processing_ms, created_at as "created_at!", completed_at
           from celeriac.documents where id in (select id from listed)
           order by status in ('completed', 'failed'), completed_at desc, created_at desc, id desc limit $4"#,
        which.status.as_deref(),
        which.user_id,
        which.since,
        which.limit
    );
    rows.fetch_all(pool).await
}

/// How one page was read.
#[derive(Debug, Clone, Serialize)]
pub(crate) struct PageRow {
    pub(crate) page: i32,
    /// native, tesseract, vision, blank, left_out or failed.
    pub(crate) source: String,
    pub(crate) characters: i32,
    /// Percent, by tesseract.
    pub(crate) confidence: Option<f32>,
    /// Why it was not read.
    pub(crate) problem: Option<String>,
}

/// The pages of a document, as far as they were read by process_document.
///
/// # Errors
/// When PostgreSQL does not answer.
pub(crate) async fn pages(pool: &PgPool, id: i64) -> sqlx::Result<Vec<PageRow>> {
    let rows = sqlx::query_as!(
        PageRow,
        "select page, source, characters, confidence, problem from celeriac.document_pages
         where subject_kind = 'document' and document_id = $1 order by page",
        id
    );
    rows.fetch_all(pool).await
}

/// What process_document has paid for a document, USD; absent when nothing was.
///
/// # Errors
/// When PostgreSQL does not answer.
pub(crate) async fn cost_usd(pool: &PgPool, id: i64) -> sqlx::Result<Option<f64>> {
    let sum = sqlx::query_scalar!(
        "select sum(answer.cost_usd)::float8 from celeriac.paid_calls call join celeriac.paid_answers answer on answer.call_id = call.id
         where call.subject_kind = 'document' and call.subject_id = $1",
        id
    );
    sum.fetch_one(pool).await
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
