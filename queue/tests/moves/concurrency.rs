//! Concurrency limits, of a queue and of each key, in every claim of every worker.

use std::time::Duration;

use celeriac_queue::{Consumer, Delivery, EnqueueOptions, KeyLimits, LeaseConfig, Limits};

use super::complete::done;
use crate::support::{LEASE, MINUTE, TestQueue, claim_one, expect, ids, leases};

fn keyed(key: &str) -> EnqueueOptions {
    EnqueueOptions { key: Some(key.to_owned()), ..EnqueueOptions::default() }
}

fn one_a_key() -> Limits {
    Limits { key_concurrency: Some(1), ..Limits::default() }
}

#[tokio::test]
async fn a_queue_runs_no_more_at_once_than_its_limit_and_nobody_is_woken_in_vain() {
    let queue = TestQueue::new().await;
    let (one, other) = (queue.worker("w1"), queue.worker("w2"));
    queue.limit(Limits { concurrency: Some(2), ..Limits::default() }).await;
    queue.put_many("a", 5, EnqueueOptions::default()).await;
    queue.take_token().await;
    let claim = one.claim(5, 0).await.unwrap();
    assert_eq!((ids(&claim.deliveries), claim.work_left), (vec!["a-0", "a-1"], false));
    let claim_of_other = other.claim(5, 0).await.unwrap();
    assert!(claim_of_other.deliveries.is_empty() && !claim_of_other.work_left);
    assert!(!queue.take_token().await, "nobody could get anything");

    one.complete(&[done(&claim.deliveries[0], 0)]).await.unwrap();
    assert!(queue.take_token().await, "there is room for one");
    assert_eq!(ids(&other.claim(5, 0).await.unwrap().deliveries), ["a-2"]);
    queue.state().await;
}

#[tokio::test]
async fn a_queue_below_its_limit_wakes_nobody_when_a_job_ends() {
    let queue = TestQueue::new().await;
    let worker = queue.worker("w1");
    queue.limit(Limits { concurrency: Some(9), ..one_a_key() }).await;
    queue.put_keyed("a", "x").await;
    let delivery = claim_one(&worker).await;
    queue.take_token().await;
    worker.complete(&[done(&delivery, 0)]).await.unwrap();
    assert!(!queue.take_token().await);
}

#[tokio::test]
async fn a_key_at_its_limit_rests_and_the_others_pass() {
    let queue = TestQueue::new().await;
    let worker = queue.worker("w1");
    queue.limit(one_a_key()).await;
    queue.put_many("a", 3, keyed("x")).await;
    queue.put_keyed("b", "y").await;
    queue.put("c").await;
    queue.put("d").await;
    let claim = worker.claim(9, 0).await.unwrap();
    let mut claimed = ids(&claim.deliveries);
    claimed.sort_unstable();
    assert_eq!((claimed, claim.work_left), (vec!["a-0", "b", "c", "d"], false));
    queue.take_token().await;
    let state = queue.state().await;
    assert_eq!(
        state,
        expect(
            r#"jobs a-0 a-1 a-2 b c d
             extras a-0={"key":"x"} a-1={"key":"x"} a-2={"key":"x"} b={"key":"y"}
             leases a-0=w1 b=w1 c=w1 d=w1
             running a-0@+1m b@+1m c@+1m d@+1m
             busy x=1 y=1
             lane:5@x a-1 a-2
             resting 5@x@later
             limits key_concurrency=1
             meta rich touched@now
             stats enqueued=6"#
        )
    );
    let keys = queue.inspector().keys(&queue.name, 9).await.unwrap();
    assert!(keys[0].key == "x" && keys[0].ready == 2 && keys[0].held_back && keys[0].until.is_none());
    assert!(keys[1].key == "y" && !keys[1].held_back);

    assert!(worker.claim(9, 0).await.unwrap().deliveries.is_empty());
    assert_eq!(queue.state().await, state);
}

#[tokio::test]
async fn a_resting_key_goes_on_whichever_way_a_job_of_it_ends() {
    async fn lose(queue: &TestQueue, worker: &Consumer, delivery: &Delivery) {
        queue.put_in_the_past("running", delivery.id.as_str(), 1).await;
        let claim = worker.claim(0, 0).await.unwrap();
        assert!(claim.work_left, "what the loss made room for is to be claimed");
    }
    for way in ["complete", "retry", "snooze", "bury", "expire", "cancel", "release", "loss", "poison"] {
        let queue = TestQueue::new().await;
        let losses_max = if way == "poison" { 1 } else { 3 };
        let worker = queue.worker_with("w1", LeaseConfig { lease: LEASE, losses_max, ..LeaseConfig::default() });
        queue.limit(one_a_key()).await;
        queue.put_keyed("a", "x").await;
        queue.put_keyed("b", "x").await;
        let delivery = worker.claim(5, 0).await.unwrap().deliveries.remove(0);
        assert_eq!(queue.snapshot().await.members("resting").len(), 1);
        queue.take_token().await;
        let (id, token) = (&delivery.id, delivery.token.as_str());
        match way {
            "complete" => drop(worker.complete(&[done(&delivery, 0)]).await.unwrap()),
            "retry" => drop(worker.retry(id, token, MINUTE, "no luck").await.unwrap()),
            "snooze" => drop(worker.snooze(id, token, MINUTE).await.unwrap()),
            "bury" => drop(worker.bury(id, token, "failed", "no luck").await.unwrap()),
            "expire" => drop(worker.expire(id, token).await.unwrap()),
            "cancel" => drop(worker.cancel(id, token, "enough").await.unwrap()),
            "release" => drop(worker.release(&leases(std::slice::from_ref(&delivery))).await.unwrap()),
            _ => lose(&queue, &worker, &delivery).await,
        }
        queue.state().await;
        assert!(queue.take_token().await, "{way}: nobody is woken");
        let mut next = worker.claim_when_idle(5, 0).await.unwrap().deliveries;
        let expected = if way == "release" || way == "loss" { "a" } else { "b" };
        assert_eq!(ids(&next), [expected], "{way}");
        worker.complete(&[done(&next.remove(0), 0)]).await.unwrap();
        queue.state().await;
    }
}

#[tokio::test]
async fn a_key_may_have_a_limit_of_its_own() {
    let queue = TestQueue::new().await;
    let of_x = KeyLimits { concurrency: Some(3), ..KeyLimits::default() };
    queue.limit(Limits { keys: [("x".to_owned(), of_x)].into(), ..one_a_key() }).await;
    for key in ["x", "y"] {
        queue.put_many(key, 5, keyed(key)).await;
    }
    let claimed = queue.worker("w1").claim(9, 0).await.unwrap().deliveries;
    let mut claimed = ids(&claimed);
    claimed.sort_unstable();
    assert_eq!(claimed, ["x-0", "x-1", "x-2", "y-0"]);
    queue.state().await;
}

#[tokio::test]
async fn a_key_at_its_limit_rests_in_every_priority() {
    let queue = TestQueue::new().await;
    let worker = queue.worker("w1");
    queue.limit(one_a_key()).await;
    for (id, priority) in [("a", 0), ("b", 5), ("c", 9)] {
        queue.put_with(id, EnqueueOptions { priority: Some(priority), ..keyed("x") }).await;
    }
    for id in ["a", "b", "c"] {
        let claimed = worker.claim(5, 0).await.unwrap().deliveries;
        assert_eq!(ids(&claimed), [id]);
        assert!(worker.claim(5, 0).await.unwrap().deliveries.is_empty());
        queue.state().await;
        worker.complete(&[done(&claimed[0], 0)]).await.unwrap();
    }
    queue.state().await;
}

#[tokio::test]
async fn thousands_of_keys_at_their_limits_are_met_in_bounded_steps() {
    const KEYS: usize = 2_500;
    let queue = TestQueue::new().await;
    let worker = queue.worker("w1");
    queue.limit(one_a_key()).await;
    let put = async |name: &str| {
        for part in (0..KEYS).collect::<Vec<_>>().chunks(500) {
            let jobs = part.iter().map(|number| ("note".to_owned(), b"{}".to_vec(), keyed(&format!("{name}{number}"))));
            queue.client.enqueue_many(&queue.name, jobs.collect(), &celeriac_queue::Policy::default()).await.unwrap();
        }
    };
    put("k").await;
    for _ in 0..KEYS / 500 {
        assert_eq!(worker.claim(500, 0).await.unwrap().deliveries.len(), 500);
    }
    put("k").await;
    for rested in [1_000, 2_000, 2_500] {
        let claim = worker.claim(500, 0).await.unwrap();
        assert!(claim.deliveries.is_empty());
        assert_eq!((queue.snapshot().await.members("resting").len(), claim.work_left), (rested, rested < KEYS));
    }
    queue.state().await;

    queue.limit(Limits::default()).await;
    for claims in 1..=KEYS / 500 {
        let claim = worker.claim(500, 0).await.unwrap();
        assert_eq!(claim.deliveries.len(), 500, "claim {claims}");
        assert!(claims == KEYS / 500 || claim.work_left || claim.next_due == Some(Duration::ZERO));
    }
    queue.state().await;
}
