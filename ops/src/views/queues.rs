//! Queues at a glance.

use std::collections::BTreeMap;

use celeriac_queue::{HeldBack, Inspector, Limits, Pause, QueueName, QueueView};
use chrono::{DateTime, Utc};
use serde::Serialize;

use crate::human::{clock, moment};
use crate::views::keys::limits_text;

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
    /// Empty without any.
    pub(crate) limits: Limits,
    pub(crate) held_back: Option<HeldRow>,
    /// Keys with jobs ready that are at a limit of theirs.
    pub(crate) keys_held_back: u64,
    /// Jobs ready that are to be run alone, as their worker died while it ran them.
    pub(crate) suspects: u64,
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
    /// What the pause is about, for whoever may lift it.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) cause: Option<String>,
}

/// Which limit of the queue as a whole keeps its ready jobs waiting.
#[derive(Debug, Clone, Serialize)]
pub(crate) struct HeldRow {
    /// concurrency or rate.
    pub(crate) limit: &'static str,
    /// When the rate lets the next job begin.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) until: Option<DateTime<Utc>>,
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
        let (queue, PauseRow { reason, by, at, .. }) = (&self.queue, pause);
        let resumes = match pause.resume_at {
            Some(resume_at) => format!("It resumes by itself at {}, or now", clock(resume_at)),
            None => "Resume it".to_owned(),
        };
        Some(format!("{queue} is paused: {reason} (by {by}, {}). {resumes} with: celeriac queue resume {queue}", clock(*at)))
    }
}

impl QueueRow {
    /// The limits, and whether they hold jobs back now.
    pub(crate) fn limits_sentence(&self) -> Option<String> {
        let mut sentence = format!("{}: {}.", self.queue, limits_text(&self.limits)?);
        if let Some(held) = &self.held_back {
            sentence.push(' ');
            sentence.push_str(&held.sentence());
        }
        if self.keys_held_back > 0 {
            let keys = crate::human::plural(self.keys_held_back, "key is", "keys are");
            sentence.push_str(&format!(" {keys} at a limit: celeriac queue keys {}", self.queue));
        }
        Some(sentence)
    }

    pub(crate) fn suspects_sentence(&self) -> Option<String> {
        let suspects = crate::human::plural(self.suspects, "job waits", "jobs wait");
        (self.suspects > 0).then(|| format!("{}: {suspects} to be run alone, as a worker died while running it.", self.queue))
    }

    /// paused, held back or open.
    pub(crate) fn state(&self) -> &'static str {
        match (&self.paused, &self.held_back) {
            (Some(_), _) => "paused",
            (None, Some(_)) => "held back",
            (None, None) => "open",
        }
    }
}

impl HeldRow {
    pub(crate) fn sentence(&self) -> String {
        match self.until {
            Some(until) => format!("Held back by its rate until {}.", clock(until)),
            None => "Held back: as many run as may at once.".to_owned(),
        }
    }
}

impl From<HeldBack> for HeldRow {
    fn from(held: HeldBack) -> Self {
        match held {
            HeldBack::Concurrency => Self { limit: "concurrency", until: None },
            HeldBack::Rate { until } => Self { limit: "rate", until: Some(moment(until)) },
        }
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
            limits: view.limits,
            held_back: view.held_back.map(HeldRow::from),
            keys_held_back: view.keys_held_back,
            suspects: view.suspects,
            moves: view.moves,
        }
    }
}

impl From<Pause> for PauseRow {
    fn from(pause: Pause) -> Self {
        Self { reason: pause.reason, by: pause.by, at: moment(pause.at), resume_at: pause.resume_at.map(moment), cause: pause.cause }
    }
}
