//! The steps of `verify_backup`.

use std::time::Instant;

use anyhow::Context;

use super::back_up::server_version;
use super::catalogue::{self, Stored};
use super::programs::Programs;
use super::report::Verified;
use super::restore::{RestoreError, restore};
use super::scratch::{self, Scratch};
use super::settings::Backups;
use super::store::Store;
use super::tables::{difference, row_counts};
use crate::exclusive::{Duty, exclusively};

/// Why there is no proof.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum VerifyError {
    /// Two at once are not allowed.
    #[error("another run of verify_backup is at work")]
    Busy,
    /// There is nothing to verify, or a setting is missing; no attempt will help before a person has acted.
    #[error("{0:#}")]
    NotAllowed(anyhow::Error),
    /// This backup would not bring the database back. The catalogue says so too.
    #[error("backup {backup_id} is not restorable: {reason}")]
    Broken { backup_id: i64, reason: String },
    /// It could not be found out.
    #[error("{0:#}")]
    Failed(#[from] anyhow::Error),
}

/// What is checked before anything is done.
struct Ready {
    store: Store,
    identity: age::x25519::Identity,
    programs: Programs,
    backup: Stored,
}

impl Backups {
    /// Restores a backup into a scratch database and compares the rows of every table with those counted when it was made. `backup_id`:
    /// `None` for the newest.
    pub async fn verify(&self, backup_id: Option<i64>, dry_run: bool) -> Result<Verified, VerifyError> {
        let ready = self.ready_to_verify(backup_id).await?;
        let backup = &ready.backup;
        let report = Verified {
            dry_run,
            backup_id: backup.id,
            object_key: backup.object_key.clone(),
            bytes: backup.bytes.unsigned_abs(),
            tables: backup.row_counts.len(),
            rows: backup.row_counts.values().sum(),
            verify_ms: 0,
        };
        if dry_run {
            return Ok(report);
        }
        let proved = exclusively(&self.pool, Duty::VerifyBackup, self.verify_alone(&ready)).await;
        let verify_ms = proved.context("take the lock of the verification")?.ok_or(VerifyError::Busy)??;
        Ok(Verified { verify_ms, ..report })
    }

    /// Returns how long the proof took.
    async fn verify_alone(&self, ready: &Ready) -> Result<i64, VerifyError> {
        let backup_id = ready.backup.id;
        scratch::sweep(&self.pool).await?;
        let started = Instant::now();
        let proof = self.prove(ready).await;
        let verify_ms = i64::try_from(started.elapsed().as_millis()).unwrap_or(i64::MAX);
        match proof {
            Ok(()) => {
                catalogue::verified(&self.pool, backup_id, verify_ms).await.context("write the proof down")?;
                tracing::info!(backup.id = backup_id, duration_ms = verify_ms, "a backup was restored and agrees");
                Ok(verify_ms)
            }
            Err(RestoreError::Broken(reason)) => {
                catalogue::not_verified(&self.pool, backup_id, verify_ms, &reason).await.context("write the failure down")?;
                Err(VerifyError::Broken { backup_id, reason })
            }
            Err(RestoreError::Failed(error)) => Err(VerifyError::Failed(error)),
        }
    }

    async fn ready_to_verify(&self, backup_id: Option<i64>) -> Result<Ready, VerifyError> {
        let server = server_version(&self.pool).await?;
        let backup = catalogue::stored(&self.pool, backup_id).await.context("read the catalogue")?;
        let checked = async {
            let backup = backup.with_context(|| match backup_id {
                Some(id) => format!("there is no stored backup {id}: `celeriac backup list` shows those there are"),
                None => "there is no stored backup yet: run backup_database first".to_owned(),
            })?;
            anyhow::Ok((self.store()?, self.identity()?, self.places.find(&server).await?, backup))
        };
        let (store, identity, programs, backup) = checked.await.map_err(VerifyError::NotAllowed)?;
        Ok(Ready { store, identity, programs, backup })
    }

    async fn prove(&self, ready: &Ready) -> Result<(), RestoreError> {
        check_object(&ready.store, &ready.backup).await?;
        let scratch = Scratch::create(&self.pool, self.address.user()).await?;
        let restored = self.restore_and_compare(ready, &scratch).await;
        scratch.drop_it().await?;
        restored
    }

    async fn restore_and_compare(&self, ready: &Ready, scratch: &Scratch) -> Result<(), RestoreError> {
        let address = self.address.with_database(&scratch.name);
        restore(&ready.programs, &address, &ready.identity, &ready.store, &ready.backup.object_key).await?;
        let restored = row_counts(&mut scratch.connect().await?).await.context("count the restored rows")?;
        match difference(&ready.backup.row_counts, &restored) {
            None => Ok(()),
            Some(difference) => Err(RestoreError::Broken(format!("the restored rows are not those backed up: {difference}"))),
        }
    }
}

/// Whether the object is the one that was stored, byte for byte.
async fn check_object(store: &Store, backup: &Stored) -> Result<(), RestoreError> {
    let expected = backup.digested();
    let Some(size) = store.size(&backup.object_key).await? else {
        return Err(RestoreError::Broken(format!("its file {} is missing", backup.object_key)));
    };
    if size != expected.bytes {
        let what = if size < expected.bytes { "was cut short" } else { "has grown" };
        return Err(RestoreError::Broken(format!("its file {what}: it has {size} bytes of {}", expected.bytes)));
    }
    if store.digest(&backup.object_key).await? != expected {
        return Err(RestoreError::Broken("its file was changed since it was stored: the SHA-256 digest is another one".into()));
    }
    Ok(())
}
