//! A lease is what a worker runs a job by.

use std::future::pending;
use std::sync::Arc;

use celeriac_queue::{Enqueued, JobContext, JobResult, Policy, Registry, State, Tries};
use tokio::sync::{Notify, mpsc};

use crate::harness::{Stage, eventually};
use crate::job;

/// Makes another worker the holder, as a recovery and a new claim would.
fn steal(stage: &Stage, job: &Enqueued) {
    redis::cmd("HSET").arg(stage.key("leases")).arg(job.id.as_str()).arg("other:token").exec(&mut stage.redis()).unwrap();
}

#[tokio::test]
async fn a_worker_that_lost_its_lease_stops_the_body_and_leaves_the_job_to_its_new_holder() {
    struct Dropped(mpsc::UnboundedSender<()>);
    impl Drop for Dropped {
        fn drop(&mut self) {
            self.0.send(()).unwrap();
        }
    }
    job!(Endless, "endless", mpsc::UnboundedSender<()>, Policy::default(), |dropped, _| async move {
        let _guard = Dropped(dropped);
        pending().await
    });
    let stage = Stage::new().await;
    let (drops, mut dropped) = mpsc::unbounded_channel();
    let worker = stage.start(Registry::new().with::<Endless>(drops));
    let enqueued = stage.enqueue(&Endless).await;
    stage.in_state(&enqueued, State::Running).await;
    steal(&stage, &enqueued);
    dropped.recv().await.unwrap();
    worker.stop().await;
    let view = stage.job(&enqueued).await;
    assert_eq!((view.state, view.tries), (State::Running, Tries::default()));
    let holder: String = redis::cmd("HGET").arg(stage.key("leases")).arg(enqueued.id.as_str()).query(&mut stage.redis()).unwrap();
    assert_eq!(holder, "other:token");
}

#[tokio::test]
async fn completing_with_a_lost_lease_changes_nothing() {
    job!(Slow, "slow", Arc<Notify>, Policy::default(), |go_on: Arc<Notify>, _| async move {
        go_on.notified().await;
        Ok(())
    });
    let stage = Stage::new().await;
    let go_on = Arc::new(Notify::new());
    // A lease so long that no beat tells the worker before it completes.
    let mut config = stage.config();
    config.lease.lease = std::time::Duration::from_secs(600);
    let worker = stage.start_with(Registry::new().with::<Slow>(Arc::clone(&go_on)), config);
    let enqueued = stage.enqueue(&Slow).await;
    stage.in_state(&enqueued, State::Running).await;
    steal(&stage, &enqueued);
    go_on.notify_one();
    worker.stop().await;
    let view = stage.job(&enqueued).await;
    assert_eq!((view.state, view.outcome), (State::Running, None));
}

#[tokio::test]
async fn a_body_that_blocks_its_thread_for_longer_than_the_lease_keeps_its_job() {
    type Gate = std::sync::mpsc::Receiver<()>;
    job!(Blocking, "blocking", Arc<std::sync::Mutex<Gate>>, Policy::default(), |gate: Arc<std::sync::Mutex<Gate>>, ctx: JobContext| {
        // Not a yield in it: the thread is gone until the test opens the gate.
        gate.lock().unwrap().recv().unwrap();
        async move { first_delivery(&ctx) }
    });
    fn first_delivery(ctx: &JobContext) -> JobResult {
        assert_eq!(ctx.tries(), Tries::default());
        Ok(())
    }
    let runtime = tokio::runtime::Builder::new_multi_thread().worker_threads(2).enable_all().build().unwrap();
    let (open, gate) = std::sync::mpsc::channel();
    let gate = Arc::new(std::sync::Mutex::new(gate));
    // The worker has a runtime of its own, so that the test goes on while its thread is blocked.
    let stage = Arc::new(Stage::new().await);
    let running = {
        let (stage, registry) = (Arc::clone(&stage), Registry::new().with::<Blocking>(gate));
        runtime.spawn(async move { stage.start(registry) }).await.unwrap()
    };
    let enqueued = stage.enqueue(&Blocking).await;
    let first = stage.in_state(&enqueued, State::Running).await.until.unwrap();
    eventually("the lease was extended past two lease lengths", async || {
        stage.job(&enqueued).await.until.filter(|until| *until > first + 2_000)
    })
    .await;
    open.send(()).unwrap();
    stage.in_state(&enqueued, State::Finished).await;
    running.stop().await;
    runtime.shutdown_background();
}
