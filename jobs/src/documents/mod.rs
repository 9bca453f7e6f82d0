//! Jobs that study an uploaded document: read its pages, ask the model about them, and save the finding and the completion in one transaction.
//!
//! ```text
//!  begin ─▶ consent, limits ─▶ read the pages (child process) ─▶ recognize pictures ─▶ ask the model ─▶ save and complete
//!  processing ────────────────────────────────────────────────────────────────────▶ analyzing ─────▶ completed
//! ```
//!
//! Each step can be the last one a worker makes. The next run goes on where it stopped: recognized pages are stored, answered model calls are
//! not made again (see [`crate::ledger`]); a run that was overtaken by a newer one can write nothing (`fence`).
//!
//! What the jobs differ in is their `Study`: `process_document` here, `decode_denial_letter` in [`crate::denial_letters`].

use std::time::Duration;

use celeriac_queue::{Backoff, Policy};
use chrono::{DateTime, Utc};
use serde::{Deserialize, Serialize};

// What is read.
#[cfg(feature = "handlers")]
pub mod child;
#[cfg(feature = "handlers")]
mod inspect;
#[cfg(feature = "handlers")]
mod intake;
#[cfg(feature = "handlers")]
mod ocr;
#[cfg(feature = "handlers")]
mod ocr_words;
#[cfg(feature = "handlers")]
mod page;
#[cfg(feature = "handlers")]
mod pages;
#[cfg(feature = "handlers")]
mod reader;
#[cfg(feature = "handlers")]
mod reading_fault;
#[cfg(feature = "handlers")]
mod recognize;
// What is asked.
#[cfg(feature = "handlers")]
mod asking;
#[cfg(feature = "handlers")]
mod material;
#[cfg(feature = "handlers")]
pub(crate) mod prompts;
#[cfg(feature = "handlers")]
pub(crate) mod summary;
// What becomes of it.
#[cfg(feature = "handlers")]
mod describe;
#[cfg(feature = "handlers")]
pub(crate) mod ending;
#[cfg(feature = "handlers")]
pub(crate) mod kept;
#[cfg(feature = "handlers")]
pub(crate) mod run;
#[cfg(feature = "handlers")]
mod settings;
#[cfg(feature = "handlers")]
pub(crate) mod study;
#[cfg(feature = "handlers")]
mod usage;

#[cfg(feature = "handlers")]
pub use {
    inspect::{InspectedPage, Unreadable, inspect},
    kept::{Kept, MissingPage},
    ocr::{Ocr, find_tesseract, missing_languages, tesseract_installed},
    reader::ChildProgram,
    settings::{Documents, Limits, LongDocuments, Partial},
    summary::{Analysis, DatedFact},
};

/// Wire name of [`ProcessDocument`].
pub const NAME: &str = "process_document";

/// Most that one run may take.
const TIME_LIMIT: Duration = Duration::from_secs(30 * 60);
/// From here on a run ends in order, with a sentence.
const SOFT_TIME_LIMIT: Duration = Duration::from_secs(25 * 60);
/// The first attempt and three retries.
const ATTEMPTS_MAX: u32 = 4;
/// Used where no setting says otherwise (DOCUMENT_RETRY_BASE).
const RETRY_BASE: Duration = Duration::from_secs(60);

/// Policy of every job that studies a document: queue `documents`, four attempts, waits of up to 60, 120 and 240 seconds between them.
pub(crate) fn study_policy() -> Policy {
    Policy {
        queue: crate::queues::documents(),
        max_attempts: ATTEMPTS_MAX,
        backoff: backoff(RETRY_BASE),
        time_limit: TIME_LIMIT,
        soft_time_limit: Some(SOFT_TIME_LIMIT),
        ..Policy::default()
    }
}

/// The document to process, a row of `celeriac.documents`.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub struct ProcessDocument {
    pub document_id: i64,
    /// When the analysis is needed; with time enough until then it may come from a batch, at half the price.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub deadline: Option<DateTime<Utc>>,
}

impl ProcessDocument {
    /// As soon as can be.
    pub fn new(document_id: i64) -> Self {
        Self { document_id, deadline: None }
    }
}

/// Queue `documents`, four attempts, waits of up to 60, 120 and 240 seconds between them.
pub fn policy() -> Policy {
    study_policy()
}

fn backoff(base: Duration) -> Backoff {
    Backoff { base, factor: 2.0, max: base.saturating_mul(8), jitter: true }
}

/// What a finished job says of its document; the finding itself is in the database only.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Processed {
    pub document_id: i64,
    /// False: an earlier run had completed it, and this one called nobody.
    pub fresh: bool,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub pages: Option<i32>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub tokens: Option<i32>,
}

#[cfg(feature = "handlers")]
impl celeriac_queue::Job for ProcessDocument {
    const NAME: &'static str = NAME;
    type State = Documents;
    type Output = Processed;

    fn policy() -> Policy {
        policy()
    }

    async fn run(self, documents: Documents, ctx: celeriac_queue::JobContext) -> celeriac_queue::JobResult<Processed> {
        run::run::<describe::Describe>(self.document_id, self.deadline, &documents, &ctx).await
    }

    async fn on_terminal(
        self,
        documents: Documents,
        _ctx: celeriac_queue::JobContext,
        outcome: celeriac_queue::Outcome,
    ) -> anyhow::Result<()> {
        ending::close::<describe::Describe>(self.document_id, &documents, &outcome).await
    }
}
