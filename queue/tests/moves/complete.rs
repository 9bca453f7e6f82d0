//! complete.

use std::time::Duration;

use celeriac_queue::{Completion, Delivery, EnqueueOptions, LeaseConfig, Outcome, Policy, Settled, State};

use crate::support::{LEASE, TestQueue, claim_one, claim_suspect, expect, job};

/// As a worker settles it: the output 42, the record kept for so many minutes, the id remembered as the envelope asks.
pub(crate) fn done(delivery: &Delivery, keep_minutes: u64) -> Completion {
    let mut outcome = Outcome::new(State::Finished, delivery.claimed_at);
    outcome.output = Some(42.into());
    Completion {
        id: delivery.id.clone(),
        token: delivery.token.clone(),
        keep_ms: keep_minutes * 60_000,
        remember_ms: delivery.envelope.as_ref().unwrap().remember_ms.unwrap_or(0),
        outcome: serde_json::to_string(&outcome).unwrap(),
        next: None,
    }
}

#[tokio::test]
async fn a_kept_job_leaves_its_record_and_the_second_call_changes_nothing() {
    let queue = TestQueue::new().await;
    let worker = queue.worker("w1");
    queue.put_first("a", 3).await;
    let delivery = claim_one(&worker).await;
    let completion = done(&delivery, 60);
    assert_eq!(worker.complete(std::slice::from_ref(&completion)).await.unwrap(), [Settled::Done]);
    let after = expect(
        "jobs a
         priorities a=3
         finished a@+1h
         outcomes a=finished[42]
         seen a@+24h
         meta touched@now
         stats enqueued=1 finished=1
         wake 1",
    );
    assert_eq!(queue.state().await, after);

    assert_eq!(worker.complete(&[completion]).await.unwrap(), [Settled::LeaseLost]);
    assert_eq!(queue.state().await, after);
}

#[tokio::test]
async fn a_job_that_is_not_kept_leaves_nothing_but_its_remembered_id() {
    let queue = TestQueue::new().await;
    let worker = queue.worker("w1");
    queue.put_first("a", 3).await;
    let delivery = claim_one(&worker).await;
    // With everything a job can have: a history, tries, progress, a cancellation that came too late.
    worker.retry(&delivery.id, &delivery.token, Duration::ZERO, "no luck").await.unwrap();
    let delivery = claim_one(&worker).await;
    let _: u64 = queue.raw("HSET", "progress", &["a", "{}"]).await;
    queue.client.cancel(&queue.name, &delivery.id, "ada").await.unwrap();
    assert_eq!(worker.complete(&[done(&delivery, 0)]).await.unwrap(), [Settled::Done]);
    assert_eq!(
        queue.state().await,
        expect(
            "seen a@+24h
             meta touched@now
             stats enqueued=1 finished=1 retried=1
             wake 1"
        )
    );
}

#[tokio::test]
async fn a_requeued_job_that_is_not_kept_leaves_no_history_behind() {
    let queue = TestQueue::new().await;
    let worker = queue.worker("w1");
    let delivery = queue.run(&worker, "a").await;
    worker.bury(&delivery.id, &delivery.token, "failed", "no luck").await.unwrap();
    queue.client.requeue(&queue.name, &delivery.id).await.unwrap();
    let delivery = claim_one(&worker).await;
    worker.complete(&[done(&delivery, 0)]).await.unwrap();
    assert_eq!(
        queue.state().await,
        expect(
            "seen a@+24h
             meta touched@now
             stats dead=1 enqueued=1 finished=1 requeued=1
             wake 1"
        )
    );
}

#[tokio::test]
async fn completing_with_a_lost_lease_changes_nothing_while_the_rest_of_the_batch_is_settled() {
    let queue = TestQueue::new().await;
    let (sleeper, worker) = (queue.worker("sleeper"), queue.worker("w1"));
    let lost = queue.run(&sleeper, "lost").await;
    queue.put_in_the_past("running", "lost", 1).await;
    let regained = claim_suspect(&worker).await;
    assert_eq!(regained.id, lost.id);
    let held = queue.run(&sleeper, "held").await;
    queue.put("ready").await;
    let mut never_claimed = done(&held, 60);
    never_claimed.id = job("ready");

    let settled = sleeper.complete(&[done(&lost, 60), never_claimed, done(&held, 60)]).await.unwrap();
    assert_eq!(settled, [Settled::LeaseLost, Settled::LeaseLost, Settled::Done]);
    assert_eq!(
        queue.state().await,
        expect(
            "jobs held lost ready
             leases lost=w1
             running lost@+1m
             ready:5 ready
             finished held@+1h
             outcomes held=finished[42]
             seen held@+24h
             tries lost=0,1,0
             history:lost [sleeper: the worker died or fell silent]
             meta touched@now
             stats enqueued=3 finished=1 recovered=1
             wake 1"
        )
    );
}

#[tokio::test]
async fn a_job_named_twice_in_one_call_is_completed_once() {
    let queue = TestQueue::new().await;
    let worker = queue.worker("w1");
    queue.put_keyed("a", "x").await;
    queue.put_keyed("b", "x").await;
    let (a, b) = (claim_one(&worker).await, claim_one(&worker).await);
    assert_eq!(worker.complete(&[done(&a, 0), done(&a, 0)]).await.unwrap(), [Settled::Done, Settled::LeaseLost]);
    let snapshot = queue.snapshot().await;
    assert_eq!((&snapshot.hash("busy")["x"], &snapshot.hash("stats")["finished"]), (&b"1".to_vec(), &b"1".to_vec()));
    queue.state().await;
    worker.complete(&[done(&b, 0)]).await.unwrap();
    queue.state().await;
}

#[tokio::test]
async fn the_oldest_records_make_room_but_never_one_whose_notice_is_open() {
    let queue = TestQueue::new().await;
    let worker = queue.worker_with("w1", LeaseConfig { lease: LEASE, finished_max: 2, ..LeaseConfig::default() });
    let noticed = queue.run(&worker, "noticed").await;
    worker.expire(&noticed.id, &noticed.token).await.unwrap();
    queue.put_in_the_past("finished", "noticed", 1).await;
    for (id, keep_minutes) in [("first", 1), ("second", 2), ("third", 3)] {
        let delivery = queue.run(&worker, id).await;
        worker.complete(&[done(&delivery, keep_minutes)]).await.unwrap();
    }
    let kept = queue.snapshot().await.members("finished");
    assert!(kept.contains("noticed") && kept.contains("third"), "{kept:?}");
    assert!(kept.len() <= 3, "{kept:?}");
    queue.state().await;
}

#[tokio::test]
async fn a_batch_of_thousands_is_settled_whole() {
    let queue = TestQueue::new().await;
    let worker = queue.worker("w1");
    let mut deliveries = Vec::new();
    for _ in 0..4 {
        let options = || EnqueueOptions { delay: Some(Duration::ZERO), ..EnqueueOptions::default() };
        let jobs = (0..500).map(|_| ("note".to_owned(), b"{}".to_vec(), options())).collect();
        queue.client.enqueue_many(&queue.name, jobs, &Policy::default()).await.unwrap();
        deliveries.extend(worker.claim(500, 0).await.unwrap().deliveries);
    }
    let completions: Vec<Completion> = deliveries.iter().enumerate().map(|(n, delivery)| done(delivery, (n % 2) as u64)).collect();
    assert_eq!(worker.complete(&completions).await.unwrap(), vec![Settled::Done; 2_000]);
    assert_eq!(queue.snapshot().await.members("finished").len(), 1_000);
    queue.state().await;
}
