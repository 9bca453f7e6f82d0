//! Drops the records of ended jobs that are past their time. Every worker does it for its own queues; two at once do no harm.

use std::sync::Arc;
use std::time::Duration;

use celeriac_queue::{Consumer, Error};
use tokio_util::sync::CancellationToken;

use crate::patience::pause_after;
use crate::trouble::Trouble;

const EVERY: Duration = Duration::from_secs(30);
/// As many as one call drops of a kind: that many again may be waiting.
const FULL: u64 = 500;
const DUTY: &str = "pruning ended jobs";

pub(crate) struct Pruner {
    pub(crate) consumers: Vec<Arc<Consumer>>,
    pub(crate) trouble: Trouble,
}

impl Pruner {
    pub(crate) async fn run(self, stop: CancellationToken) {
        let mut failures = 0;
        loop {
            // Once it has failed it is tried sooner, so that the trouble it shows does not outlive its cause for long.
            let pause = if failures == 0 { EVERY } else { pause_after(failures) };
            tokio::select! {
                () = tokio::time::sleep(pause) => {}
                () = stop.cancelled() => return,
            }
            match self.run_once().await {
                Ok(dropped) => {
                    failures = 0;
                    self.trouble.ends(DUTY);
                    if dropped > 0 {
                        tracing::debug!(dropped, "records of ended jobs were pruned");
                    }
                }
                Err(error) => {
                    failures += 1;
                    self.trouble.begins(DUTY, error);
                }
            }
        }
    }

    /// Returns how many records were dropped.
    ///
    /// # Errors
    /// The last queue's that could not be reached; the others were pruned all the same.
    pub(crate) async fn run_once(&self) -> Result<u64, Error> {
        let mut dropped = 0;
        let mut result = Ok(());
        for consumer in &self.consumers {
            match prune(consumer).await {
                Ok(now) => dropped += now,
                Err(error) => result = Err(error),
            }
        }
        result.map(|()| dropped)
    }
}

async fn prune(consumer: &Consumer) -> Result<u64, Error> {
    let mut dropped = 0;
    loop {
        let now = consumer.prune().await?;
        dropped += now;
        if now < FULL {
            return Ok(dropped);
        }
    }
}
