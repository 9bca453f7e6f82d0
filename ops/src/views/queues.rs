//! Queues at a glance.

use std::collections::BTreeMap;

use celeriac_queue::{Inspector, Pause, QueueName, QueueView};
use chrono::{DateTime, Utc};
use serde::Serialize;

use crate::human::moment;

#[derive(Debug, Clone, Serialize)]
pub(crate) struct QueueRow {
    pub(crate) queue: QueueName,
    pub(crate) ready: u64,
    pub(crate) scheduled: u64,
    pub(crate) running: u64,
    /// Ended and still remembered.
    pub(crate) finished: u64,
    pub(crate) dead: u64,
    /// Ended without a handler; its last word is still to be said by a worker.
    pub(crate) notices: u64,
    /// Batches at home here that have not ended.
    pub(crate) open_batches: u64,
    /// Ends here of which another queue is still to hear: of batches' members and chains' links.
    pub(crate) transfers: u64,
    pub(crate) oldest_transfer_seconds: Option<f64>,
    pub(crate) oldest_ready_seconds: Option<f64>,
    pub(crate) paused: Option<PauseRow>,
    /// Moves since the queue began.
    pub(crate) moves: BTreeMap<String, u64>,
}

#[derive(Debug, Clone, Serialize)]
pub(crate) struct PauseRow {
    pub(crate) reason: String,
    pub(crate) by: String,
    pub(crate) at: DateTime<Utc>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) resume_at: Option<DateTime<Utc>>,
}

/// Every queue that was ever enqueued to, by name; or one.
///
/// # Errors
/// When Redis does not answer.
pub(crate) async fn all(inspector: &Inspector, only: Option<&QueueName>) -> Result<Vec<QueueRow>, celeriac_queue::Error> {
    let views = match only {
        Some(queue) => vec![inspector.queue(queue).await?],
        None => inspector.queues().await?,
    };
    Ok(views.into_iter().map(QueueRow::from).collect())
}

impl QueueRow {
    /// One line for whoever asks why nothing moves.
    pub(crate) fn pause_sentence(&self) -> Option<String> {
        let pause = self.paused.as_ref()?;
        Some(format!(
            "{} is paused: {} (by {}, {}). Resume it with: celeriac queue resume {}",
            self.queue,
            pause.reason,
            pause.by,
            crate::human::clock(pause.at),
            self.queue
        ))
    }
}

impl From<QueueView> for QueueRow {
    fn from(view: QueueView) -> Self {
        Self {
            queue: view.name,
            ready: view.ready,
            scheduled: view.scheduled,
            running: view.running,
            finished: view.finished,
            dead: view.dead,
            notices: view.notices,
            open_batches: view.batches,
            transfers: view.transfers.waiting,
            oldest_transfer_seconds: view.transfers.oldest_ms.map(|ms| ms as f64 / 1_000.0),
            oldest_ready_seconds: view.oldest_ready_ms.map(|ms| ms as f64 / 1_000.0),
            paused: view.paused.map(PauseRow::from),
            moves: view.moves,
        }
    }
}

impl From<Pause> for PauseRow {
    fn from(pause: Pause) -> Self {
        Self { reason: pause.reason, by: pause.by, at: moment(pause.at), resume_at: pause.resume_at.map(moment) }
    }
}
