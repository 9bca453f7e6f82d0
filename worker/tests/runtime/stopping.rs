//! How a worker ends.

use std::sync::mpsc::Receiver;
use std::sync::{Arc, Mutex};
use std::time::{Duration, Instant};

use celeriac_queue::{Policy, Registry, State, Tries, Workers};
use tokio::sync::Notify;
use tokio::sync::mpsc::{UnboundedSender, unbounded_channel};

use crate::harness::{Stage, eventually};
use crate::job;

#[tokio::test]
async fn unfinished_jobs_go_back_to_the_head_in_their_order_and_their_delivery_is_not_counted() {
    job!(Endless, "endless", (), Policy::default(), |(), _| std::future::pending());
    let stage = Stage::new().await;
    let first = [stage.enqueue(&Endless).await, stage.enqueue(&Endless).await];
    let mut config = stage.config();
    (config.concurrency, config.grace) = (2, Duration::ZERO);
    let worker = stage.start_with(Registry::new().with::<Endless>(()), config);
    stage.in_state(&first[1], State::Running).await;
    let behind = stage.enqueue(&Endless).await;
    worker.stop().await;
    let ready: Vec<String> = redis::cmd("LRANGE").arg(stage.key("ready:5")).arg(0).arg(-1).query(&mut stage.redis()).unwrap();
    assert_eq!(ready, [&first[0].id, &first[1].id, &behind.id].map(ToString::to_string));
    for job in &first {
        let view = stage.job(job).await;
        assert_eq!((view.state, view.tries, view.history.len()), (State::Ready, Tries::default(), 0));
    }
}

#[tokio::test]
async fn a_stopping_worker_lets_running_jobs_finish_and_begins_no_other() {
    type Gate = (Arc<Notify>, Arc<Notify>);
    job!(Slow, "slow", Gate, Policy::default(), |(begun, go_on): Gate, _| async move {
        begun.notify_one();
        go_on.notified().await;
        Ok(())
    });
    let stage = Stage::new().await;
    let (begun, go_on) = Gate::default();
    let worker = stage.start(Registry::new().with::<Slow>((Arc::clone(&begun), Arc::clone(&go_on))));
    let running = stage.enqueue(&Slow).await;
    begun.notified().await;
    worker.stop.trigger();
    let card = eventually("the card says that it stops", async || {
        Workers::new(stage.connection.clone()).list().await.unwrap().into_iter().find(|card| card.stopping)
    })
    .await;
    assert_eq!((card.in_flight, card.host.as_str()), (1, "test"));
    let late = stage.enqueue(&Slow).await;
    go_on.notify_one();
    worker.stopped().await;
    assert_eq!(stage.job(&running).await.state, State::Finished);
    assert_eq!(stage.job(&late).await.state, State::Ready);
    assert_eq!(Workers::new(stage.connection.clone()).list().await.unwrap(), [], "the card is withdrawn");
}

#[tokio::test]
async fn a_second_signal_ends_the_grace_period() {
    job!(Endless, "endless", (), Policy::default(), |(), _| std::future::pending());
    let stage = Stage::new().await;
    let mut config = stage.config();
    config.grace = Duration::from_secs(3_600);
    let worker = stage.start_with(Registry::new().with::<Endless>(()), config);
    let enqueued = stage.enqueue(&Endless).await;
    stage.in_state(&enqueued, State::Running).await;
    let stopped_at = Instant::now();
    worker.stop.trigger();
    worker.stop.trigger();
    worker.stopped().await;
    assert!(stopped_at.elapsed() < Duration::from_secs(2), "it took {:?}", stopped_at.elapsed());
    assert_eq!(stage.job(&enqueued).await.state, State::Ready);
}

#[test]
fn a_body_that_never_yields_does_not_keep_the_worker_from_stopping() {
    type Gate = (UnboundedSender<()>, Arc<Mutex<Receiver<()>>>);
    job!(Blocking, "blocking", Gate, Policy::default(), |(begun, gate): Gate, _| async move {
        begun.send(())?;
        Ok(gate.lock().unwrap().recv()?)
    });
    let runtime = tokio::runtime::Builder::new_multi_thread().worker_threads(2).enable_all().build().unwrap();
    let (open, gate) = std::sync::mpsc::channel();
    let (begun, mut begins) = unbounded_channel();
    runtime.block_on(async {
        let stage = Stage::new().await;
        let mut config = stage.config();
        config.grace = Duration::ZERO;
        let worker = stage.start_with(Registry::new().with::<Blocking>((begun, Arc::new(Mutex::new(gate)))), config);
        let enqueued = stage.enqueue(&Blocking).await;
        begins.recv().await.unwrap();
        worker.stop.trigger();
        let sentence = worker.result().await.unwrap_err().to_string();
        assert!(sentence.contains(enqueued.id.as_str()) && sentence.contains("never yield"), "{sentence}");
    });
    drop(open);
    runtime.shutdown_background();
}
