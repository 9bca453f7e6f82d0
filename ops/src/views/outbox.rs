//! The outbox: what waits for the relay, and what is known of one job there.

use celeriac_queue::JobId;
use chrono::{DateTime, Utc};
use serde::Serialize;
use sqlx::PgPool;

/// How far the outbox is behind.
#[derive(Debug, Clone, Copy, Default, Serialize)]
pub(crate) struct Backlog {
    /// Rows that the relay has not given to Redis yet.
    pub(crate) unrelayed: i64,
    pub(crate) oldest_unrelayed_seconds: Option<f64>,
    /// Rows given to Redis whose end no worker has confirmed.
    pub(crate) unconfirmed: i64,
    /// Rows of the last 24 hours that gave way to a job with their unique key.
    pub(crate) duplicates: i64,
}

/// A job's row in the outbox.
#[derive(Debug, Clone, Serialize)]
pub(crate) struct OutboxRow {
    pub(crate) id: String,
    pub(crate) job: String,
    pub(crate) queue: Option<String>,
    pub(crate) origin: String,
    pub(crate) created_at: DateTime<Utc>,
    pub(crate) run_at: Option<DateTime<Utc>>,
    pub(crate) relayed_at: Option<DateTime<Utc>>,
    pub(crate) done_at: Option<DateTime<Utc>>,
    pub(crate) outcome: Option<String>,
    pub(crate) error: Option<String>,
    pub(crate) key: Option<String>,
    pub(crate) unique_key: Option<String>,
    /// The job that had the unique key: this row was not enqueued.
    pub(crate) duplicate_of: Option<String>,
}

/// # Errors
/// When PostgreSQL does not answer.
pub(crate) async fn backlog(pool: &PgPool) -> sqlx::Result<Backlog> {
    let row = sqlx::query_as!(
        Backlog,
        r#"select (select count(*) from celeriac.outbox where relayed_at is null and done_at is null) as "unrelayed!",
                  (select extract(epoch from now() - min(created_at))::float8 from celeriac.outbox
                   where relayed_at is null and done_at is null) as oldest_unrelayed_seconds,
                  (select count(*) from celeriac.outbox where relayed_at is not null and done_at is null) as "unconfirmed!",
                  (select count(*) from celeriac.outbox where outcome = 'duplicate' and done_at > now() - interval '24 hours') as "duplicates!""#
    );
    row.fetch_one(pool).await
}

/// # Errors
/// When PostgreSQL does not answer.
pub(crate) async fn find(pool: &PgPool, id: &JobId) -> sqlx::Result<Option<OutboxRow>> {
    let row = sqlx::query_as!(
        OutboxRow,
        "select id, job, queue, origin, created_at, run_at, relayed_at, done_at, outcome, error, key, unique_key, duplicate_of
         from celeriac.outbox where id = $1",
        id.as_str()
    );
    row.fetch_optional(pool).await
}

impl OutboxRow {
    /// Where it is, when Redis does not know it.
    pub(crate) fn state(&self) -> &str {
        match (&self.outcome, self.relayed_at) {
            (Some(outcome), _) => outcome,
            (None, Some(_)) => "relayed",
            (None, None) => "in outbox",
        }
    }
}
