//! Where the time of documents goes, and who read their pages: those that completed since a moment, by job.

use chrono::{DateTime, Utc};
use sqlx::PgPool;

/// Upper bounds of the buckets, seconds.
pub(crate) const BUCKETS: [f64; 10] = [0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 5.0, 15.0, 60.0, 300.0];

/// Documents that spent about the same time in a stage.
#[derive(Debug, Clone)]
pub(crate) struct StageBucket {
    /// Wire name.
    pub(crate) job: String,
    /// `opening`, `reading`, `recognizing`, `asking`, …
    pub(crate) stage: String,
    pub(crate) documents: i64,
    /// Their mean, which is in the bucket that they are in.
    pub(crate) seconds: f64,
}

/// Counted by PostgreSQL, so that a day of many documents is as few rows as one of few.
///
/// # Errors
/// When PostgreSQL does not answer.
pub(crate) async fn buckets(pool: &PgPool, since: DateTime<Utc>) -> sqlx::Result<Vec<StageBucket>> {
    sqlx::query_as!(
        StageBucket,
        r#"with completed as (
             select 'process_document' as job, stage_ms from celeriac.documents where completed_at >= $1 and status = 'completed'
             union all
             select 'decode_denial_letter', stage_ms from celeriac.denial_letters where completed_at >= $1 and status = 'completed'),
           spent as (select job, key as stage, value::float8 / 1000 as seconds from completed, jsonb_each_text(stage_ms)),
           -- The first bound that is not below it; the array is in rising order.
           placed as (select job, stage, seconds, (select count(*) from unnest($2::float8[]) bound where bound < seconds) as bucket from spent)
           select job as "job!", stage as "stage!", count(*) as "documents!", avg(seconds) as "seconds!"
           from placed group by job, stage, bucket order by job, stage, bucket"#,
        since,
        &BUCKETS
    )
    .fetch_all(pool)
    .await
}

/// Pages by who read them.
#[derive(Debug, Clone)]
pub(crate) struct PageCount {
    pub(crate) job: String,
    /// `native`, `tesseract`, `vision`, `blank`, `left_out` or `failed`.
    pub(crate) source: String,
    pub(crate) pages: i64,
}

/// # Errors
/// When PostgreSQL does not answer.
pub(crate) async fn pages(pool: &PgPool, since: DateTime<Utc>) -> sqlx::Result<Vec<PageCount>> {
    sqlx::query_as!(
        PageCount,
        r#"with completed as (
             select 'process_document' as job, 'document' as subject, id from celeriac.documents where completed_at >= $1 and status = 'completed'
             union all
             select 'decode_denial_letter', 'denial_letter', document_id from celeriac.denial_letters
             where completed_at >= $1 and status = 'completed')
           select job as "job!", source, count(*) as "pages!"
           from completed join celeriac.document_pages on subject_kind = subject and document_id = id group by job, source"#,
        since
    )
    .fetch_all(pool)
    .await
}
