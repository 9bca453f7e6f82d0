//! What the two jobs answer.

use serde::Serialize;

/// Output of `backup_database`.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize)]
pub struct BackedUp {
    pub dry_run: bool,
    /// In the catalogue `celeriac.backups`; `None` for a dry run.
    pub backup_id: Option<i64>,
    pub object_key: Option<String>,
    /// Of the encrypted object.
    pub bytes: u64,
    /// Of the encrypted object.
    pub sha256: Option<String>,
    pub tables: usize,
    pub rows: i64,
    /// As in `PostgreSQL 17.2`.
    pub server: String,
    /// The program that made the dump.
    pub pg_dump: String,
    /// Backups past their time that were deleted, or would be.
    pub deleted: Vec<i64>,
    /// Backups that a dead run had left unfinished, called failed now.
    pub swept: Vec<i64>,
}

/// Output of `verify_backup`.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize)]
pub struct Verified {
    pub dry_run: bool,
    pub backup_id: i64,
    pub object_key: String,
    pub bytes: u64,
    pub tables: usize,
    pub rows: i64,
    /// Time of the whole proof; 0 for a dry run.
    pub verify_ms: i64,
}
