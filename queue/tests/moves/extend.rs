//! extend.

use celeriac_queue::{EnqueueOptions, LeaseState, Policy};

use crate::support::{LEASE, TestQueue, claim_suspect, expect, job, leases};

#[tokio::test]
async fn extending_keeps_held_leases_and_changes_nothing_of_lost_ones() {
    let queue = TestQueue::new().await;
    let worker = queue.worker("w1");
    let (mine, other) = (queue.run(&worker, "mine").await, queue.run(&queue.worker("w2"), "other").await);
    queue.put("ready").await;
    queue.put_in_the_past("running", "mine", 1).await;
    queue.put_in_the_past("running", "other", 2).await;

    let asked = [
        (mine.id.clone(), mine.token.clone()),
        (other.id.clone(), "a wrong token".to_owned()),
        (job("ready"), mine.token.clone()),
        (job("unknown"), mine.token.clone()),
    ];
    let after = expect(
        "jobs mine other ready
         leases mine=w1 other=w2
         running other@past mine@+1m
         ready:5 ready
         meta touched@now
         stats enqueued=3
         wake 1",
    );
    for call in ["first", "second"] {
        let states = worker.extend(&asked).await.unwrap();
        assert_eq!(states, [LeaseState::Kept, LeaseState::Lost, LeaseState::Lost, LeaseState::Lost], "{call} call");
        assert_eq!(queue.state().await, after, "{call} call");
    }
}

#[tokio::test]
async fn a_worker_that_slept_past_its_lease_keeps_it_only_until_somebody_recovers_the_job() {
    let queue = TestQueue::new().await;
    let (sleeper, other) = (queue.worker("sleeper"), queue.worker("other"));
    let delivery = queue.run(&sleeper, "a").await;
    queue.put_in_the_past("running", "a", 1).await;
    let held = [(delivery.id, delivery.token)];
    assert_eq!(sleeper.extend(&held).await.unwrap(), [LeaseState::Kept]);

    queue.put_in_the_past("running", "a", 1).await;
    claim_suspect(&other).await;
    let before = queue.state().await;
    assert_eq!(sleeper.extend(&held).await.unwrap(), [LeaseState::Lost]);
    assert_eq!(queue.state().await, before);
}

#[tokio::test]
async fn extending_tells_that_a_cancellation_was_asked_for() {
    let queue = TestQueue::new().await;
    let worker = queue.worker("w1");
    let (a, b) = (queue.run(&worker, "a").await, queue.run(&worker, "b").await);
    queue.client.cancel(&queue.name, &a.id, "ada").await.unwrap();
    let states = worker.extend(&leases(&[a, b])).await.unwrap();
    assert_eq!(states, [LeaseState::CancelAsked, LeaseState::Kept]);
}

#[tokio::test]
async fn more_leases_than_one_script_takes_are_all_extended() {
    let queue = TestQueue::new().await;
    let worker = queue.worker("w1");
    let mut held = Vec::new();
    for _ in 0..3 {
        let jobs = (0..500).map(|_| ("note".to_owned(), b"{}".to_vec(), EnqueueOptions::default())).collect();
        queue.client.enqueue_many(&queue.name, jobs, &Policy::default()).await.unwrap();
        held.extend(leases(&worker.claim(500, 0).await.unwrap().deliveries));
    }
    for (id, _) in &held {
        queue.put_in_the_past("running", id.as_str(), 1).await;
    }
    let states = worker.extend(&held).await.unwrap();
    assert_eq!(states, vec![LeaseState::Kept; 1_500]);
    let now = queue.connection.time_ms().await.unwrap() as f64;
    let longest = LEASE.as_millis() as f64;
    assert!(queue.snapshot().await.zset("running").iter().all(|(_, expiry)| *expiry > now && *expiry <= now + longest));
}
