//! Claims jobs for the slots that are free, and waits without polling when there are none to claim.
//!
//! Credit is the number of free slots, so a worker never holds a job that it does not run. While work is left it claims again as soon as a
//! slot is free; else it waits for a wake-up token, or by its own timer for the next moment that something is due in one of the queues.
//!
//! A job that may have killed its last worker is run alone: it takes every slot. Where one waits for this worker, nothing is claimed until
//! all slots are free.

use std::sync::Arc;
use std::time::Duration;

use celeriac_queue::{Claim, Company, Consumer, Error};
use tokio::sync::{OwnedSemaphorePermit, Semaphore, mpsc};
use tokio::time::{Instant, sleep_until};
use tokio_util::sync::CancellationToken;

use crate::absent::Absent;
use crate::held::Held;
use crate::mover::Hurry;
use crate::notices::Notices;
use crate::run::Run;
use crate::shares::Shares;
use crate::trouble::Trouble;
use crate::waking::{Heard, Waking};

/// Jobs one claim asks for at most, so that its script stays short for everybody else.
const CREDIT_MAX: usize = 500;
/// A token can be lost with the worker that took it, so every queue is looked at this often without one.
const FALLBACK: Duration = Duration::from_secs(10);
/// While no slot is free, queues are looked at no more often than this (for lost leases and notices).
const LOOK_WHILE_FULL: Duration = Duration::from_secs(2);
/// When something is due that this claim could not move (more lost leases than one claim recovers, say).
const LOOK_WHILE_STUCK: Duration = Duration::from_millis(100);
const DUTY: &str = "claiming jobs";

pub(crate) struct Fetcher {
    queues: Vec<Watched>,
    shares: Shares,
    slots: Arc<Semaphore>,
    concurrency: usize,
    /// The place of the queue in which a suspect waits until this worker holds no job.
    emptying_for: Option<usize>,
    outlet: Outlet,
    waking: Waking,
    absent: Absent,
    trouble: Trouble,
}

/// Where goes what was claimed.
pub(crate) struct Outlet {
    pub(crate) held: Held,
    pub(crate) arrivals: mpsc::Sender<Run>,
    pub(crate) notices: Notices,
}

struct Watched {
    consumer: Arc<Consumer>,
    /// To have its transfers moved.
    hurry: Hurry,
    /// When to look again, if nothing else says so before.
    look_at: Instant,
    /// Whether the last claim left ready work behind for want of slots.
    work_left: bool,
    /// How often in a row Redis could not be asked: in a cluster the node of one queue may be away, and the others' are not.
    failures: u32,
    /// Left alone until its server answers again.
    is_absent: bool,
}

/// Which queues a round looks at.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Round {
    /// All, in their order.
    All,
    /// Only those in which something is due.
    Due,
}

impl Fetcher {
    pub(crate) fn new(
        consumers: &[Arc<Consumer>],
        hurries: Vec<Hurry>,
        shares: Shares,
        slots: Arc<Semaphore>,
        outlet: Outlet,
        waking: Waking,
        trouble: Trouble,
    ) -> Self {
        let now = Instant::now();
        let watched = |(consumer, hurry)| Watched {
            consumer: Arc::clone(consumer),
            hurry,
            look_at: now,
            work_left: false,
            failures: 0,
            is_absent: false,
        };
        let queues = consumers.iter().zip(hurries).map(watched).collect();
        let concurrency = slots.available_permits();
        let absent = Absent::new(DUTY, trouble.clone());
        Self { queues, shares, slots, concurrency, emptying_for: None, outlet, waking, absent, trouble }
    }

    /// Until told to stop. A claim that is under way then is finished: dropping it would leave its jobs leased to nobody.
    pub(crate) async fn run(mut self, stop: CancellationToken) {
        let mut round = Round::All;
        while !stop.is_cancelled() {
            match self.run_once(round).await {
                Ok(()) if self.queues.iter().all(|queue| queue.failures == 0) => self.trouble.ends(DUTY),
                Ok(()) => {}
                Err(error) => self.trouble.begins(DUTY, error),
            }
            round = tokio::select! {
                next = self.wait() => next,
                () = stop.cancelled() => break,
            };
        }
        self.waking.stop().await;
    }

    /// One claim a queue with the slots that are free, in the order and the shares of the queues; then another where work was left.
    ///
    /// # Errors
    /// The last queue's that could not be asked, and is left alone until its server answers; the others were all the same.
    pub(crate) async fn run_once(&mut self, round: Round) -> Result<(), Error> {
        let mut room = free(&self.slots);
        let mut result = Ok(());
        for turn in self.shares.turns(room.num_permits()) {
            let queue = &mut self.queues[turn.queue];
            if queue.is_absent {
                continue;
            }
            let withheld = self.emptying_for.is_some_and(|suspected| suspected != turn.queue);
            let credit = if withheld { 0 } else { room.num_permits().min(turn.share).min(CREDIT_MAX) };
            let is_due = queue.look_at <= Instant::now();
            if turn.is_second && (credit == 0 || !queue.work_left) {
                continue;
            }
            if !is_due && (round == Round::Due || credit == 0) {
                // Without a look nothing is known: when a slot is free, there may be work for it.
                queue.work_left |= round == Round::All;
                continue;
            }
            let claimed = if credit > 0 && room.num_permits() == self.concurrency {
                queue.consumer.claim_when_idle(credit, self.outlet.notices.room()).await
            } else {
                queue.consumer.claim(credit, self.outlet.notices.room()).await
            };
            let claim = match claimed {
                Ok(claim) => claim,
                Err(error) => {
                    queue.failures += 1;
                    (queue.is_absent, queue.work_left) = (true, false);
                    self.absent.ask(turn.queue, Arc::clone(&queue.consumer), queue.failures);
                    // The others must not wait for a suspect that nobody can hand out.
                    self.emptying_for.take_if(|suspected| *suspected == turn.queue);
                    result = Err(error);
                    continue;
                }
            };
            match claim.company {
                Company::Drain => self.emptying_for = Some(turn.queue),
                Company::Alone | Company::Any if self.emptying_for == Some(turn.queue) && credit > 0 => self.emptying_for = None,
                Company::Alone | Company::Any => {}
            }
            self.receive(turn.queue, claim, &mut room).await;
        }
        result
    }

    async fn receive(&mut self, queue: usize, claim: Claim, room: &mut OwnedSemaphorePermit) {
        let queue = &mut self.queues[queue];
        queue.failures = 0;
        queue.look_at = Instant::now() + until_next_look(claim.next_due);
        queue.work_left = claim.work_left;
        if claim.to_move {
            queue.hurry.hurry();
        }
        for delivery in claim.deliveries {
            let slots = if claim.company == Company::Alone { room.num_permits() } else { 1 };
            let slots = room.split(slots).expect("a claim never answers with more than its credit");
            // The backend outlives the fetcher (see the stop order), so that this only waits, and has room for every slot.
            let _ = self.outlet.arrivals.send(Run::new(delivery, Arc::clone(&queue.consumer), &self.outlet.held, slots)).await;
        }
        for notice in claim.notices {
            self.outlet.notices.take(Arc::clone(&queue.consumer), notice);
        }
    }

    /// Slots that must be free before anything is claimed.
    fn slots_wanted(&self) -> usize {
        if self.emptying_for.is_some() { self.concurrency } else { 1 }
    }

    /// Returns when there may be something to claim, and where.
    async fn wait(&mut self) -> Round {
        let full_until = Instant::now() + LOOK_WHILE_FULL;
        let due_at = self.queues.iter().filter(|queue| !queue.is_absent).map(|queue| queue.look_at).min().unwrap_or(full_until);
        let work_left = self.emptying_for.is_some() || self.queues.iter().any(|queue| queue.work_left);
        let wanted = self.slots_wanted();
        let wanted_permits = u32::try_from(wanted).unwrap_or(u32::MAX);
        loop {
            let has_room = self.slots.available_permits() >= wanted;
            if has_room && work_left {
                return Round::All;
            }
            if has_room {
                self.waking.ask();
            }
            tokio::select! {
                () = sleep_until(if has_room { due_at } else { due_at.max(full_until) }) => return Round::Due,
                _ = self.slots.acquire_many(wanted_permits), if !has_room => {}
                place = self.absent.back() => {
                    let queue = &mut self.queues[place];
                    (queue.is_absent, queue.look_at) = (false, Instant::now());
                    return Round::Due;
                }
                (listener, heard) = self.waking.answer() => match heard {
                    Heard::Token | Heard::LineBroken if self.slots.available_permits() >= wanted => return Round::All,
                    Heard::Token => self.waking.pass_on(listener).await,
                    // Without room there is nothing to claim, and the next look comes when there is.
                    Heard::LineBroken | Heard::Nothing => {}
                },
            }
        }
    }
}

/// How long a queue needs no look, unless a token comes. The claim's answer is never far off while jobs run anywhere: somebody has to
/// notice when their worker dies.
fn until_next_look(next_due: Option<Duration>) -> Duration {
    match next_due {
        None => FALLBACK,
        Some(Duration::ZERO) => LOOK_WHILE_STUCK,
        Some(due) => due.min(FALLBACK),
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
