//! Extends every lease this worker holds, whatever its handlers do: also while they drain, also when one blocks its thread.

use std::sync::Arc;
use std::time::Duration;

use celeriac_queue::{Consumer, Error, JobId, LeaseState};
use futures::future::join_all;
use tokio::sync::Notify;
use tokio_util::sync::CancellationToken;

use crate::held::{Held, Interruption, Lease};
use crate::patience::pause_after;
use crate::trouble::Trouble;

const DUTY: &str = "extending leases";

pub(crate) struct Heartbeat {
    consumers: Vec<Arc<Consumer>>,
    held: Held,
    /// Beats at once when notified.
    pub(crate) hurry: Arc<Notify>,
    trouble: Trouble,
}

impl Heartbeat {
    pub(crate) fn new(consumers: Vec<Arc<Consumer>>, held: Held, trouble: Trouble) -> Self {
        Self { consumers, held, hurry: Arc::new(Notify::new()), trouble }
    }

    /// Every third of a lease, so that one beat may fail and the next still be in time.
    pub(crate) async fn run(self, end: CancellationToken) {
        let every = self.consumers.iter().map(|consumer| consumer.config().lease / 3).min().unwrap_or(Duration::MAX);
        let mut failures = 0;
        loop {
            let pause = match self.run_once().await {
                Ok(()) => {
                    failures = 0;
                    self.trouble.ends(DUTY);
                    every
                }
                Err(error) => {
                    failures += 1;
                    self.trouble.begins(DUTY, error);
                    pause_after(failures).min(every)
                }
            };
            tokio::select! {
                () = tokio::time::sleep(pause) => {}
                () = self.hurry.notified() => {}
                () = end.cancelled() => return,
            }
        }
    }

    /// One beat: costs nothing when nothing is held. The queues at once: one whose node is silent holds up no other.
    ///
    /// # Errors
    /// A queue's that could not be reached; the others were extended all the same.
    pub(crate) async fn run_once(&self) -> Result<(), Error> {
        let held = self.held.all();
        let beats = self.consumers.iter().map(|consumer| async {
            let leases: Vec<&Arc<Lease>> = held.iter().filter(|lease| Arc::ptr_eq(&lease.consumer, consumer)).collect();
            if leases.is_empty() {
                return Ok(());
            }
            let wanted: Vec<(JobId, String)> = leases.iter().map(|lease| (lease.id.clone(), lease.token.clone())).collect();
            let states = consumer.extend(&wanted).await?;
            leases.iter().zip(states).for_each(|(lease, state)| heed(lease, state));
            Ok(())
        });
        join_all(beats).await.into_iter().collect()
    }
}

fn heed(lease: &Lease, state: LeaseState) {
    match state {
        LeaseState::Kept => {}
        LeaseState::CancelAsked => lease.interrupt(Interruption::CancelAsked),
        // Also said of a lease whose job was settled while the beat was under way: then nobody listens any more.
        LeaseState::Lost => lease.interrupt(Interruption::LeaseLost),
    }
}
