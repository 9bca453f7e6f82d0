//! Batches of questions to the model, and the questions that wait for one.

use chrono::{DateTime, Utc};
use serde::Serialize;
use sqlx::PgPool;

#[derive(Debug, Clone, Serialize)]
pub(crate) struct BatchRow {
    pub(crate) id: i64,
    pub(crate) model: String,
    /// `gathered`, `running`, `ended` or `cleaned`.
    pub(crate) state: String,
    /// As the provider calls it.
    pub(crate) provider_status: Option<String>,
    pub(crate) provider_id: Option<String>,
    pub(crate) questions: i32,
    pub(crate) answered: i64,
    /// Asked directly instead, or withdrawn.
    pub(crate) not_answered: i64,
    pub(crate) created_at: DateTime<Utc>,
    pub(crate) ended_at: Option<DateTime<Utc>>,
    pub(crate) error: Option<String>,
}

/// Newest first.
///
/// # Errors
/// When PostgreSQL does not answer.
pub(crate) async fn newest(pool: &PgPool, limit: i64) -> sqlx::Result<Vec<BatchRow>> {
    sqlx::query_as!(
        BatchRow,
        r#"select b.id, b.model, b.state, b.provider_status, b.provider_id, b.lines as questions,
                  count(q.id) filter (where q.state = 'answered') as "answered!",
                  count(q.id) filter (where q.state in ('failed', 'withdrawn')) as "not_answered!", b.created_at, b.ended_at, b.error
           from celeriac.openai_batches b left join celeriac.batched_questions q on q.batch_id = b.id
           group by b.id order by b.id desc limit $1"#,
        limit
    )
    .fetch_all(pool)
    .await
}

/// What is on its way.
#[derive(Debug, Clone, Default, Serialize)]
pub(crate) struct UnderWay {
    /// Questions that wait for a batch.
    pub(crate) waiting: i64,
    pub(crate) oldest_waiting_seconds: f64,
    /// Questions in batches that have not ended.
    pub(crate) sent: i64,
    /// Batches of which something is still to be done.
    pub(crate) batches: i64,
    pub(crate) oldest_batch_seconds: f64,
    /// Why the last step of one of them did not succeed.
    pub(crate) trouble: Option<String>,
}

/// # Errors
/// When PostgreSQL does not answer.
pub(crate) async fn under_way(pool: &PgPool) -> sqlx::Result<UnderWay> {
    sqlx::query_as!(
        UnderWay,
        r#"select count(*) filter (where state = 'waiting') as "waiting!", count(*) filter (where state = 'sent') as "sent!",
                  coalesce(extract(epoch from now() - min(created_at) filter (where state = 'waiting')), 0)::float8 as "oldest_waiting_seconds!",
                  (select count(*) from celeriac.openai_batches where state <> 'cleaned') as "batches!",
                  (select coalesce(extract(epoch from now() - min(created_at)), 0)::float8 from celeriac.openai_batches where state <> 'cleaned')
                    as "oldest_batch_seconds!",
                  (select error from celeriac.openai_batches where state <> 'cleaned' and error is not null order by id limit 1) as trouble
           from celeriac.batched_questions where state in ('waiting', 'sent')"#
    )
    .fetch_one(pool)
    .await
}
