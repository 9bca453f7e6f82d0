//! The body of `purge_documents`.

use std::time::Duration;

use anyhow::Context;
use celeriac_process::Settings;
use celeriac_queue::{Job, JobContext, JobError, JobResult, Policy};
use futures::{StreamExt, stream};
use sqlx::PgPool;

use super::rows::{self, Taken};
use super::{LISTED_MAX, NAME, PurgeDocuments, Purged, policy};
use crate::exclusive::{Duty, exclusively};
use crate::storage::{Storage, StorageError};

/// Documents taken at once, so that a run that stops leaves few half-way.
const BATCH: i64 = 100;
/// Files deleted at a time.
const FILES_AT_ONCE: usize = 8;
/// Until the other run may be over.
const BUSY_WAIT: Duration = Duration::from_secs(60);

/// What the job needs.
#[derive(Debug, Clone)]
pub struct Purging {
    pub pool: PgPool,
    pub storage: Storage,
    /// How long a deleted document can be taken back.
    pub purge_after: Duration,
    /// `None`: analyses stay as long as their documents.
    pub analysis_keep: Option<Duration>,
}

impl Purging {
    pub(crate) fn from_settings(settings: &Settings, pool: PgPool, storage: Storage) -> Self {
        let analysis_keep = settings.maybe("ANALYSIS_KEEP").map(|_| settings.duration("ANALYSIS_KEEP"));
        Self { pool, storage, purge_after: settings.duration("DOCUMENT_PURGE_AFTER"), analysis_keep }
    }
}

impl Job for PurgeDocuments {
    const NAME: &'static str = NAME;
    type State = Purging;
    type Output = Purged;

    fn policy() -> Policy {
        policy()
    }

    async fn run(self, state: Purging, ctx: JobContext) -> JobResult<Purged> {
        if self.dry_run {
            return Ok(state.list().await?);
        }
        let done = exclusively(&state.pool, Duty::Purge, state.purge(&ctx)).await.context("take the lock of the purge")?;
        done.ok_or_else(|| JobError::Snooze(BUSY_WAIT, "another run of purge_documents is at work".to_owned()))?
    }
}

impl Purging {
    async fn list(&self) -> sqlx::Result<Purged> {
        let (documents, listed) = rows::list(&self.pool, self.purge_after, LISTED_MAX as i64).await?;
        let analyses = match self.analysis_keep {
            Some(keep) => rows::count_analyses(&self.pool, keep).await?,
            None => 0,
        };
        Ok(Purged { dry_run: true, documents, listed, analyses })
    }

    /// Goes on past a file that cannot be deleted, and fails in the end for its sake: the next attempt begins with it.
    async fn purge(&self, ctx: &JobContext) -> JobResult<Purged> {
        let mut report = Purged::default();
        let mut stuck = Vec::new();
        let mut beyond_id = 0;
        loop {
            let taken = rows::take(&self.pool, self.purge_after, beyond_id, BATCH).await?;
            let Some(last) = taken.last() else { break };
            beyond_id = last.id;
            let gone = self.delete_files(taken, &mut stuck).await?;
            crate::checkpoint::checkpoint("purge.files_deleted").await;
            rows::erase(&self.pool, &gone).await?;
            report.documents += gone.len() as u64;
            let room = LISTED_MAX - report.listed.len();
            report.listed.extend(gone.into_iter().take(room));
            ctx.log(&format!("{} documents are purged", report.documents)).await;
        }
        if let Some(keep) = self.analysis_keep {
            report.analyses = self.delete_analyses(keep).await?;
        }
        rows::forget_stray_text(&self.pool).await?;
        tracing::info!(documents = report.documents, analyses = report.analyses, stuck = stuck.len(), "deleted documents are purged");
        match stuck.pop() {
            None => Ok(report),
            Some((id, error)) => {
                let others = stuck.len();
                let text = format!("{} documents were purged; the file of document {id} could not be deleted", report.documents);
                Err(JobError::Retry(anyhow::Error::new(error).context(if others == 0 {
                    text
                } else {
                    format!("{text}, nor {others} others")
                })))
            }
        }
    }

    /// Returns the documents whose files are gone, or are not theirs to delete.
    async fn delete_files(&self, taken: Vec<Taken>, stuck: &mut Vec<(i64, StorageError)>) -> JobResult<Vec<i64>> {
        let deletions = taken.into_iter().map(|document| async move {
            let deleted = match document.file_is_shared {
                true => Ok(()),
                false => self.storage.delete(&document.file_path).await,
            };
            (document.id, deleted)
        });
        let mut deletions = stream::iter(deletions).buffer_unordered(FILES_AT_ONCE);
        let mut gone = Vec::new();
        while let Some((id, deleted)) = deletions.next().await {
            match deleted {
                Ok(()) => gone.push(id),
                Err(StorageError::Outside) => {
                    tracing::warn!(
                        document.id = id,
                        "the stored path of a purged document names no file of the storage; nothing was deleted there"
                    );
                    gone.push(id);
                }
                Err(refused @ StorageError::Refused(_)) => {
                    return Err(JobError::Retry(anyhow::Error::new(refused).context("no file can be deleted until an operator acts")));
                }
                Err(error) => stuck.push((id, error)),
            }
        }
        gone.sort_unstable();
        Ok(gone)
    }

    async fn delete_analyses(&self, keep: Duration) -> sqlx::Result<u64> {
        let mut deleted = 0;
        loop {
            let batch = rows::delete_analyses(&self.pool, keep, BATCH).await?;
            deleted += batch;
            if batch < BATCH.unsigned_abs() {
                return Ok(deleted);
            }
        }
    }
}
