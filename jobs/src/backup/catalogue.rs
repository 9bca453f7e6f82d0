//! The catalogue of backups, `celeriac.backups`.

use std::time::Duration;

use sqlx::PgPool;
use sqlx::types::Json;

use super::store::Digested;
use super::tables::RowCounts;

/// A backup begun.
#[derive(Debug, Clone)]
pub(super) struct Begun {
    pub(super) id: i64,
    pub(super) object_key: String,
}

/// A backup that lies in the store.
#[derive(Debug, Clone)]
pub(super) struct Stored {
    pub(super) id: i64,
    pub(super) object_key: String,
    pub(super) bytes: i64,
    pub(super) sha256: String,
    pub(super) row_counts: Json<RowCounts>,
}

impl Stored {
    pub(super) fn digested(&self) -> Digested {
        Digested { bytes: self.bytes.unsigned_abs(), sha256: self.sha256.clone() }
    }
}

/// Writes the row of a backup before anything is made of it. The random end keeps databases apart that share a store.
pub(super) async fn begin(pool: &PgPool, job_id: &str) -> sqlx::Result<Begun> {
    sqlx::query_as!(
        Begun,
        r#"insert into celeriac.backups (job_id, object_key)
           values ($1, 'database/' || to_char(now() at time zone 'utc', 'YYYY') || '/'
                       || to_char(now() at time zone 'utc', 'YYYYMMDD"T"HH24MISS"Z"') || '-' || left(gen_random_uuid()::text, 8) || '.dump.age')
           returning id, object_key"#,
        job_id
    )
    .fetch_one(pool)
    .await
}

/// False when another run has called this one dead meanwhile.
pub(super) async fn store(
    pool: &PgPool,
    id: i64,
    digested: &Digested,
    server_version: &str,
    row_counts: &RowCounts,
    keep: Duration,
) -> sqlx::Result<bool> {
    let stored = sqlx::query!(
        "update celeriac.backups
         set state = 'stored', bytes = $2, sha256 = $3, server_version = $4, row_counts = $5, stored_at = now(), error = null,
             keep_until = now() + make_interval(secs => $6)
         where id = $1 and state = 'running'",
        id,
        i64::try_from(digested.bytes).expect("below eight exabytes"),
        digested.sha256,
        server_version,
        Json(row_counts) as _,
        keep.as_secs_f64()
    )
    .execute(pool)
    .await?;
    Ok(stored.rows_affected() == 1)
}

pub(super) async fn fail(pool: &PgPool, id: i64, sentence: &str) -> sqlx::Result<()> {
    sqlx::query!("update celeriac.backups set state = 'failed', error = $2 where id = $1 and state = 'running'", id, sentence)
        .execute(pool)
        .await?;
    Ok(())
}

/// Backups that are being made, of that job only if one is given.
pub(super) async fn running(pool: &PgPool, job_id: Option<&str>) -> sqlx::Result<Vec<Begun>> {
    sqlx::query_as!(
        Begun,
        "select id, object_key from celeriac.backups
         where state = 'running' and ($1::text is null or job_id = $1) order by id",
        job_id
    )
    .fetch_all(pool)
    .await
}

/// What that job has stored: it was delivered again after its end.
pub(super) async fn stored_by(pool: &PgPool, job_id: &str) -> sqlx::Result<Option<Stored>> {
    sqlx::query_as!(
        Stored,
        r#"select id, object_key, bytes as "bytes!", sha256 as "sha256!", row_counts as "row_counts!: Json<RowCounts>"
           from celeriac.backups where job_id = $1 and state = 'stored' order by id desc limit 1"#,
        job_id
    )
    .fetch_optional(pool)
    .await
}

/// That backup, or the newest, if it is stored.
pub(super) async fn stored(pool: &PgPool, id: Option<i64>) -> sqlx::Result<Option<Stored>> {
    sqlx::query_as!(
        Stored,
        r#"select id, object_key, bytes as "bytes!", sha256 as "sha256!", row_counts as "row_counts!: Json<RowCounts>"
           from celeriac.backups where state = 'stored' and ($1::bigint is null or id = $1)
           order by stored_at desc, id desc limit 1"#,
        id
    )
    .fetch_optional(pool)
    .await
}

/// Backups past their time. Never the newest, and never the newest that was proved restorable: whatever fails from now on, a good one is
/// left.
pub(super) async fn past_their_time(pool: &PgPool, limit: i64) -> sqlx::Result<Vec<Begun>> {
    sqlx::query_as!(
        Begun,
        "select id, object_key from celeriac.backups
         where state = 'stored' and keep_until < now()
           and id <> (select id from celeriac.backups where state = 'stored' order by stored_at desc, id desc limit 1)
           and id is distinct from (select id from celeriac.backups
                                    where state = 'stored' and verified_at is not null and verify_error is null
                                    order by stored_at desc, id desc limit 1)
         order by stored_at limit $1",
        limit
    )
    .fetch_all(pool)
    .await
}

pub(super) async fn deleted(pool: &PgPool, id: i64) -> sqlx::Result<()> {
    sqlx::query!("update celeriac.backups set state = 'deleted', deleted_at = now() where id = $1 and state = 'stored'", id)
        .execute(pool)
        .await?;
    Ok(())
}

pub(super) async fn verified(pool: &PgPool, id: i64, verify_ms: i64) -> sqlx::Result<()> {
    sqlx::query!(
        "update celeriac.backups set verified_at = now(), verify_ms = $2, verify_error = null where id = $1 and state = 'stored'",
        id,
        verify_ms
    )
    .execute(pool)
    .await?;
    Ok(())
}

/// `verified_at` stays: it says when the last proof succeeded.
pub(super) async fn not_verified(pool: &PgPool, id: i64, verify_ms: i64, sentence: &str) -> sqlx::Result<()> {
    sqlx::query!(
        "update celeriac.backups set verify_ms = $2, verify_error = $3 where id = $1 and state = 'stored'",
        id,
        verify_ms,
        sentence
    )
    .execute(pool)
    .await?;
    Ok(())
}
