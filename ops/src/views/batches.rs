//! Batches: many jobs and what is enqueued at their end.

use celeriac_queue::{BatchId, BatchState, BatchView, CallbackView, Inspector, JobId, QueueName, When};
use chrono::{DateTime, Utc};
use serde::Serialize;

use crate::human::moment;

#[derive(Debug, Clone, Serialize)]
pub(crate) struct BatchRow {
    pub(crate) id: BatchId,
    /// The queue of its callbacks, where its record is.
    pub(crate) home: QueueName,
    pub(crate) state: BatchState,
    pub(crate) total: u64,
    /// Members that have not ended.
    pub(crate) pending: u64,
    pub(crate) finished: u64,
    pub(crate) dead: u64,
    pub(crate) cancelled: u64,
    pub(crate) expired: u64,
    /// Never enqueued, as another job has their unique key.
    pub(crate) rejected: u64,
    pub(crate) created_at: DateTime<Utc>,
    pub(crate) ended_at: Option<DateTime<Utc>>,
    pub(crate) callbacks: Vec<CallbackRow>,
    /// Of those that have not ended at most 100; empty in a list.
    pub(crate) pending_jobs: Vec<MemberRow>,
}

#[derive(Debug, Clone, Serialize)]
pub(crate) struct CallbackRow {
    pub(crate) when: When,
    pub(crate) job: String,
    pub(crate) id: JobId,
    /// Absent: not enqueued (yet).
    pub(crate) called_at: Option<DateTime<Utc>>,
}

#[derive(Debug, Clone, Serialize)]
pub(crate) struct MemberRow {
    pub(crate) queue: QueueName,
    pub(crate) id: JobId,
}

/// Batches of one home queue or of all, those that have not ended first.
///
/// # Errors
/// When Redis does not answer.
pub(crate) async fn all(inspector: &Inspector, home: Option<&QueueName>, limit: usize) -> Result<Vec<BatchRow>, celeriac_queue::Error> {
    let homes = match home {
        Some(home) => vec![home.clone()],
        None => inspector.queue_names().await?,
    };
    let mut rows = Vec::new();
    for home in &homes {
        rows.extend(inspector.batches(home, limit).await?.into_iter().map(BatchRow::from));
    }
    rows.sort_by_key(|row| (row.state == BatchState::Ended, std::cmp::Reverse(row.created_at)));
    rows.truncate(limit);
    Ok(rows)
}

/// A batch by its id, in the named home queue or wherever it is. `None`: there is none, or it has been forgotten.
///
/// # Errors
/// When Redis does not answer.
pub(crate) async fn find(inspector: &Inspector, id: &BatchId, home: Option<&QueueName>) -> Result<Option<BatchRow>, celeriac_queue::Error> {
    let homes = match home {
        Some(home) => vec![home.clone()],
        None => inspector.queue_names().await?,
    };
    for home in &homes {
        match inspector.batch(home, id).await {
            Err(celeriac_queue::Error::NoSuchBatch { .. }) => {}
            found => return found.map(|view| Some(view.into())),
        }
    }
    Ok(None)
}

impl From<BatchView> for BatchRow {
    fn from(view: BatchView) -> Self {
        let tally = view.tally;
        Self {
            pending: tally.pending(),
            id: tally.id,
            home: view.home,
            state: view.state,
            total: tally.total,
            finished: tally.finished,
            dead: tally.dead,
            cancelled: tally.cancelled,
            expired: tally.expired,
            rejected: tally.rejected,
            created_at: moment(view.created_at),
            ended_at: view.ended_at.map(moment),
            callbacks: view.callbacks.into_iter().map(CallbackRow::from).collect(),
            pending_jobs: view.pending.into_iter().map(|(queue, id)| MemberRow { queue, id }).collect(),
        }
    }
}

impl From<CallbackView> for CallbackRow {
    fn from(view: CallbackView) -> Self {
        Self { when: view.when, job: view.job, id: view.id, called_at: view.called_at.map(moment) }
    }
}
