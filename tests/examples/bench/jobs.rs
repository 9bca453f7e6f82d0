//! The jobs that are measured.

use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::{Duration, Instant};

use celeriac_queue::{Job, JobContext, JobResult, Policy};
use serde::{Deserialize, Serialize};
use tokio::sync::{Notify, mpsc};

/// Does nothing; its payload is about 200 bytes.
#[derive(Serialize, Deserialize)]
pub(crate) struct Noop {
    pub(crate) padding: String,
}

#[derive(Clone)]
pub(crate) struct Count {
    pub(crate) done: Arc<AtomicUsize>,
    pub(crate) goal: usize,
    pub(crate) reached: Arc<Notify>,
}

impl Job for Noop {
    const NAME: &'static str = "noop";
    type State = Count;
    type Output = ();

    fn policy() -> Policy {
        Policy { keep: Duration::ZERO, ..Policy::default() }
    }

    async fn run(self, count: Count, _: JobContext) -> JobResult {
        count.one_more();
        Ok(())
    }
}

/// Says when it started.
#[derive(Serialize, Deserialize)]
pub(crate) struct Mark {}

impl Job for Mark {
    const NAME: &'static str = "mark";
    type State = mpsc::UnboundedSender<Instant>;
    type Output = ();

    fn policy() -> Policy {
        Policy { keep: Duration::ZERO, ..Policy::default() }
    }

    async fn run(self, started: Self::State, _: JobContext) -> JobResult {
        let _ = started.send(Instant::now());
        Ok(())
    }
}

/// Waits a tenth of a second.
#[derive(Serialize, Deserialize)]
pub(crate) struct Wait {}

impl Job for Wait {
    const NAME: &'static str = "wait";
    type State = Count;
    type Output = ();

    fn policy() -> Policy {
        Noop::policy()
    }

    async fn run(self, count: Count, _: JobContext) -> JobResult {
        tokio::time::sleep(Duration::from_millis(100)).await;
        count.one_more();
        Ok(())
    }
}

impl Count {
    pub(crate) fn up_to(goal: usize) -> Self {
        Self { done: Arc::default(), goal, reached: Arc::default() }
    }

    fn one_more(&self) {
        if self.done.fetch_add(1, Ordering::Relaxed) + 1 == self.goal {
            self.reached.notify_one();
        }
    }
}
