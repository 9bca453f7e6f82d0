//! The catalogue of backups.

use chrono::{DateTime, Utc};
use serde::Serialize;
use sqlx::PgPool;

#[derive(Debug, Clone, Serialize)]
pub(crate) struct BackupRow {
    pub(crate) id: i64,
    pub(crate) kind: String,
    pub(crate) state: String,
    pub(crate) object_key: String,
    pub(crate) bytes: Option<i64>,
    pub(crate) sha256: Option<String>,
    pub(crate) server_version: Option<String>,
    pub(crate) started_at: DateTime<Utc>,
    pub(crate) stored_at: Option<DateTime<Utc>>,
    pub(crate) keep_until: Option<DateTime<Utc>>,
    /// When a restore into a scratch database last agreed with it.
    pub(crate) verified_at: Option<DateTime<Utc>>,
    pub(crate) verify_ms: Option<i64>,
    pub(crate) verify_error: Option<String>,
    pub(crate) error: Option<String>,
}

/// The newest stored backup and the newest that was proved restorable.
#[derive(Debug, Clone, Default)]
pub(crate) struct Newest {
    pub(crate) stored_at: Option<DateTime<Utc>>,
    pub(crate) proved_at: Option<DateTime<Utc>>,
    /// Why the last try failed, when it came after the newest stored one.
    pub(crate) failed_since: Option<String>,
}

/// Backups, newest first.
///
/// # Errors
/// When PostgreSQL does not answer.
pub(crate) async fn list(pool: &PgPool, limit: i64) -> sqlx::Result<Vec<BackupRow>> {
    let rows = sqlx::query_as!(
        BackupRow,
        "select id, kind, state, object_key, bytes, sha256, server_version, started_at, stored_at, keep_until, verified_at, verify_ms,
                verify_error, error
         from celeriac.backups order by started_at desc, id desc limit $1",
        limit
    );
    rows.fetch_all(pool).await
}

/// # Errors
/// When PostgreSQL does not answer.
pub(crate) async fn newest(pool: &PgPool) -> sqlx::Result<Newest> {
    let stored_at = sqlx::query_scalar!(
        r#"select stored_at as "stored_at!" from celeriac.backups where state = 'stored' order by started_at desc limit 1"#
    );
    let proved_at = sqlx::query_scalar!(
        r#"select stored_at as "stored_at!" from celeriac.backups
           where state = 'stored' and verified_at is not null and verify_error is null order by started_at desc limit 1"#
    );
    let last =
        sqlx::query!("select state, error, verify_error from celeriac.backups where state <> 'deleted' order by started_at desc limit 1");
    let last = last.fetch_optional(pool).await?;
    Ok(Newest {
        stored_at: stored_at.fetch_optional(pool).await?,
        proved_at: proved_at.fetch_optional(pool).await?,
        failed_since: last.and_then(|row| match row.state.as_str() {
            "failed" => Some(row.error.unwrap_or_else(|| "it failed without a reason".into())),
            _ => row.verify_error.map(|error| format!("it could not be restored: {error}")),
        }),
    })
}
