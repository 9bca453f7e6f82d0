//! `purge_documents`: deletes for good what users deleted long ago, and analyses past their time.
//!
//! ```text
//!  deleted_at + DOCUMENT_PURGE_AFTER ─▶ taken (purge_begun_at) ─▶ file deleted ─▶ answers, mails, pages and row deleted
//! ```
//!
//! The file goes first: a row without a file is found again by the next run, a file without a row by nobody. Once taken, a document cannot
//! be taken back any more, so no living document is ever without its file. What was paid for a document stays counted.

use std::time::Duration;

use celeriac_queue::{Backoff, Policy};
use serde::{Deserialize, Serialize};

use crate::queues;

#[cfg(feature = "handlers")]
mod job;
#[cfg(feature = "handlers")]
mod rows;

#[cfg(feature = "handlers")]
pub use job::Purging;

/// Wire name of [`PurgeDocuments`].
pub const NAME: &str = "purge_documents";

/// Ids that a report lists, at most; the count is always whole.
pub const LISTED_MAX: usize = 100;

#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct PurgeDocuments {
    /// Lists what would be deleted and changes nothing.
    #[serde(default)]
    pub dry_run: bool,
}

/// A run that fails is tried again in the same night.
pub fn policy() -> Policy {
    Policy {
        queue: queues::maintenance(),
        max_attempts: 5,
        backoff: Backoff { base: Duration::from_secs(5 * 60), ..Backoff::default() },
        time_limit: Duration::from_secs(60 * 60),
        ..Policy::default()
    }
}

/// What a run did, or would do.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize)]
pub struct Purged {
    pub dry_run: bool,
    /// Deleted with their files.
    pub documents: u64,
    /// The first of them, at most [`LISTED_MAX`].
    pub listed: Vec<i64>,
    /// Analyses deleted for their age, of documents that stay.
    pub analyses: u64,
}
