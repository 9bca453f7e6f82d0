//! Enqueues jobs at a steady pace, whatever happens to Redis.
//!
//! Every job has an id, so that a batch can be sent again: after an error, after a kill of Redis that may have lost what was answered within
//! the last second, and now and then on purpose. None may run more often for it.

use std::collections::VecDeque;
use std::time::{Duration, Instant};

use anyhow::Result;
use celeriac_queue::{Client, Enqueued, Error, QueueName};
use tokio::sync::mpsc;
use tokio::time::sleep;

use super::jobs::{Mix, policy};
use super::journal::now_ms;

/// Jobs of one call.
pub(crate) const BATCH: usize = 50;
/// Every so many batches one is sent twice on purpose.
const TWICE_EVERY: usize = 10;
/// After an error.
const PAUSE: Duration = Duration::from_millis(50);
/// What a kill of Redis may have taken back; more than the second that it promises to lose at most.
const RECENT_MS: u64 = 2_500;
/// Batches remembered for that; by their number, as an outage may last.
const RECENT_MAX: usize = 1_000;

/// What to enqueue.
pub(crate) struct Load {
    pub(crate) client: Client,
    pub(crate) queues: Vec<QueueName>,
    pub(crate) mix: Mix,
    pub(crate) jobs: usize,
    /// In which time.
    pub(crate) over: Duration,
}

/// What came of it.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub(crate) struct Enqueues {
    /// Batches sent again on purpose or because of an error.
    pub(crate) repeated: usize,
    /// Batches sent again after kills of Redis.
    pub(crate) repeated_after_kills: usize,
    /// Jobs of those that Redis did not know any more: their enqueue had been answered, and was lost.
    pub(crate) taken_again: usize,
}

impl Load {
    /// Ends when all is enqueued and nobody can send a kill of Redis (the moment of it, ms) any more.
    pub(crate) async fn run(self, mut kills: mpsc::UnboundedReceiver<u64>) -> Result<Enqueues> {
        let mut enqueues = Enqueues::default();
        let mut recent: VecDeque<(u64, usize)> = VecDeque::new();
        let begun = Instant::now();
        let batches = self.jobs.div_ceil(BATCH);
        for batch in 0..batches {
            while let Ok(killed_at) = kills.try_recv() {
                self.repeat(&recent, killed_at, &mut enqueues).await?;
            }
            let due = self.over.mul_f64(batch as f64 / batches as f64);
            sleep(due.saturating_sub(begun.elapsed())).await;
            self.enqueue(batch, &mut enqueues).await?;
            recent.push_back((now_ms(), batch));
            if batch % TWICE_EVERY == 0 {
                self.enqueue(batch, &mut enqueues).await?;
                enqueues.repeated += 1;
            }
            if recent.len() > RECENT_MAX {
                recent.pop_front();
            }
        }
        while let Some(killed_at) = kills.recv().await {
            self.repeat(&recent, killed_at, &mut enqueues).await?;
        }
        Ok(enqueues)
    }

    async fn repeat(&self, recent: &VecDeque<(u64, usize)>, killed_at: u64, enqueues: &mut Enqueues) -> Result<()> {
        for (_, batch) in recent.iter().filter(|(at, _)| at + RECENT_MS >= killed_at) {
            let answers = self.enqueue(*batch, enqueues).await?;
            enqueues.repeated_after_kills += 1;
            enqueues.taken_again += answers.iter().filter(|answer| !answer.duplicate).count();
        }
        Ok(())
    }

    /// Insists until Redis has answered.
    async fn enqueue(&self, batch: usize, enqueues: &mut Enqueues) -> Result<Vec<Enqueued>> {
        let queue = &self.queues[batch % self.queues.len()];
        loop {
            let jobs = (batch * BATCH..((batch + 1) * BATCH).min(self.jobs)).map(|number| self.mix.job(number)).collect();
            match self.client.enqueue_many(queue, jobs, &policy()).await {
                Ok(answers) => return Ok(answers),
                Err(Error::Redis(_)) => {
                    enqueues.repeated += 1;
                    sleep(PAUSE).await;
                }
                Err(error) => return Err(error.into()),
            }
        }
    }
}
