//! The way from a run's end to its settling.
//!
//! ```text
//!   settle layer ──┬─────────────────────────> settler ──> Redis
//!                  └─> confirmer (PostgreSQL) ───^
//!                      completions of jobs from the outbox
//! ```
//!
//! The channels are bounded, and a run keeps its slot until it is settled, or takes one of as many seats elsewhere (see `lobby.rs`): when a
//! store does not answer, the worker claims less and grows no further.

use std::time::Duration;

use celeriac_queue::Origin;
use tokio::sync::{mpsc, oneshot};

use crate::moves::{Move, Settlement};

/// Settlements under way before a run's end has to wait.
const UNDER_WAY_MAX: usize = 1_024;
/// Settlements taken at once.
const BATCH_MAX: usize = 500;

/// A stopping worker puts its runs back within moments of each other; that long none may come before the last is thought to have come.
const GATHER: Duration = Duration::from_millis(20);
/// Of such pauses, at most: others wait behind.
const GATHERS_MAX: usize = 5;

pub(crate) enum Message {
    Settle(Settlement),
    /// Answered when everything sent before is settled.
    Flush(oneshot::Sender<()>),
}

pub(crate) fn channel() -> (mpsc::Sender<Message>, mpsc::Receiver<Message>) {
    mpsc::channel(UNDER_WAY_MAX)
}

/// Where settlements are handed in. Cheap to clone.
#[derive(Clone)]
pub(crate) struct Handover {
    pub(crate) settler: mpsc::Sender<Message>,
    /// Absent in a worker without a database; such a worker completes no job of the outbox.
    pub(crate) confirmer: Option<mpsc::Sender<Message>>,
}

impl Handover {
    /// Waits while too many are under way.
    pub(crate) async fn settle(&self, settlement: Settlement) {
        let way = match &self.confirmer {
            Some(confirmer) if needs_confirmation(&settlement) => confirmer,
            _ => &self.settler,
        };
        // Nobody receives only when the worker was ended by force: then the lease runs out and the job comes back.
        let _ = way.send(Message::Settle(settlement)).await;
    }

    /// Returns when everything handed in before is settled.
    pub(crate) async fn flush(&self) {
        // The confirmer first: what it confirms goes on to the settler.
        for way in self.confirmer.iter().chain([&self.settler]) {
            let (flushed, done) = oneshot::channel();
            if way.send(Message::Flush(flushed)).await.is_ok() {
                let _ = done.await;
            }
        }
    }
}

fn needs_confirmation(settlement: &Settlement) -> bool {
    let from_outbox = settlement.run.envelope.as_ref().is_ok_and(|envelope| envelope.origin == Origin::Outbox);
    from_outbox && matches!(settlement.to, Move::Complete { .. })
}

/// What came in meanwhile.
pub(crate) struct Batch {
    pub(crate) settlements: Vec<Settlement>,
    flushes: Vec<oneshot::Sender<()>>,
}

impl Batch {
    /// `None` when nobody can send any more.
    pub(crate) async fn receive(inbox: &mut mpsc::Receiver<Message>) -> Option<Self> {
        let mut messages = Vec::new();
        if inbox.recv_many(&mut messages, BATCH_MAX).await == 0 {
            return None;
        }
        let mut batch = Self { settlements: Vec::with_capacity(messages.len()), flushes: Vec::new() };
        messages.into_iter().for_each(|message| batch.take(message));
        if batch.settlements.iter().any(|settlement| matches!(settlement.to, Move::Release)) {
            batch.gather(inbox).await;
        }
        Some(batch)
    }

    /// Put back by one call, jobs keep their order; by two, the later ones would stand before the earlier.
    async fn gather(&mut self, inbox: &mut mpsc::Receiver<Message>) {
        for _ in 0..GATHERS_MAX {
            tokio::time::sleep(GATHER).await;
            let before = self.settlements.len();
            while let Ok(message) = inbox.try_recv() {
                self.take(message);
            }
            if self.settlements.len() == before {
                return;
            }
        }
    }

    fn take(&mut self, message: Message) {
        match message {
            Message::Settle(settlement) => self.settlements.push(settlement),
            Message::Flush(flushed) => self.flushes.push(flushed),
        }
    }

    /// To be called when all of it is done.
    pub(crate) fn done(flushes: Vec<oneshot::Sender<()>>) {
        for flushed in flushes {
            // Who asked may have gone.
            let _ = flushed.send(());
        }
    }

    pub(crate) fn into_parts(self) -> (Vec<Settlement>, Vec<oneshot::Sender<()>>) {
        (self.settlements, self.flushes)
    }
}
