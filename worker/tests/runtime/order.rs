//! Which job comes next, and how soon.

use std::time::{Duration, Instant};

use celeriac_queue::{EnqueueOptions, Policy, QueueName, Registry, State};
use celeriac_worker::Sharing;
use tokio::sync::mpsc;

use crate::harness::Stage;
use crate::job;

type Seen = mpsc::UnboundedSender<String>;

#[tokio::test]
async fn queues_are_served_in_the_order_they_are_named() {
    job!(Say, "say", Seen, Policy::default(), |seen: Seen, ctx: celeriac_queue::JobContext| async move {
        seen.send(ctx.queue().to_string())?;
        Ok(())
    });
    let stage = Stage::new().await;
    let queues: Vec<QueueName> = ["urgent", "normal", "later"].map(|name| QueueName::parse(name).unwrap()).to_vec();
    for queue in queues.iter().rev().cycle().take(9) {
        stage.enqueue_with(&Say, EnqueueOptions { queue: Some(queue.clone()), ..EnqueueOptions::default() }).await;
    }
    let (says, mut said) = mpsc::unbounded_channel();
    let mut config = stage.config();
    (config.queues, config.concurrency) = (queues, 1);
    let worker = stage.start_with(Registry::new().with::<Say>(says), config);
    let mut order = Vec::new();
    while order.len() < 9 {
        order.push(said.recv().await.unwrap());
    }
    let expected: Vec<&str> = ["urgent", "normal", "later"].iter().flat_map(|name| [*name; 3]).collect();
    assert_eq!(order, expected);
    worker.stop().await;
}

#[tokio::test]
async fn with_weights_both_queues_have_their_share_and_one_alone_has_every_slot() {
    job!(Say, "say", Seen, Policy::default(), |seen: Seen, ctx: celeriac_queue::JobContext| async move {
        seen.send(ctx.queue().to_string())?;
        Ok(())
    });
    let stage = Stage::new().await;
    let queues: Vec<QueueName> = ["often", "seldom"].map(|name| QueueName::parse(name).unwrap()).to_vec();
    for queue in queues.iter().flat_map(|queue| std::iter::repeat_n(queue, 100)) {
        stage.enqueue_with(&Say, EnqueueOptions { queue: Some(queue.clone()), ..EnqueueOptions::default() }).await;
    }
    let (says, mut said) = mpsc::unbounded_channel();
    let mut config = stage.config();
    (config.queues, config.sharing, config.concurrency) = (queues, Sharing::Weighted(vec![3, 1]), 1);
    let worker = stage.start_with(Registry::new().with::<Say>(says), config);
    let mut order = Vec::new();
    while order.len() < 200 {
        order.push(said.recv().await.unwrap());
    }
    // 75 of the first 100 are expected; 26 are six standard deviations.
    let often = order[..100].iter().filter(|queue| *queue == "often").count();
    assert!(often.abs_diff(75) <= 26, "of the first hundred {often} came from the queue with three of four shares");
    worker.stop().await;
}

#[tokio::test]
async fn an_idle_worker_begins_a_new_job_at_once_and_a_delayed_one_when_it_is_due() {
    job!(Tick, "tick", mpsc::UnboundedSender<Instant>, Policy::default(), |ticks: mpsc::UnboundedSender<Instant>, _| async move {
        ticks.send(Instant::now())?;
        Ok(())
    });
    let stage = Stage::new().await;
    let (ticks, mut ticked) = mpsc::unbounded_channel();
    let worker = stage.start(Registry::new().with::<Tick>(ticks));
    // The first one finds the worker starting up, the second one idle.
    for _ in 0..2 {
        let enqueued = stage.enqueue(&Tick).await;
        ticked.recv().await.unwrap();
        stage.in_state(&enqueued, State::Finished).await;
    }
    let enqueued_at = Instant::now();
    stage.enqueue(&Tick).await;
    let begun_after = ticked.recv().await.unwrap() - enqueued_at;
    assert!(begun_after < Duration::from_millis(100), "it began after {begun_after:?}");

    let delay = Duration::from_millis(300);
    let enqueued_at = Instant::now();
    stage.enqueue_with(&Tick, EnqueueOptions { delay: Some(delay), ..EnqueueOptions::default() }).await;
    let begun_after = ticked.recv().await.unwrap() - enqueued_at;
    assert!(begun_after >= delay && begun_after < delay + Duration::from_millis(100), "it began after {begun_after:?}");
    worker.stop().await;
}

#[tokio::test]
async fn a_worker_holds_no_more_jobs_than_it_has_slots() {
    job!(Endless, "endless", (), Policy::default(), |(), _| std::future::pending());
    let stage = Stage::new().await;
    let mut jobs = Vec::new();
    for _ in 0..10 {
        jobs.push(stage.enqueue(&Endless).await);
    }
    let mut config = stage.config();
    (config.concurrency, config.grace) = (3, Duration::ZERO);
    let worker = stage.start_with(Registry::new().with::<Endless>(()), config);
    stage.in_state(&jobs[2], State::Running).await;
    let queue = stage.inspector.queue(&stage.queue).await.unwrap();
    assert_eq!((queue.running, queue.ready), (3, 7));
    worker.stop().await;
}
