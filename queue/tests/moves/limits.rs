//! set_limits: from the next claim on, in every worker.

use celeriac_queue::{EnqueueOptions, KeyLimits, Limits, Rate};

use crate::support::{TestQueue, count_of, expect, ids};

fn keyed(key: &str) -> EnqueueOptions {
    EnqueueOptions { key: Some(key.to_owned()), ..EnqueueOptions::default() }
}

#[tokio::test]
async fn limits_hold_from_the_next_claim_on_when_they_are_set_raised_lowered_and_lifted() {
    let queue = TestQueue::new().await;
    let worker = queue.worker("w1");
    let one_a_key = |max| Limits { key_concurrency: Some(max), ..Limits::default() };
    queue.put_many("a", 9, keyed("x")).await;
    let claimed = async || {
        let claim = worker.claim(9, 0).await.unwrap();
        queue.state().await;
        ids(&claim.deliveries).into_iter().map(str::to_owned).collect::<Vec<_>>()
    };
    queue.limit(one_a_key(1)).await;
    assert_eq!(claimed().await, ["a-0"]);
    queue.limit(one_a_key(3)).await;
    assert!(queue.take_token().await, "there is room now");
    assert_eq!(claimed().await, ["a-1", "a-2"]);
    queue.limit(one_a_key(2)).await;
    assert!(claimed().await.is_empty());
    queue.limit(Limits { concurrency: Some(4), ..Limits::default() }).await;
    assert_eq!(claimed().await, ["a-3"]);
    queue.limit(Limits { rate: Some(Rate::parse("1/h burst 2").unwrap()), ..Limits::default() }).await;
    assert_eq!(claimed().await, ["a-4", "a-5"]);
    queue.limit(Limits::default()).await;
    assert_eq!(claimed().await, ["a-6", "a-7", "a-8"]);
    queue.take_token().await;
    let snapshot = queue.snapshot().await;
    for key in ["limits", "buckets", "resting"] {
        assert!(!snapshot.keys.contains_key(key), "{key} is left of limits that are lifted");
    }
    assert!(!snapshot.fields("meta").contains("rich"));
}

#[tokio::test]
async fn limits_are_kept_as_they_were_set_and_the_second_call_changes_nothing() {
    let queue = TestQueue::new().await;
    let of_x = KeyLimits { weight: Some(2.5), concurrency: Some(3) };
    let limits = Limits {
        concurrency: Some(7),
        rate: Some(Rate::parse("1/min burst 2").unwrap()),
        key_concurrency: Some(1),
        key_rate: Some(Rate::parse("1/h burst 3").unwrap()),
        keys: [("x".to_owned(), of_x)].into(),
    };
    queue.limit(limits.clone()).await;
    queue.put("a").await;
    queue.worker("w1").claim(1, 0).await.unwrap();
    let state = queue.state().await;
    assert_eq!(
        state,
        expect(
            "jobs a
             leases a=w1
             running a@+1m
             buckets @+1m
             limits burst=2 concurrency=7 concurrency:x=3 key_burst=3 key_concurrency=1 key_per_ms=3600000 key_rate=1 per_ms=60000 rate=1 weight:x=2.5
             meta rich touched@now
             stats enqueued=1
             wake 1"
        )
    );
    queue.limit(limits.clone()).await;
    assert_eq!(queue.state().await, state, "a bucket was filled by limits that did not change");
    assert_eq!(queue.inspector().limits(&queue.name).await.unwrap(), limits);

    queue.limit(Limits { rate: Some(Rate::parse("2/min burst 2").unwrap()), ..limits }).await;
    assert!(queue.snapshot().await.zset("buckets").is_empty(), "at another rate a bucket begins full");
    queue.limit(Limits::default()).await;
    queue.worker("w1").claim(1, 0).await.unwrap();
    assert_eq!(queue.state().await, expect("jobs a\n leases a=w1\n running a@+1m\n meta touched@now\n stats enqueued=1\n wake 1"));
}

#[tokio::test]
async fn a_thousand_keys_may_have_limits_of_their_own() {
    let queue = TestQueue::new().await;
    let own = |number: u32| (format!("k{number}"), KeyLimits { weight: Some(2.0), concurrency: Some(1 + number % 2) });
    queue.limit(Limits { keys: (0..1_000).map(own).collect(), ..Limits::default() }).await;
    queue.put_many("one", 3, keyed("k998")).await;
    queue.put_many("two", 3, keyed("k999")).await;
    let claimed = queue.worker("w1").claim(9, 0).await.unwrap().deliveries;
    assert_eq!((count_of(&claimed, "one"), count_of(&claimed, "two")), (1, 2));
    let too_many = Limits { keys: (0..1_001).map(own).collect(), ..Limits::default() };
    assert!(queue.client.set_limits(&queue.name, &too_many).await.is_err());
}
