//! Keeps this worker's card in the register of workers, and takes it out at the end.

use std::time::{Duration, SystemTime, UNIX_EPOCH};

use celeriac_queue::{Millis, WorkerId, WorkerView, Workers};
use tokio::time::Instant;
use tokio_util::sync::CancellationToken;

use crate::WorkerConfig;
use crate::held::Held;
use crate::trouble::Trouble;

/// The card is written this often when nothing changes, and lives three times as long.
const EVERY: Duration = Duration::from_secs(10);
/// How often it is compared with what is; a comparison costs Redis nothing.
const LOOK_EVERY: Duration = Duration::from_secs(2);
const DUTY: &str = "announcing the worker";

pub(crate) struct Presence {
    workers: Workers,
    card: WorkerView,
    held: Held,
    trouble: Trouble,
    /// Set once the worker was told to stop.
    stopping: CancellationToken,
}

impl Presence {
    pub(crate) fn new(
        workers: Workers,
        id: WorkerId,
        config: &WorkerConfig,
        held: Held,
        trouble: Trouble,
        stopping: CancellationToken,
    ) -> Self {
        let now = wall_clock_ms();
        let card = WorkerView {
            id,
            host: config.host.clone(),
            pid: std::process::id(),
            version: env!("CARGO_PKG_VERSION").to_owned(),
            queues: config.queues.iter().map(ToString::to_string).collect(),
            concurrency: config.concurrency,
            in_flight: 0,
            started_at: now,
            seen_at: now,
            stopping: false,
            trouble: None,
        };
        Self { workers, card, held, trouble, stopping }
    }

    pub(crate) async fn run(mut self, end: CancellationToken) {
        let mut changes = self.trouble.watch();
        // `None` also when what is on the card could not be written.
        let mut written_at: Option<Instant> = None;
        loop {
            let changed = self.refresh();
            if changed || written_at.is_none_or(|at| at.elapsed() >= EVERY) {
                self.card.seen_at = wall_clock_ms();
                written_at = match self.workers.announce(&self.card, 3 * EVERY.as_millis() as u64).await {
                    Ok(()) => {
                        self.trouble.ends(DUTY);
                        Some(Instant::now())
                    }
                    Err(error) => {
                        self.trouble.begins(DUTY, error);
                        None
                    }
                };
            }
            tokio::select! {
                () = tokio::time::sleep(LOOK_EVERY) => {}
                _ = changes.changed() => {}
                () = self.stopping.cancelled(), if !self.card.stopping => {}
                () = end.cancelled() => break,
            }
        }
        // Should this fail, the card expires by itself.
        let _ = self.workers.withdraw(&self.card.id).await;
    }

    /// Brings the card up to date; whether anything on it changed.
    fn refresh(&mut self) -> bool {
        let (in_flight, stopping, trouble) = (self.held.count(), self.stopping.is_cancelled(), self.trouble.sentence());
        let changed = (in_flight, stopping, &trouble) != (self.card.in_flight, self.card.stopping, &self.card.trouble);
        self.card.in_flight = in_flight;
        self.card.stopping = stopping;
        self.card.trouble = trouble;
        changed
    }
}

/// This machine's clock: what a card shows, not what anything is decided by.
fn wall_clock_ms() -> Millis {
    SystemTime::now().duration_since(UNIX_EPOCH).map_or(0, |since| since.as_millis() as u64)
}
