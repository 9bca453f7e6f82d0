//! `backup_database` and `verify_backup`: an encrypted dump in object storage, and the proof that it can be restored.
//!
//! ```text
//!  backup_database:  one snapshot ─┬─▶ rows per table ─────────────────────────────────┐
//!                                  └─▶ pg_dump ─▶ age ─▶ sha256, bytes ─▶ object ──────┴─▶ catalogue: stored ─▶ retention
//!  verify_backup:    object ─▶ sha256, bytes ─▶ age ─▶ pg_restore ─▶ scratch database ─▶ rows per table agree ─▶ catalogue
//! ```
//!
//! Everything is streamed: memory does not grow with the database. The database that is served is only read.

use std::time::Duration;

use celeriac_queue::{Backoff, Policy};
use serde::{Deserialize, Serialize};

use crate::queues;

#[cfg(feature = "handlers")]
mod address;
#[cfg(feature = "handlers")]
mod back_up;
#[cfg(feature = "handlers")]
mod catalogue;
#[cfg(feature = "handlers")]
mod child;
#[cfg(feature = "handlers")]
mod dump;
#[cfg(all(feature = "handlers", any(test, fuzzing)))]
pub(crate) mod fuzzing;
#[cfg(feature = "handlers")]
mod job;
#[cfg(feature = "handlers")]
mod programs;
mod report;
#[cfg(feature = "handlers")]
mod restore;
#[cfg(feature = "handlers")]
mod retention;
#[cfg(feature = "handlers")]
mod scratch;
#[cfg(feature = "handlers")]
mod settings;
#[cfg(feature = "handlers")]
mod snapshot;
#[cfg(feature = "handlers")]
mod store;
#[cfg(feature = "handlers")]
mod tables;
#[cfg(feature = "handlers")]
mod verify;

#[cfg(feature = "handlers")]
pub use back_up::BackupError;
pub use report::{BackedUp, Verified};
#[cfg(feature = "handlers")]
pub use settings::Backups;
#[cfg(feature = "handlers")]
pub use verify::VerifyError;

/// Wire name of [`BackupDatabase`].
pub const BACKUP_NAME: &str = "backup_database";

/// Wire name of [`VerifyBackup`].
pub const VERIFY_NAME: &str = "verify_backup";

#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct BackupDatabase {
    /// Checks the settings and the programs, lists what would be deleted, and changes nothing.
    #[serde(default)]
    pub dry_run: bool,
}

#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct VerifyBackup {
    /// The newest stored one when missing.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub backup_id: Option<i64>,
    /// Says which backup would be restored, and changes nothing.
    #[serde(default)]
    pub dry_run: bool,
}

/// Few attempts, as each may take hours and the next night brings another.
pub fn policy() -> Policy {
    Policy {
        queue: queues::maintenance(),
        max_attempts: 3,
        backoff: Backoff { base: Duration::from_secs(5 * 60), ..Backoff::default() },
        time_limit: Duration::from_secs(6 * 60 * 60),
        ..Policy::default()
    }
}
