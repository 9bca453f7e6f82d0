//! The steps of `backup_database`.

use anyhow::{Context, anyhow};
use sqlx::PgPool;

use super::catalogue::{self, Begun};
use super::programs::{Programs, Version};
use super::report::BackedUp;
use super::settings::Backups;
use super::snapshot::Snapshot;
use super::store::{Digested, Store};
use super::tables::RowCounts;
use super::{dump, retention};
use crate::exclusive::{Duty, exclusively};

/// Why there is no new backup.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum BackupError {
    /// Two at once are not allowed.
    #[error("another run of backup_database is at work")]
    Busy,
    /// A setting or a program is missing or wrong; no attempt will help before a person has changed it.
    #[error("{0:#}")]
    NotAllowed(anyhow::Error),
    #[error("{0:#}")]
    Failed(#[from] anyhow::Error),
}

/// What is checked before anything is done.
struct Ready {
    store: Store,
    recipient: age::x25519::Recipient,
    programs: Programs,
    server: Version,
}

impl Backups {
    /// Makes a backup, stores it and deletes what is past its time. Called again by the same job, returns what it made before.
    pub async fn back_up(&self, job_id: &str, dry_run: bool) -> Result<BackedUp, BackupError> {
        let ready = self.ready().await?;
        if dry_run {
            let deleted = retention::old(&self.pool).await?;
            return Ok(BackedUp { dry_run, deleted, ..ready.report() });
        }
        let done =
            exclusively(&self.pool, Duty::Backup, self.back_up_alone(&ready, job_id)).await.context("take the lock of the backup")?;
        done.ok_or(BackupError::Busy)?
    }

    async fn back_up_alone(&self, ready: &Ready, job_id: &str) -> Result<BackedUp, BackupError> {
        let swept = retention::sweep(&self.pool, &ready.store, None, "its run ended before it was finished").await?;
        let stored = match catalogue::stored_by(&self.pool, job_id).await.context("read the catalogue")? {
            Some(stored) => stored,
            None => self.make(ready, job_id).await?,
        };
        let deleted = retention::delete_old(&self.pool, &ready.store).await?;
        tracing::info!(backup.id = stored.id, bytes = stored.bytes, deleted = deleted.len(), "the database is backed up");
        Ok(BackedUp {
            backup_id: Some(stored.id),
            object_key: Some(stored.object_key),
            bytes: stored.bytes.unsigned_abs(),
            sha256: Some(stored.sha256),
            tables: stored.row_counts.len(),
            rows: stored.row_counts.values().sum(),
            deleted,
            swept,
            ..ready.report()
        })
    }

    async fn ready(&self) -> Result<Ready, BackupError> {
        let server = server_version(&self.pool).await?;
        let checked = async {
            let (store, recipient) = (self.store()?, self.recipient()?);
            anyhow::Ok((store, recipient, self.places.find(&server).await?))
        };
        let (store, recipient, programs) = checked.await.map_err(BackupError::NotAllowed)?;
        Ok(Ready { store, recipient, programs, server })
    }

    async fn make(&self, ready: &Ready, job_id: &str) -> Result<catalogue::Stored, BackupError> {
        let begun = catalogue::begin(&self.pool, job_id).await.context("begin a row of the catalogue")?;
        match self.fill(ready, &begun).await {
            Ok((digested, row_counts)) => Ok(catalogue::Stored {
                id: begun.id,
                object_key: begun.object_key,
                bytes: i64::try_from(digested.bytes).expect("below eight exabytes"),
                sha256: digested.sha256,
                row_counts: sqlx::types::Json(row_counts),
            }),
            Err(error) => {
                ready.store.remove(&begun.object_key).await?;
                catalogue::fail(&self.pool, begun.id, &format!("{error:#}")).await.context("write the failure down")?;
                Err(BackupError::Failed(error))
            }
        }
    }

    async fn fill(&self, ready: &Ready, begun: &Begun) -> anyhow::Result<(Digested, RowCounts)> {
        let snapshot = Snapshot::take(&self.pool).await.context("take a snapshot of the database")?;
        let digested = dump::dump(&ready.programs, &self.address, &snapshot, &ready.recipient, &ready.store, &begun.object_key).await?;
        let row_counts = snapshot.close().await.context("end the snapshot")?;
        let stored = catalogue::store(&self.pool, begun.id, &digested, &ready.server.to_string(), &row_counts, self.keep).await?;
        stored.then_some((digested, row_counts)).ok_or_else(|| anyhow!("another run has called this one dead"))
    }
}

impl Ready {
    fn report(&self) -> BackedUp {
        BackedUp {
            server: format!("PostgreSQL {}", self.server),
            pg_dump: format!("{} ({})", self.programs.pg_dump().display(), self.programs.version),
            ..BackedUp::default()
        }
    }
}

pub(super) async fn server_version(pool: &PgPool) -> anyhow::Result<Version> {
    let text = sqlx::query_scalar!(r#"select current_setting('server_version') as "version!""#).fetch_one(pool).await;
    let text = text.context("ask the server for its version")?;
    Version::find(&text).with_context(|| format!("the server calls its version \"{text}\""))
}
