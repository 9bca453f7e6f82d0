//! Drops the records of ended jobs that are past their time. Every worker does it for its own queues; two at once do no harm.

use std::sync::Arc;
use std::time::Duration;

use celeriac_queue::{Consumer, Error};
use tokio_util::sync::CancellationToken;

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
        loop {
            tokio::select! {
                () = tokio::time::sleep(EVERY) => {}
                () = stop.cancelled() => return,
            }
            match self.run_once().await {
                Ok(0) => self.trouble.ends(DUTY),
                Ok(dropped) => {
                    self.trouble.ends(DUTY);
                    tracing::debug!(dropped, "records of ended jobs were pruned");
                }
                Err(error) => self.trouble.begins(DUTY, error),
            }
        }
    }

    /// Returns how many records were dropped.
    pub(crate) async fn run_once(&self) -> Result<u64, Error> {
        let mut dropped = 0;
        for consumer in &self.consumers {
            loop {
                let now = consumer.prune().await?;
                dropped += now;
                if now < FULL {
                    break;
                }
            }
        }
        Ok(dropped)
    }
}
