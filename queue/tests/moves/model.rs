//! Random moves by several workers, which crash, sleep past their leases and settle late, against a simple reference.
//!
//! After each move the answer, the whole state and the invariants are compared. The seed is in the failure's message:
//! `CELERIAC_TEST_SEED=<seed>` runs the same cases again, `CELERIAC_TEST_CASES=<number>` runs more of them.

mod moves;
mod reference;
mod view;

use std::time::Duration;

use celeriac_queue::{
    Cancelled, Completion, Consumer, Delivery, EnqueueOptions, Enqueued, Error, LeaseState, Notice, Pause, Policy, Settled, State, Unique,
    UniqueScope,
};
use proptest::test_runner::{Config, RngAlgorithm, TestError, TestRng, TestRunner};

use super::complete::done;
use crate::support::{MINUTE, Snapshot, TestQueue, job, leases};
use moves::{How, Move, New, Scope, WORKERS, moves};
use reference::{Handout, Reference};
use view::View;

/// About three seconds' worth.
const CASES: u32 = 60;

#[test]
fn whatever_the_workers_do_the_queue_does_what_the_reference_does() {
    let number = |name: &str| std::env::var(name).ok().map(|text| text.parse::<u64>().unwrap_or_else(|_| panic!("{name} is not a number")));
    let seed = number("CELERIAC_TEST_SEED").unwrap_or_else(rand::random);
    let cases = number("CELERIAC_TEST_CASES").map_or(CASES, |cases| u32::try_from(cases).unwrap());
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
    let config = Config { cases, failure_persistence: None, ..Config::default() };
    let mut bytes = [0; 32];
    bytes[..8].copy_from_slice(&seed.to_le_bytes());
    let mut runner = TestRunner::new_with_rng(config, TestRng::from_seed(RngAlgorithm::ChaCha, &bytes));
    let outcome = runner.run(&moves(), |moves| {
        runtime.block_on(async {
            let mut world = World::new().await;
            for (step, next) in moves.iter().enumerate() {
                world.make(next, step).await;
            }
        });
        Ok(())
    });
    match outcome {
        Ok(()) => {}
        Err(TestError::Fail(reason, moves)) => panic!("with CELERIAC_TEST_SEED={seed} these moves fail:\n{moves:#?}\n{reason}"),
        Err(TestError::Abort(reason)) => panic!("with CELERIAC_TEST_SEED={seed}: {reason}"),
    }
}

/// The queue and the reference, side by side.
struct World {
    queue: TestQueue,
    workers: Vec<Consumer>,
    reference: Reference,
    /// Every delivery there ever was, of whichever worker; a delivery's place here is its name in the reference.
    deliveries: Vec<(usize, Delivery)>,
    /// Every notice that was ever handed out.
    notices: Vec<Notice>,
}

impl World {
    async fn new() -> Self {
        let queue = TestQueue::new().await;
        let workers = (0..WORKERS).map(|number| queue.worker(&format!("w{number}"))).collect();
        Self { queue, workers, reference: Reference::default(), deliveries: Vec::new(), notices: Vec::new() }
    }

    async fn make(&mut self, next: &Move, step: usize) {
        self.both(next, step).await;
        let snapshot = self.queue.snapshot().await;
        snapshot.assert_sound();
        let is_token_there = !snapshot.list("wake").is_empty();
        assert!(
            is_token_there || !self.reference.hands_out_work(examiner(&snapshot).is_some()),
            "after step {step}, {next:?}: work is ready and nobody is woken for it"
        );
        let tokens: Vec<&str> = self.deliveries.iter().map(|(_, delivery)| delivery.token.as_str()).collect();
        assert_eq!(View::of_queue(&snapshot), View::of_reference(&self.reference, &tokens), "after step {step}, {next:?}");
    }

    /// Makes a move in the queue and in the reference; both must give the same answer.
    async fn both(&mut self, next: &Move, step: usize) {
        let Self { queue, reference, .. } = self;
        match *next {
            Move::Enqueue(new) => self.enqueue(&[new], step).await,
            Move::EnqueueMany(ref many) => self.enqueue(many, step).await,
            Move::EndPeriod { unique } => {
                if reference.end_period(unique) {
                    queue.put_in_the_past("unique_until", unique, 1).await;
                }
            }
            Move::SetLimits(ref limits) => {
                queue.client.set_limits(&queue.name, limits).await.unwrap();
                reference.limits = limits.clone();
            }
            Move::Overtake => {
                let _: u64 = queue.raw("HSET", "meta", &["passed", "14"]).await;
                reference.overtake(14);
            }
            Move::FallDue { id } => {
                if let Some(moment) = reference.fall_due(id) {
                    queue.put_in_the_past("scheduled", id, moment).await;
                }
            }
            Move::LoseLease { id } => {
                if let Some(moment) = reference.lose_lease(id) {
                    queue.put_in_the_past("running", id, moment).await;
                }
            }
            Move::Crash { worker } => self.crash(worker).await,
            Move::Outage => {
                queue.set_touched_ago(3_600_000).await;
                reference.outage();
            }
            Move::Claim { worker, credit } => self.claim(worker, credit).await,
            Move::Extend { worker } => self.extend(worker).await,
            Move::Release { worker } => self.release(worker).await,
            Move::Settle { which, how } => self.settle(which, how).await,
            Move::Cancel { id } => {
                let answer = match queue.client.cancel(&queue.name, &job(id), "ada").await {
                    Err(Error::NoSuchJob { .. }) => None,
                    answer => Some(answer.unwrap()),
                };
                assert_eq!(answer, reference.cancel(id));
            }
            Move::Requeue { id } => {
                let answer = match queue.client.requeue(&queue.name, &job(id)).await {
                    Err(Error::NoSuchJob { .. }) => None,
                    answer => Some(answer.unwrap()),
                };
                assert_eq!(answer, reference.requeue(id));
            }
            Move::Replay { id, later } => {
                let delay = if later { MINUTE } else { Duration::ZERO };
                let answer = queue.client.replay(&queue.name, &[(job(id), delay)]).await.unwrap().remove(0).unwrap();
                assert_eq!(answer, reference.replay(id, later));
            }
            Move::Delete { id } => {
                let answer = queue.client.delete(&queue.name, &[job(id)], false).await.unwrap();
                assert_eq!(answer, [reference.delete(id)]);
            }
            Move::Acknowledge { which } => {
                if let Some(notice) = self.notices.get(which % self.notices.len().max(1)) {
                    self.workers[0].acknowledge(notice).await.unwrap();
                    reference.acknowledge(notice.id.as_str(), notice.visible_at);
                }
            }
            Move::LoseNotice { id } => {
                if reference.lose_notice(id) {
                    queue.put_in_the_past("notices", id, 1).await;
                }
            }
            Move::Prune { id } => {
                if let Some(set) = reference.kept_in(id) {
                    queue.put_in_the_past(set, id, 1).await;
                }
                assert_eq!(self.workers[0].prune().await.unwrap(), reference.prune(id));
            }
            Move::Forget { id } => {
                let _: u64 = queue.raw("ZREM", "seen", &[id]).await;
                reference.forget(id);
            }
            Move::Pause => {
                let pause = Pause { reason: "lunch".into(), by: "ada".into(), at: 1, resume_at: None, cause: None };
                queue.client.pause(&queue.name, &pause).await.unwrap();
                reference.pause();
            }
            Move::Resume => assert_eq!(queue.client.resume(&queue.name).await.unwrap(), reference.resume()),
        }
    }

    async fn crash(&mut self, worker: usize) {
        for which in self.of(worker) {
            if let Some(id) = self.reference.held(which)
                && let Some(moment) = self.reference.lose_lease(&id)
            {
                self.queue.put_in_the_past("running", &id, moment).await;
            }
        }
    }

    async fn enqueue(&mut self, jobs: &[New], arguments: usize) {
        let options = |new: &New| EnqueueOptions {
            id: Some(job(new.id)),
            priority: Some(new.priority),
            delay: new.later.then_some(MINUTE),
            key: new.key.map(str::to_owned),
            units: new.units,
            unique: new.unique.map(|(key, scope, conflict)| Unique::by(key).scope(scope.into()).on_conflict(conflict)),
            ..EnqueueOptions::default()
        };
        let raw = jobs.iter().map(|new| ("note".to_owned(), arguments.to_string().into_bytes(), options(new))).collect();
        let answers = self.queue.client.enqueue_many(&self.queue.name, raw, &Policy::default()).await.unwrap();
        for (new, answer) in jobs.iter().zip(answers) {
            assert_eq!(EnqueueAnswer::of(new, &answer), self.reference.enqueue(*new, arguments), "{new:?}");
        }
    }

    /// As a worker does whose turn it is: it takes the wake token, if there is one, and claims.
    async fn claim(&mut self, worker: usize, credit: usize) {
        self.queue.take_token().await;
        let before = self.queue.snapshot().await;
        let is_idle = self.reference.is_idle(worker);
        let consumer = &self.workers[worker];
        let claim = if is_idle { consumer.claim_when_idle(credit, 2).await } else { consumer.claim(credit, 2).await }.unwrap();
        let is_haunted = !before.set("ghosts").is_empty();
        self.reference.claim(&Handout { worker, is_idle, credit, examiner: examiner(&before), is_haunted, answer: &claim });
        for delivery in &claim.deliveries {
            let tries = delivery.tries;
            assert_eq!((tries.attempts, tries.losses, tries.snoozes), self.reference.tries(delivery.id.as_str()), "{}", delivery.id);
        }
        self.reference.hand_out_notices(&claim.notices, 2);
        self.notices.extend(claim.notices);
        self.deliveries.extend(claim.deliveries.into_iter().map(|delivery| (worker, delivery)));
    }

    /// With everything it ever got: as a worker does that does not know what it has lost.
    async fn extend(&mut self, worker: usize) {
        let mine: Vec<usize> = self.of(worker);
        if mine.is_empty() {
            return;
        }
        let held: Vec<_> = mine.iter().map(|which| self.lease(*which)).collect();
        let states: Vec<LeaseState> = self.workers[worker].extend(&held).await.unwrap();
        assert_eq!(states, self.reference.extend(&mine));
    }

    async fn release(&mut self, worker: usize) {
        let mine: Vec<usize> = self.of(worker);
        let held: Vec<_> = mine.iter().map(|which| self.lease(*which)).collect();
        let settled: Vec<Settled> = self.workers[worker].release(&held).await.unwrap();
        assert_eq!(settled, self.reference.release(&mine));
    }

    async fn settle(&mut self, which: usize, how: How) {
        if self.deliveries.is_empty() {
            return;
        }
        let which = which % self.deliveries.len();
        let (worker, delivery) = &self.deliveries[which];
        let (worker, id, token) = (&self.workers[*worker], &delivery.id, delivery.token.as_str());
        let settled = match how {
            How::Complete { keep } => {
                let completion: Completion = done(delivery, if keep { 60 } else { 0 });
                worker.complete(&[completion]).await.unwrap()[0]
            }
            How::Retry => worker.retry(id, token, MINUTE, "no luck").await.unwrap(),
            How::Snooze => worker.snooze(id, token, MINUTE).await.unwrap(),
            How::Bury => worker.bury(id, token, "failed", "no luck").await.unwrap(),
            How::Expire => worker.expire(id, token).await.unwrap(),
            How::Cancel => worker.cancel(id, token, "enough").await.unwrap(),
        };
        assert_eq!(settled, self.reference.settle(which, how));
    }

    fn of(&self, worker: usize) -> Vec<usize> {
        (0..self.deliveries.len()).filter(|which| self.deliveries[*which].0 == worker).collect()
    }

    fn lease(&self, which: usize) -> (celeriac_queue::JobId, String) {
        leases(std::slice::from_ref(&self.deliveries[which].1)).remove(0)
    }
}

/// What a cancellation from outside answers, `None` for an unknown job.
type CancelAnswer = Option<Cancelled>;

/// What became of an enqueue.
#[derive(Debug, PartialEq, Eq)]
enum EnqueueAnswer {
    Fresh(State),
    Known,
    /// By the job that has the unique key.
    Held(String),
    Replaced(String),
}

impl EnqueueAnswer {
    fn of(new: &New, answer: &Enqueued) -> Self {
        let Enqueued { id, state, duplicate, replaced, .. } = answer;
        match (duplicate, replaced) {
            (false, _) => Self::Fresh(*state),
            (true, true) => Self::Replaced(id.to_string()),
            (true, false) if id.as_str() == new.id => Self::Known,
            (true, false) => Self::Held(id.to_string()),
        }
    }
}

impl From<Scope> for UniqueScope {
    fn from(scope: Scope) -> Self {
        match scope {
            Scope::Queued => Self::Queued,
            Scope::Running => Self::Running,
            Scope::Period => Self::Period(60 * MINUTE),
        }
    }
}

/// The worker that empties itself for a suspect; workers are called `w0`, `w1` and so on.
fn examiner(snapshot: &Snapshot) -> Option<usize> {
    let text = String::from_utf8(snapshot.hash("meta").get("examiner")?.clone()).unwrap();
    Some(text.split(':').next()?[1..].parse().unwrap())
}
