//! Confirms finished jobs of the outbox in PostgreSQL, many in one statement, before they are acknowledged to Redis.
//!
//! In this order a crash between the two leaves a confirmed row and a job that is delivered once more, and finds its own result; the other
//! way round the relay would enqueue finished work again.

use celeriac_queue::State;
use tokio::sync::mpsc;

use crate::handover::{Batch, Message};
use crate::moves::Settlement;
use crate::outbox::{Ended, Outbox};
use crate::patience::pause_after;
use crate::trouble::Trouble;

const DUTY: &str = "confirming jobs in PostgreSQL";

pub(crate) struct Confirmer {
    pub(crate) inbox: mpsc::Receiver<Message>,
    pub(crate) outbox: Outbox,
    pub(crate) settler: mpsc::Sender<Message>,
    pub(crate) trouble: Trouble,
}

impl Confirmer {
    /// Until nobody can hand in any more.
    pub(crate) async fn run(mut self) {
        while let Some(batch) = Batch::receive(&mut self.inbox).await {
            let (settlements, flushes) = batch.into_parts();
            self.confirm(&settlements).await;
            for settlement in settlements {
                // As in `Handover::settle`.
                let _ = self.settler.send(Message::Settle(settlement)).await;
            }
            Batch::done(flushes);
        }
    }

    /// Repeated until PostgreSQL has taken it: meanwhile the heartbeat keeps the leases, and the slots stay taken.
    async fn confirm(&self, settlements: &[Settlement]) {
        if settlements.is_empty() {
            return;
        }
        let ended: Vec<Ended> = settlements
            .iter()
            .map(|settlement| Ended { id: settlement.run.lease.id.clone(), state: State::Finished, error: None })
            .collect();
        let mut failures = 0;
        while let Err(error) = self.outbox.confirm(&ended).await {
            failures += 1;
            self.trouble.begins(DUTY, error);
            tokio::time::sleep(pause_after(failures)).await;
        }
        self.trouble.ends(DUTY);
    }
}
