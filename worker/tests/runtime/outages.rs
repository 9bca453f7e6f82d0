//! A worker whose connections break.

use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::{Duration, Instant};

use celeriac_queue::{EnqueueOptions, JobContext, JobId, Policy, Registry, State};

use crate::harness::{Stage, eventually, redis_url};
use crate::job;

/// A Redis user of the test's own, so that it can kill its connections and nobody else's.
struct OwnUser {
    name: String,
    admin: redis::Connection,
}

impl OwnUser {
    fn new() -> (Self, String) {
        let name = format!("test-{}", JobId::generate());
        let mut admin = redis::Client::open(redis_url()).unwrap().get_connection().unwrap();
        redis::cmd("ACL").arg("SETUSER").arg(&name).arg(&["on", ">secret", "~*", "&*", "+@all"]).exec(&mut admin).unwrap();
        let (scheme, rest) = redis_url().split_once("://").map(|(scheme, rest)| (scheme.to_owned(), rest.to_owned())).unwrap();
        let host = rest.rsplit('@').next().unwrap();
        let url = format!("{scheme}://{name}:secret@{host}");
        (Self { name, admin }, url)
    }

    /// Kills every connection, as soon as there is one: after an earlier kill they may all be dialling.
    async fn kill_all(&mut self) {
        let deadline = Instant::now() + Duration::from_secs(20);
        loop {
            let killed: usize = redis::cmd("CLIENT").arg("KILL").arg("USER").arg(&self.name).query(&mut self.admin).unwrap();
            if killed > 0 {
                return;
            }
            assert!(Instant::now() < deadline, "the worker has no connection that could be killed");
            tokio::time::sleep(Duration::from_millis(1)).await;
        }
    }
}

impl Drop for OwnUser {
    fn drop(&mut self) {
        let _ = redis::cmd("ACL").arg("DELUSER").arg(&self.name).exec(&mut self.admin);
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn with_every_connection_killed_again_and_again_all_jobs_run_and_nothing_is_left() {
    const JOBS: usize = 2_000;
    job!(Count, "count", Arc<AtomicUsize>, Policy { keep: Duration::ZERO, ..Policy::default() }, |runs: Arc<AtomicUsize>, _| async move {
        runs.fetch_add(1, Ordering::SeqCst);
        Ok(())
    });
    let (mut user, url) = OwnUser::new();
    let stage = Stage::at(url).await;
    let batch = |_| ("count".to_owned(), b"null".to_vec(), EnqueueOptions::default());
    for _ in 0..JOBS / 500 {
        stage.client.enqueue_many(&stage.queue, (0..500).map(batch).collect(), &Policy::default()).await.unwrap();
    }
    let runs = Arc::new(AtomicUsize::new(0));
    let mut config = stage.config();
    // One slot for each kill that a claim's answer may be lost with: a job must not be buried for losing three workers.
    (config.concurrency, config.lease.losses_max) = (16, 50);
    let worker = stage.start_with(Registry::new().with::<Count>(Arc::clone(&runs)), config);
    for share in 1..=8 {
        eventually("another share of the jobs has run", async || (runs.load(Ordering::SeqCst) >= share * JOBS / 10).then_some(())).await;
        user.kill_all().await;
    }
    eventually("every job has run and been settled", async || {
        let jobs: usize = redis::cmd("HLEN").arg(stage.key("jobs")).query(&mut stage.redis()).ok()?;
        (jobs == 0 && runs.load(Ordering::SeqCst) >= JOBS).then_some(())
    })
    .await;
    for key in ["running", "leases", "ready:5", "dead", "scheduled"] {
        let exists: bool = redis::cmd("EXISTS").arg(stage.key(key)).query(&mut stage.redis()).unwrap();
        assert!(!exists, "{key} is left");
    }
    worker.stop().await;
    // Before the user goes that the stage cleans up as.
    drop(stage);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn with_every_connection_killed_again_and_again_no_step_of_a_body_is_run_twice() {
    const STEPS: usize = 150;
    job!(Climb, "climb", Arc<AtomicUsize>, Policy::default(), |ran: Arc<AtomicUsize>, ctx: JobContext| async move {
        for number in 0..STEPS {
            ctx.step(&format!("step-{number}"), async || Ok(ran.fetch_add(1, Ordering::SeqCst))).await?;
        }
        Ok(())
    });
    let (mut user, url) = OwnUser::new();
    let stage = Stage::at(url).await;
    let ran = Arc::new(AtomicUsize::new(0));
    let mut config = stage.config();
    // So long that no kill costs the lease.
    config.lease.lease = Duration::from_secs(60);
    let worker = stage.start_with(Registry::new().with::<Climb>(Arc::clone(&ran)), config);
    let enqueued = stage.enqueue(&Climb).await;
    for share in 1..=5 {
        eventually("some more steps have run", async || (ran.load(Ordering::SeqCst) >= share * STEPS / 6).then_some(())).await;
        user.kill_all().await;
    }
    let view = stage.in_state(&enqueued, State::Finished).await;
    assert_eq!((ran.load(Ordering::SeqCst), view.history.len()), (STEPS, 0));
    assert!(!stage.keys().iter().any(|key| key.contains("step")), "{:?}", stage.keys());
    worker.stop().await;
    // Before the user goes that the stage cleans up as.
    drop(stage);
}
