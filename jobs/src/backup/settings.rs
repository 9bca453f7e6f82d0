//! What both jobs need, checked when a run needs it: a worker without backups starts without these settings.

use std::path::PathBuf;
use std::time::Duration;

use age::x25519;
use anyhow::{Context, anyhow};
use celeriac_process::Settings;
use secrecy::{ExposeSecret, SecretString};
use sqlx::PgPool;

use super::address::Address;
use super::programs::Places;
use super::store::Store;

/// The state of both jobs.
#[derive(Debug, Clone)]
pub struct Backups {
    /// Of the database to back up.
    pub(super) pool: PgPool,
    pub(super) address: Address,
    pub(super) places: Places,
    folder: Option<PathBuf>,
    recipient: Option<String>,
    identity: Option<SecretString>,
    pub(super) keep: Duration,
}

impl Backups {
    /// `pool` is of the database that DATABASE_URL names.
    ///
    /// # Errors
    /// When DATABASE_URL cannot be read. What only a backup needs is checked by its run.
    pub fn from_settings(settings: &Settings, pool: PgPool) -> anyhow::Result<Self> {
        Ok(Self {
            pool,
            address: Address::parse(settings.text("DATABASE_URL")).context("DATABASE_URL cannot be used")?,
            places: Places::new(settings.maybe_path("PG_BIN")),
            folder: settings.maybe_path("BACKUP_DIR"),
            recipient: settings.maybe("BACKUP_RECIPIENT").map(str::to_owned),
            identity: settings.maybe_secret("BACKUP_IDENTITY"),
            keep: settings.duration("BACKUP_KEEP"),
        })
    }

    pub(super) fn store(&self) -> anyhow::Result<Store> {
        let folder = self.folder.as_deref().ok_or_else(|| {
            anyhow!("BACKUP_DIR is not set: set it to the folder that keeps the backups, for example BACKUP_DIR=/srv/backups")
        })?;
        Store::open(folder)
    }

    pub(super) fn recipient(&self) -> anyhow::Result<x25519::Recipient> {
        let text = self.recipient.as_deref().ok_or_else(|| {
            anyhow!("BACKUP_RECIPIENT is not set, and backups are never stored in the clear: set it to an age public key (`age-keygen` makes one)")
        })?;
        text.trim()
            .parse()
            .map_err(|_| anyhow!("BACKUP_RECIPIENT is not an age public key: it must begin with age1, as `age-keygen` prints it"))
    }

    pub(super) fn identity(&self) -> anyhow::Result<x25519::Identity> {
        let text = self.identity.as_ref().ok_or_else(|| {
            anyhow!("BACKUP_IDENTITY is not set, and without it no backup can be opened: set it to the secret key of BACKUP_RECIPIENT")
        })?;
        let parsed = text.expose_secret().trim().parse();
        parsed.map_err(|_| {
            anyhow!("BACKUP_IDENTITY is not an age secret key: it must begin with AGE-SECRET-KEY-1, as `age-keygen` writes it")
        })
    }
}
