//! Rate limits: token buckets of a queue and of each key. A minute a unit here, so that none passes by itself.

use std::time::Duration;

use celeriac_queue::{Company, EnqueueOptions, Limits, Rate};

use crate::support::{LEASE, MINUTE, TestQueue, claim_one, claim_suspect, count_of, expect, ids};

fn rate(text: &str) -> Limits {
    Limits { rate: Some(Rate::parse(text).unwrap()), ..Limits::default() }
}

fn key_rate(text: &str) -> Limits {
    Limits { key_rate: Some(Rate::parse(text).unwrap()), ..Limits::default() }
}

fn keyed(key: &str) -> EnqueueOptions {
    EnqueueOptions { key: Some(key.to_owned()), ..EnqueueOptions::default() }
}

fn of_units(units: u32) -> EnqueueOptions {
    EnqueueOptions { units: Some(units), ..EnqueueOptions::default() }
}

/// As if so many minutes had passed for a bucket.
async fn minutes_pass(queue: &TestQueue, bucket: &str, minutes: u32) {
    let _: f64 = queue.raw("ZINCRBY", "buckets", &[&(-60_000 * i64::from(minutes)).to_string(), bucket]).await;
}

fn about(due: Option<Duration>, minutes: u32) {
    let due = due.expect("something is to fall due").as_secs_f64();
    assert!((due - f64::from(minutes) * 60.0).abs() < 10.0, "{due} s is not about {minutes} min");
}

#[tokio::test]
async fn after_a_burst_jobs_begin_at_a_steady_rate_in_whichever_worker() {
    let queue = TestQueue::new().await;
    let (one, other) = (queue.worker_with("w1", one_hour()), queue.worker_with("w2", one_hour()));
    queue.limit(rate("1/min burst 3")).await;
    queue.put_many("a", 9, EnqueueOptions::default()).await;
    queue.take_token().await;
    let claim = one.claim(9, 0).await.unwrap();
    assert_eq!((ids(&claim.deliveries), claim.work_left), (vec!["a-0", "a-1", "a-2"], false));
    about(claim.next_due, 1);
    let claim = other.claim(9, 0).await.unwrap();
    assert_eq!((claim.deliveries.len(), claim.work_left), (0, false));
    about(claim.next_due, 1);
    assert!(!queue.take_token().await, "nobody could get anything before the moment that all are told");
    assert_eq!(
        queue.state().await,
        expect(
            "jobs a-0 a-1 a-2 a-3 a-4 a-5 a-6 a-7 a-8
             leases a-0=w1 a-1=w1 a-2=w1
             running a-0@+1h a-1@+1h a-2@+1h
             ready:5 a-3 a-4 a-5 a-6 a-7 a-8
             ring:5 5@
             buckets @+3m
             limits burst=3 per_ms=60000 rate=1
             meta rich touched@now
             stats enqueued=9"
        )
    );
    for expected in ["a-3", "a-4"] {
        minutes_pass(&queue, "", 1).await;
        assert_eq!(ids(&other.claim(9, 0).await.unwrap().deliveries), [expected]);
    }
    // A quiet spell fills the bucket, and not more.
    minutes_pass(&queue, "", 60).await;
    assert_eq!(ids(&one.claim(9, 0).await.unwrap().deliveries), ["a-5", "a-6", "a-7"]);
}

fn one_hour() -> celeriac_queue::LeaseConfig {
    celeriac_queue::LeaseConfig { lease: 60 * MINUTE, ..celeriac_queue::LeaseConfig::default() }
}

#[tokio::test]
async fn a_job_takes_as_many_units_as_it_says_and_waits_until_they_are_there() {
    let queue = TestQueue::new().await;
    let worker = queue.worker_with("w1", one_hour());
    queue.limit(rate("1/min burst 10")).await;
    queue.put_many("a", 3, of_units(4)).await;
    queue.put_many("b", 1, EnqueueOptions::default()).await;
    let claim = worker.claim(9, 0).await.unwrap();
    assert_eq!(ids(&claim.deliveries), ["a-0", "a-1"], "two units are left, and what is cheaper does not push past");
    about(claim.next_due, 2);
    minutes_pass(&queue, "", 2).await;
    let claim = worker.claim(9, 0).await.unwrap();
    assert_eq!(ids(&claim.deliveries), ["a-2"]);
    about(claim.next_due, 1);
}

#[tokio::test]
async fn a_job_dearer_than_the_bucket_waits_until_it_is_full_and_the_bucket_owes_the_rest() {
    let queue = TestQueue::new().await;
    let worker = queue.worker_with("w1", one_hour());
    queue.limit(rate("1/min burst 3")).await;
    queue.put("cheap").await;
    queue.put_with("dear", of_units(5)).await;
    queue.put("next").await;
    let claim = worker.claim(9, 0).await.unwrap();
    assert_eq!(ids(&claim.deliveries), ["cheap"]);
    about(claim.next_due, 1);
    minutes_pass(&queue, "", 1).await;
    let claim = worker.claim(9, 0).await.unwrap();
    assert_eq!(ids(&claim.deliveries), ["dear"]);
    about(claim.next_due, 3);
    minutes_pass(&queue, "", 3).await;
    assert_eq!(ids(&worker.claim(9, 0).await.unwrap().deliveries), ["next"]);
}

#[tokio::test]
async fn a_key_beyond_its_rate_rests_until_its_moment_and_the_others_pass() {
    let queue = TestQueue::new().await;
    let worker = queue.worker_with("w1", one_hour());
    queue.limit(key_rate("1/min burst 2")).await;
    queue.put_many("x", 3, keyed("x")).await;
    queue.put_many("y", 1, keyed("y")).await;
    queue.put_many("u", 3, EnqueueOptions::default()).await;
    let claim = worker.claim(9, 0).await.unwrap();
    let counts = (count_of(&claim.deliveries, "x"), count_of(&claim.deliveries, "y"), count_of(&claim.deliveries, "u"));
    assert_eq!((counts, claim.work_left), ((2, 1, 3), false));
    about(claim.next_due, 1);
    queue.take_token().await;
    assert_eq!(
        queue.state().await,
        expect(
            r#"jobs u-0 u-1 u-2 x-0 x-1 x-2 y-0
             extras x-0={"key":"x"} x-1={"key":"x"} x-2={"key":"x"} y-0={"key":"y"}
             leases u-0=w1 u-1=w1 u-2=w1 x-0=w1 x-1=w1 y-0=w1
             running u-0@+1h u-1@+1h u-2@+1h x-0@+1h x-1@+1h y-0@+1h
             busy x=2 y=1
             lane:5@x x-2
             resting 5@x@+1m
             buckets y@+1m x@+2m
             limits key_burst=2 key_per_ms=60000 key_rate=1
             meta rich touched@now
             stats enqueued=7"#
        )
    );
    let keys = queue.inspector().keys(&queue.name, 1).await.unwrap();
    assert!(keys[0].key == "x" && keys[0].held_back && keys[0].until.is_some());

    // That a job of it ends does not help: the moment has not come.
    let ended = claim.deliveries.iter().find(|delivery| delivery.id.as_str() == "x-0").unwrap();
    worker.complete(&[super::complete::done(ended, 0)]).await.unwrap();
    assert!(worker.claim(9, 0).await.unwrap().deliveries.is_empty());

    minutes_pass(&queue, "x", 1).await;
    queue.put_in_the_past("resting", "5@x", 1).await;
    assert_eq!(ids(&worker.claim(9, 0).await.unwrap().deliveries), ["x-2"]);
    queue.state().await;
}

#[tokio::test]
async fn a_bucket_that_is_full_again_is_not_kept() {
    let queue = TestQueue::new().await;
    let worker = queue.worker("w1");
    queue.limit(key_rate("1/min burst 2")).await;
    queue.put_many("x", 1, keyed("x")).await;
    claim_one(&worker).await;
    assert_eq!(queue.snapshot().await.zset("buckets").len(), 1);
    minutes_pass(&queue, "x", 2).await;
    worker.claim(0, 0).await.unwrap();
    assert!(queue.snapshot().await.zset("buckets").is_empty());

    // Nor does it hold anything back while it is still there; a claim throws away 500.
    let buckets: Vec<String> = (0..600).map(|number| format!("k{number}")).collect();
    let scored: Vec<&str> = buckets.iter().flat_map(|bucket| ["1", bucket]).collect();
    let _: u64 = queue.raw("ZADD", "buckets", &scored).await;
    worker.claim(0, 0).await.unwrap();
    assert_eq!(queue.snapshot().await.zset("buckets").len(), 100);
    let left = queue.snapshot().await.zset("buckets").remove(0).0;
    queue.put_keyed("a", &left).await;
    assert_eq!(claim_one(&worker).await.id.as_str(), "a");
}

#[tokio::test]
async fn a_suspect_waits_for_its_units_like_everybody() {
    for limits in [rate("1/min burst 1"), key_rate("1/min burst 1")] {
        let queue = TestQueue::new().await;
        let worker = queue.worker("w1");
        let bucket = if limits.rate.is_some() { "" } else { "x" };
        queue.limit(limits).await;
        queue.put_keyed("a", "x").await;
        claim_one(&worker).await;
        queue.put_in_the_past("running", "a", 1).await;
        let claim = worker.claim_when_idle(5, 0).await.unwrap();
        assert_eq!((claim.deliveries.len(), claim.company), (0, Company::Any));
        about(claim.next_due, 1);
        minutes_pass(&queue, bucket, 1).await;
        assert_eq!(claim_suspect(&worker).await.id.as_str(), "a");
        queue.state().await;
    }
}

#[tokio::test]
async fn a_clock_set_back_blocks_no_bucket_and_no_lane_for_longer_than_a_lease() {
    let queue = TestQueue::new().await;
    let worker = queue.worker("w1");
    queue.limit(Limits { key_concurrency: Some(1), ..key_rate("1/min burst 1") }).await;
    queue.put_many("x", 2, keyed("x")).await;
    queue.put_many("y", 2, keyed("y")).await;
    assert_eq!(worker.claim(9, 0).await.unwrap().deliveries.len(), 2);
    let ahead = (queue.connection.time_ms().await.unwrap() + 3_600_000).to_string();
    let _: u64 = queue.raw("ZADD", "buckets", &[&ahead, "x", &ahead, "y"]).await;
    let _: u64 = queue.raw("ZADD", "resting", &[&ahead, "5@x"]).await;
    queue.set_touched_ago(-3_600_000).await;
    let claim = worker.claim(9, 0).await.unwrap();
    assert!(claim.next_due.unwrap() <= LEASE);
    let snapshot = queue.snapshot().await;
    let latest = (snapshot.now + LEASE.as_millis() as u64) as f64;
    assert!(snapshot.zset("buckets").iter().all(|(_, full_at)| *full_at <= latest));
    let resting = snapshot.zset("resting");
    assert!(resting[0].0 == "5@x" && resting[0].1 <= latest, "{resting:?}");
    assert!(resting[1].0 == "5@y" && resting[1].1.is_infinite(), "what waits for a job to end waits on: {resting:?}");
    queue.state().await;
}
