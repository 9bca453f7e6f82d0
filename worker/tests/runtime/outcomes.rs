//! Each way a job can end, and what is left of it.

use std::future::pending;
use std::sync::Arc;
use std::sync::atomic::{AtomicU32, Ordering};
use std::time::{Duration, Instant};

use celeriac_queue::{
    Backoff, Cancelled, EnqueueOptions, Job, JobContext, JobError, JobResult, Origin, Outcome, Policy, Registry, State, Tries,
};
use serde::{Deserialize, Serialize};
use tokio::sync::mpsc;

use crate::harness::{Stage, eventually};
use crate::job;

type Ends = mpsc::UnboundedSender<Outcome>;

/// At once, so that tests need not wait.
fn no_backoff() -> Backoff {
    Backoff { base: Duration::ZERO, factor: 1.0, max: Duration::ZERO, jitter: false }
}

#[tokio::test]
async fn a_completed_job_that_keeps_no_record_leaves_nothing() {
    #[derive(Serialize, Deserialize)]
    struct Add(u32, u32);
    impl Job for Add {
        const NAME: &'static str = "add";
        type State = ();
        type Output = u32;
        fn policy() -> Policy {
            Policy { keep: Duration::ZERO, ..Policy::default() }
        }
        async fn run(self, (): (), ctx: JobContext) -> JobResult<u32> {
            ctx.progress(50.0, "adding").await;
            Ok(self.0 + self.1)
        }
    }
    let stage = Stage::new().await;
    let enqueued = stage.enqueue(&Add(2, 3)).await;
    let (outcome, worker) = tokio::join!(stage.outcome(&enqueued), async {
        // Not before somebody waits for it: without a record there is nothing to find afterwards.
        eventually("the test waits for the job's end", async || stage.keys().contains("{default}:waited").then_some(())).await;
        stage.start(Registry::new().with::<Add>(()))
    });
    assert_eq!((outcome.state, outcome.output), (State::Finished, Some(5.into())));
    assert!(outcome.duration_ms.is_some() && outcome.worker.is_some());
    worker.stop().await;
    let left = stage.keys();
    let lasting = ["queues", "{default}:meta", "{default}:stats", "{default}:wake"];
    assert!(left.iter().all(|key| lasting.contains(&key.as_str())), "{left:?}");
}

#[tokio::test]
async fn a_failing_job_is_retried_then_buried_with_its_causes_and_told_of_its_end() {
    #[derive(Serialize, Deserialize)]
    struct Fail;
    impl Job for Fail {
        const NAME: &'static str = "fail";
        type State = Ends;
        type Output = ();
        fn policy() -> Policy {
            Policy { max_attempts: 3, backoff: no_backoff(), ..Policy::default() }
        }
        async fn run(self, _: Ends, ctx: JobContext) -> JobResult {
            let cause = anyhow::anyhow!("attempt {} of {}", ctx.attempt(), ctx.max_attempts());
            Err(cause.context("the printer is on fire").into())
        }
        async fn on_terminal(self, ends: Ends, _: JobContext, outcome: Outcome) -> anyhow::Result<()> {
            Ok(ends.send(outcome)?)
        }
    }
    let stage = Stage::new().await;
    let (ends, mut ended) = mpsc::unbounded_channel();
    let worker = stage.start(Registry::new().with::<Fail>(ends));
    let enqueued = stage.enqueue(&Fail).await;
    let told = ended.recv().await.unwrap();
    assert_eq!((told.state, told.kind.as_deref()), (State::Dead, Some("failed")));
    assert_eq!(told.reason.as_deref(), Some("the printer is on fire: attempt 3 of 3"));
    let view = stage.in_state(&enqueued, State::Dead).await;
    let errors: Vec<&str> = view.history.iter().map(|attempt| attempt.error.as_str()).collect();
    assert_eq!(errors, [1, 2, 3].map(|n| format!("the printer is on fire: attempt {n} of 3")));
    eventually("the notice is acknowledged", async || (stage.inspector.queue(&stage.queue).await.unwrap().notices == 0).then_some(()))
        .await;
    worker.stop().await;
}

#[tokio::test]
async fn a_panic_is_a_failed_attempt_and_the_worker_goes_on() {
    job!(Panic, "panic", (), Policy { max_attempts: 1, ..Policy::default() }, |(), _| async { panic!("boom {}", 7) });
    job!(Calm, "calm", (), Policy::default(), |(), _| async { Ok(()) });
    let stage = Stage::new().await;
    let worker = stage.start(Registry::new().with::<Panic>(()).with::<Calm>(()));
    let panicking = stage.enqueue(&Panic).await;
    let outcome = stage.in_state(&panicking, State::Dead).await.outcome.unwrap();
    assert_eq!((outcome.kind.as_deref(), outcome.reason.as_deref()), (Some("failed"), Some("it panicked: boom 7")));
    let calm = stage.enqueue(&Calm).await;
    stage.in_state(&calm, State::Finished).await;
    worker.stop().await;
}

#[tokio::test]
async fn a_body_that_runs_past_its_limit_is_dropped_and_its_attempt_has_failed() {
    fn policy() -> Policy {
        let (soft, hard) = (Duration::from_millis(20), Duration::from_millis(60));
        Policy { max_attempts: 1, time_limit: hard, soft_time_limit: Some(soft), ..Policy::default() }
    }
    job!(Endless, "endless", Arc<AtomicU32>, policy(), |soft_limits: Arc<AtomicU32>, ctx: JobContext| async move {
        ctx.soft_limit_reached().await;
        soft_limits.fetch_add(1, Ordering::SeqCst);
        pending().await
    });
    let stage = Stage::new().await;
    let soft_limits = Arc::new(AtomicU32::new(0));
    let worker = stage.start(Registry::new().with::<Endless>(Arc::clone(&soft_limits)));
    let enqueued = stage.enqueue(&Endless).await;
    let outcome = stage.in_state(&enqueued, State::Dead).await.outcome.unwrap();
    assert_eq!(outcome.reason.as_deref(), Some("it ran longer than its limit of 60 ms"));
    assert_eq!(soft_limits.load(Ordering::SeqCst), 1, "the soft limit comes first");
    worker.stop().await;
}

#[tokio::test]
async fn a_running_job_that_is_cancelled_stops_within_a_second_and_is_told_of_its_end() {
    #[derive(Serialize, Deserialize)]
    struct Endless;
    impl Job for Endless {
        const NAME: &'static str = "endless";
        type State = Ends;
        type Output = ();
        async fn run(self, _: Ends, _: JobContext) -> JobResult {
            pending().await
        }
        async fn on_terminal(self, ends: Ends, _: JobContext, outcome: Outcome) -> anyhow::Result<()> {
            Ok(ends.send(outcome)?)
        }
    }
    let stage = Stage::new().await;
    let (ends, mut ended) = mpsc::unbounded_channel();
    // A long lease, so that not a beat but the message makes it fast.
    let mut config = stage.config();
    config.lease.lease = Duration::from_secs(60);
    let worker = stage.start_with(Registry::new().with::<Endless>(ends), config);
    let enqueued = stage.enqueue(&Endless).await;
    stage.in_state(&enqueued, State::Running).await;
    let asked_at = Instant::now();
    assert_eq!(stage.client.cancel(&enqueued.queue, &enqueued.id, "the test").await.unwrap(), Cancelled::Asked);
    assert_eq!(ended.recv().await.unwrap().state, State::Cancelled);
    assert!(asked_at.elapsed() < Duration::from_secs(1), "it took {:?}", asked_at.elapsed());
    assert_eq!(stage.job(&enqueued).await.state, State::Cancelled);
    worker.stop().await;
}

#[tokio::test]
async fn a_name_that_no_job_has_is_parked_dead_with_a_sentence() {
    job!(Known, "known", (), Policy::default(), |(), _| async { Ok(()) });
    let stage = Stage::new().await;
    let worker = stage.start(Registry::new().with::<Known>(()));
    let payload = b"{}".to_vec();
    let unknown = stage.client.enqueue_raw("unheard_of", payload, &Policy::default(), EnqueueOptions::default()).await.unwrap();
    let outcome = stage.in_state(&unknown, State::Dead).await.outcome.unwrap();
    assert_eq!(outcome.kind.as_deref(), Some("unknown"));
    let reason = outcome.reason.unwrap();
    assert!(reason.contains("\"unheard_of\"") && reason.contains("known"), "{reason}");
    worker.stop().await;
}

#[tokio::test]
async fn the_end_of_a_job_that_one_worker_does_not_know_is_told_by_one_that_does() {
    #[derive(Serialize, Deserialize)]
    struct New;
    impl Job for New {
        const NAME: &'static str = "new";
        type State = Ends;
        type Output = ();
        async fn run(self, _: Ends, _: JobContext) -> JobResult {
            Ok(())
        }
        async fn on_terminal(self, ends: Ends, _: JobContext, outcome: Outcome) -> anyhow::Result<()> {
            Ok(ends.send(outcome)?)
        }
    }
    job!(Old, "old", (), Policy::default(), |(), _| async { Ok(()) });
    let stage = Stage::new().await;
    let old = stage.start(Registry::new().with::<Old>(()));
    let enqueued = stage.enqueue(&New).await;
    stage.in_state(&enqueued, State::Dead).await;
    // Its end in good order waits for the notices it has taken.
    old.stop().await;
    assert_eq!(stage.inspector.queue(&stage.queue).await.unwrap().notices, 1, "nobody was told, and nobody will be");

    // Visible again, as it would be in a minute.
    redis::cmd("ZADD").arg(stage.key("notices")).arg("XX").arg(1).arg(enqueued.id.as_str()).exec(&mut stage.redis()).unwrap();
    let (ends, mut ended) = mpsc::unbounded_channel();
    let new = stage.start(Registry::new().with::<New>(ends));
    assert_eq!(ended.recv().await.unwrap().kind.as_deref(), Some("unknown"));
    eventually("the notice is acknowledged", async || (stage.inspector.queue(&stage.queue).await.unwrap().notices == 0).then_some(()))
        .await;
    new.stop().await;
}

#[tokio::test]
async fn bytes_that_are_no_envelope_are_parked_dead_and_the_worker_goes_on() {
    job!(Known, "known", (), Policy::default(), |(), _| async { Ok(()) });
    let stage = Stage::new().await;
    let (broken, whole) = (stage.enqueue(&Known).await, stage.enqueue(&Known).await);
    redis::cmd("HSET").arg(stage.key("jobs")).arg(broken.id.as_str()).arg("noise").exec(&mut stage.redis()).unwrap();
    let worker = stage.start(Registry::new().with::<Known>(()));
    let outcome = stage.in_state(&broken, State::Dead).await.outcome.unwrap();
    assert_eq!(outcome.kind.as_deref(), Some("undecodable"));
    stage.in_state(&whole, State::Finished).await;
    worker.stop().await;
}

#[tokio::test]
async fn a_job_claimed_past_its_deadline_expires_without_being_run() {
    job!(Never, "never", (), Policy::default(), |(), _| async { Ok(()) });
    let stage = Stage::new().await;
    let options = EnqueueOptions { expires_at: Some(1), ..EnqueueOptions::default() };
    let late = stage.enqueue_with(&Never, options).await;
    let worker = stage.start(Registry::new().with::<Never>(()));
    let view = stage.in_state(&late, State::Expired).await;
    assert_eq!(view.outcome.unwrap().output, None);
    worker.stop().await;
}

#[tokio::test]
async fn a_snoozed_job_gives_its_slot_back_and_spends_no_attempt() {
    job!(Shy, "shy", (), Policy { max_attempts: 1, ..Policy::default() }, |(), ctx: JobContext| async move {
        if ctx.tries().snoozes < 2 { Err(JobError::Snooze(Duration::ZERO, "not yet".into())) } else { Ok(()) }
    });
    let stage = Stage::new().await;
    let worker = stage.start(Registry::new().with::<Shy>(()));
    let enqueued = stage.enqueue(&Shy).await;
    let view = stage.in_state(&enqueued, State::Finished).await;
    assert!(view.history.is_empty(), "{:?}", view.history);
    worker.stop().await;
}

#[tokio::test]
async fn a_job_that_pauses_its_queue_is_kept_and_runs_when_somebody_resumes_it() {
    job!(Keyless, "keyless", Arc<AtomicU32>, Policy { max_attempts: 1, ..Policy::default() }, |runs: Arc<AtomicU32>, _| async move {
        match runs.fetch_add(1, Ordering::SeqCst) {
            0 => Err(JobError::PauseQueue("the key was refused".into())),
            _ => Ok(()),
        }
    });
    let stage = Stage::new().await;
    let runs = Arc::new(AtomicU32::new(0));
    let worker = stage.start(Registry::new().with::<Keyless>(Arc::clone(&runs)));
    let enqueued = stage.enqueue(&Keyless).await;
    let pause = eventually("the queue is paused", async || stage.inspector.queue(&stage.queue).await.unwrap().paused).await;
    assert_eq!(pause.reason, "the key was refused");
    assert!(pause.by.starts_with("worker test:"), "{}", pause.by);
    stage.in_state(&enqueued, State::Ready).await;
    assert_eq!(stage.job(&enqueued).await.tries, Tries { attempts: 0, losses: 0, snoozes: 1 });
    assert_eq!(runs.load(Ordering::SeqCst), 1);
    assert!(stage.client.resume(&stage.queue).await.unwrap());
    stage.in_state(&enqueued, State::Finished).await;
    worker.stop().await;
}

#[tokio::test]
async fn a_job_of_the_outbox_is_refused_by_a_worker_without_a_database() {
    job!(Fine, "fine", (), Policy::default(), |(), _| async { Ok(()) });
    let stage = Stage::new().await;
    let worker = stage.start(Registry::new().with::<Fine>(()));
    let enqueued = stage.enqueue_with(&Fine, EnqueueOptions { origin: Origin::Outbox, ..EnqueueOptions::default() }).await;
    let outcome = stage.in_state(&enqueued, State::Dead).await.outcome.unwrap();
    let reason = outcome.reason.unwrap();
    assert!(reason.contains("set DATABASE_URL"), "{reason}");
    worker.stop().await;
}
