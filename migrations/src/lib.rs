//! The SQL schema of Celeriac, embedded in every binary that needs it: apply, undo, list, check.
//!
//! All of it lives in the PostgreSQL schema `celeriac`, the migration ledger included, so that it shares a database with a web app.

use std::collections::BTreeMap;
use std::sync::LazyLock;

use chrono::{DateTime, Utc};
use serde::Serialize;
use sqlx::PgPool;
use sqlx::migrate::{MigrateError, Migrator};

/// Every migration, in order.
pub static MIGRATOR: LazyLock<Migrator> = LazyLock::new(|| {
    let mut migrator = sqlx::migrate!("./sql");
    migrator.create_schema("celeriac");
    migrator.dangerous_set_table_name("celeriac._sqlx_migrations");
    // After a rollback to an older release the database is ahead; that is no reason to refuse.
    migrator.set_ignore_missing(true);
    migrator
});

#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum Error {
    #[error("PostgreSQL: {0}")]
    Sql(#[from] sqlx::Error),
    #[error("the migration failed: {0}")]
    Migrate(#[from] MigrateError),
    /// This binary expects migrations that the database does not have.
    #[error("the database is {missing} migrations behind this version: run `celeriac migrate up` before starting it")]
    Behind { missing: usize },
}

/// One migration, as `celeriac migrate status` shows it.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Status {
    pub version: i64,
    pub description: String,
    /// `None`: not applied.
    pub applied_at: Option<DateTime<Utc>>,
    /// False: the database has it, this binary does not (an older binary after a rollback).
    pub known: bool,
}

/// Applies what is missing. Two at once wait for each other. Returns the versions applied.
pub async fn up(pool: &PgPool) -> Result<Vec<i64>, Error> {
    let before = applied(pool).await?;
    MIGRATOR.run(pool).await?;
    Ok(applied(pool).await?.into_keys().filter(|version| !before.contains_key(version)).collect())
}

/// Undoes the last `count` applied migrations. Returns the versions undone, newest first.
pub async fn down(pool: &PgPool, count: usize) -> Result<Vec<i64>, Error> {
    let before: Vec<i64> = applied(pool).await?.into_keys().collect();
    // `undo` keeps everything up to a version and undoes what is above it.
    let keep = before.len().saturating_sub(count);
    let target = if keep == 0 { 0 } else { before[keep - 1] };
    MIGRATOR.undo(pool, target).await?;
    Ok(before[keep..].iter().rev().copied().collect())
}

/// Every migration that this binary or the database knows, in order.
pub async fn status(pool: &PgPool) -> Result<Vec<Status>, Error> {
    let applied = applied(pool).await?;
    let known = MIGRATOR.iter().filter(|migration| migration.migration_type.is_up_migration());
    let mut all: BTreeMap<i64, Status> = known
        .map(|migration| {
            let applied_at = applied.get(&migration.version).map(|(_, at)| *at);
            (
                migration.version,
                Status { version: migration.version, description: migration.description.to_string(), applied_at, known: true },
            )
        })
        .collect();
    for (version, (description, at)) in applied {
        all.entry(version).or_insert(Status { version, description, applied_at: Some(at), known: false });
    }
    Ok(all.into_values().collect())
}

/// Whether this binary can work with the database. A database that is ahead is fine: migrations suit the version still running.
///
/// # Errors
/// [`Error::Behind`] when migrations are missing.
pub async fn check(pool: &PgPool) -> Result<(), Error> {
    match status(pool).await?.iter().filter(|status| status.applied_at.is_none()).count() {
        0 => Ok(()),
        missing => Err(Error::Behind { missing }),
    }
}

/// Version → description and moment. Empty before the first `up`.
async fn applied(pool: &PgPool) -> Result<BTreeMap<i64, (String, DateTime<Utc>)>, Error> {
    let ledger: Option<String> = sqlx::query_scalar("select to_regclass('celeriac._sqlx_migrations')::text").fetch_one(pool).await?;
    if ledger.is_none() {
        return Ok(BTreeMap::new());
    }
    let rows: Vec<(i64, String, DateTime<Utc>)> =
        sqlx::query_as("select version, description, installed_on from celeriac._sqlx_migrations where success order by version")
            .fetch_all(pool)
            .await?;
    Ok(rows.into_iter().map(|(version, description, at)| (version, (description, at))).collect())
}
