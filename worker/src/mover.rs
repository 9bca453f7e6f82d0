//! Carries what jobs' ends mean for other queues there: members' ends to their batch, next links of chains to their queue.
//!
//! Whoever claims hears that entries wait; the fetcher then hurries this duty. An entry is dropped last, so what is cut short anywhere comes
//! back ten seconds later, to any worker of the queue, and is applied again without effect.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use celeriac_queue::{Client, Consumer, Error, Transfers};
use tokio::sync::Notify;
use tokio_util::sync::CancellationToken;

use crate::patience::pause_after;
use crate::trouble::Trouble;

const DUTY: &str = "moving ends of jobs to their batches and chains";

pub(crate) struct Mover {
    queues: Vec<(Transfers, Hurry)>,
    notify: Arc<Notify>,
    trouble: Trouble,
}

/// Tells the mover that entries wait in one queue. Cheap to clone.
#[derive(Clone)]
pub(crate) struct Hurry {
    is_wanted: Arc<AtomicBool>,
    notify: Arc<Notify>,
}

impl Hurry {
    pub(crate) fn hurry(&self) {
        self.is_wanted.store(true, Ordering::Release);
        self.notify.notify_one();
    }
}

impl Mover {
    pub(crate) fn new(consumers: &[Arc<Consumer>], client: &Client, trouble: Trouble) -> Self {
        let notify = Arc::new(Notify::new());
        let watched = |consumer: &Arc<Consumer>| {
            let hurry = Hurry { is_wanted: Arc::default(), notify: Arc::clone(&notify) };
            (Transfers::new(client.clone(), consumer.queue().clone()), hurry)
        };
        Self { queues: consumers.iter().map(watched).collect(), notify, trouble }
    }

    /// One a queue, in their order.
    pub(crate) fn hurries(&self) -> Vec<Hurry> {
        self.queues.iter().map(|(_, hurry)| hurry.clone()).collect()
    }

    pub(crate) async fn run(self, stop: CancellationToken) {
        let mut failures = 0;
        while !stop.is_cancelled() {
            match self.run_once().await {
                Ok(()) => {
                    failures = 0;
                    self.trouble.ends(DUTY);
                    tokio::select! {
                        () = self.notify.notified() => {}
                        () = stop.cancelled() => return,
                    }
                }
                Err(error) => {
                    failures += 1;
                    self.trouble.begins(DUTY, error);
                    tokio::select! {
                        () = tokio::time::sleep(pause_after(failures)) => {}
                        () = stop.cancelled() => return,
                    }
                }
            }
        }
    }

    /// Moves what waits in the queues that hurried.
    ///
    /// # Errors
    /// The last queue's that could not be served; it still hurries, and the others were served all the same.
    async fn run_once(&self) -> Result<(), Error> {
        let mut result = Ok(());
        for (transfers, hurry) in &self.queues {
            if hurry.is_wanted.swap(false, Ordering::AcqRel)
                && let Err(error) = drain(transfers).await
            {
                hurry.is_wanted.store(true, Ordering::Release);
                result = Err(error);
            }
        }
        result
    }
}

async fn drain(transfers: &Transfers) -> Result<(), Error> {
    while transfers.move_once().await?.is_full {}
    Ok(())
}
