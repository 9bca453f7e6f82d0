//! Claims jobs for the slots that are free, and waits without polling when there are none to claim.
//!
//! Credit is the number of free slots, so a worker never holds a job that it does not run. After a claim that left work behind it claims
//! again as soon as a slot is free; else it waits for a wake-up token, or by its own timer for the next moment that something is due.

use std::sync::Arc;
use std::time::Duration;

use celeriac_queue::{Consumer, Error};
use tokio::sync::{OwnedSemaphorePermit, Semaphore, mpsc};
use tokio::time::{Instant, sleep_until};
use tokio_util::sync::CancellationToken;

use crate::held::Held;
use crate::notices::Notices;
use crate::patience::pause_after;
use crate::run::Run;
use crate::trouble::Trouble;
use crate::waking::{Heard, Waking};

/// Jobs one claim asks for at most, so that its script stays short for everybody else.
const CREDIT_MAX: usize = 500;
/// A token can be lost with the worker that took it: every queue is looked at this often without one.
const FALLBACK: Duration = Duration::from_secs(10);
/// While no slot is free, each queue is still looked at this often for lost leases and notices.
const LOOK_WHILE_FULL: Duration = Duration::from_secs(2);
/// When something is due that no claim can move (a lease in its time of grace, say).
const LOOK_WHILE_STUCK: Duration = Duration::from_millis(100);
const DUTY: &str = "claiming jobs";

pub(crate) struct Fetcher {
    queues: Vec<Watched>,
    slots: Arc<Semaphore>,
    held: Held,
    arrivals: mpsc::Sender<Run>,
    notices: Notices,
    waking: Waking,
    trouble: Trouble,
}

struct Watched {
    consumer: Arc<Consumer>,
    looked_at: Option<Instant>,
}

/// What one round over the queues found.
#[derive(Debug, Default)]
pub(crate) struct Fetched {
    /// Ready work for which there was no slot.
    pub(crate) work_left: bool,
    /// How long until something falls due.
    pub(crate) next_due: Option<Duration>,
}

impl Fetcher {
    pub(crate) fn new(
        consumers: &[Arc<Consumer>],
        slots: Arc<Semaphore>,
        held: Held,
        arrivals: mpsc::Sender<Run>,
        notices: Notices,
        waking: Waking,
        trouble: Trouble,
    ) -> Self {
        let queues = consumers.iter().map(|consumer| Watched { consumer: Arc::clone(consumer), looked_at: None }).collect();
        Self { queues, slots, held, arrivals, notices, waking, trouble }
    }

    /// Until told to stop. A claim that is under way then is finished: dropping it would leave its jobs leased to nobody.
    pub(crate) async fn run(mut self, stop: CancellationToken) {
        let mut failures = 0;
        while !stop.is_cancelled() {
            match self.run_once().await {
                Ok(fetched) => {
                    failures = 0;
                    self.trouble.ends(DUTY);
                    tokio::select! {
                        () = self.wait(&fetched) => {}
                        () = stop.cancelled() => {}
                    }
                }
                Err(error) => {
                    failures += 1;
                    self.trouble.begins(DUTY, error);
                    tokio::select! {
                        () = tokio::time::sleep(pause_after(failures)) => {}
                        () = stop.cancelled() => {}
                    }
                }
            }
        }
        self.waking.stop().await;
    }

    /// One claim a queue, in their order, with the slots that are free.
    pub(crate) async fn run_once(&mut self) -> Result<Fetched, Error> {
        let mut room = free(&self.slots);
        let mut fetched = Fetched::default();
        for queue in &mut self.queues {
            let credit = room.num_permits().min(CREDIT_MAX);
            if credit == 0 && queue.looked_at.is_some_and(|at| at.elapsed() < LOOK_WHILE_FULL) {
                fetched.work_left = true;
                continue;
            }
            let claim = queue.consumer.claim(credit, self.notices.room()).await?;
            queue.looked_at = Some(Instant::now());
            for delivery in claim.deliveries {
                let slot = room.split(1).expect("a claim never answers with more than its credit");
                // The backend outlives the fetcher (see the stop order), so that this only waits, and has room for every slot.
                let _ = self.arrivals.send(Run::new(delivery, Arc::clone(&queue.consumer), &self.held, slot)).await;
            }
            for notice in claim.notices {
                self.notices.take(Arc::clone(&queue.consumer), notice);
            }
            fetched.work_left |= claim.work_left;
            fetched.next_due = [fetched.next_due, claim.next_due].into_iter().flatten().min();
        }
        Ok(fetched)
    }

    /// Returns when there may be something to claim.
    async fn wait(&mut self, fetched: &Fetched) {
        let now = Instant::now();
        let due_at = now
            + match fetched.next_due {
                Some(Duration::ZERO) => LOOK_WHILE_STUCK,
                Some(due) => due.min(FALLBACK),
                None => FALLBACK,
            };
        loop {
            let has_room = self.slots.available_permits() > 0;
            if has_room && fetched.work_left {
                return;
            }
            if has_room {
                self.waking.ask();
            }
            let until = if has_room { due_at } else { due_at.max(now + LOOK_WHILE_FULL) };
            tokio::select! {
                () = sleep_until(until) => return,
                _ = self.slots.acquire(), if !has_room => {}
                heard = self.waking.answer() => match heard {
                    Heard::Token | Heard::LineBroken if self.slots.available_permits() > 0 => return,
                    Heard::Token => self.waking.pass_on().await,
                    // Without room there is nothing to claim, and the next look comes when there is.
                    Heard::LineBroken | Heard::Nothing => {}
                },
            }
        }
    }
}

/// All slots that are free, perhaps none. Only the fetcher takes slots, so they stay free between the two calls.
fn free(slots: &Arc<Semaphore>) -> OwnedSemaphorePermit {
    let count = u32::try_from(slots.available_permits()).unwrap_or(u32::MAX);
    Arc::clone(slots)
        .try_acquire_many_owned(count)
        .or_else(|_| Arc::clone(slots).try_acquire_many_owned(0))
        .expect("the semaphore is never closed, and none can always be taken")
}
