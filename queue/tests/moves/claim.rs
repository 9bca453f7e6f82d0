//! claim, with the promotion of what is due. Recovery has a module of its own.

use std::time::Duration;

use celeriac_queue::LeaseConfig;

use crate::support::{LEASE, MINUTE, TestQueue, claim_one, claim_suspect, expect, ids};

#[tokio::test]
async fn a_claim_leases_up_to_its_credit_by_priority_and_leaves_the_rest_with_a_wake_token() {
    let queue = TestQueue::new().await;
    for (id, priority) in [("low", 9), ("first", 5), ("second", 5), ("urgent", 0), ("last", 9)] {
        queue.put_first(id, priority).await;
    }
    assert!(queue.take_token().await);
    let claim = queue.worker("w1").claim(3, 0).await.unwrap();
    assert_eq!(ids(&claim.deliveries), ["urgent", "first", "second"]);
    assert!(claim.work_left && !claim.paused && claim.notices.is_empty());
    assert_eq!(
        queue.state().await,
        expect(
            "jobs first last low second urgent
             leases first=w1 second=w1 urgent=w1
             running first@+1m second@+1m urgent@+1m
             priorities last=9 low=9 urgent=0
             ready:9 low last
             ring:9 9@
             meta passed=3 rich touched@now turn
             stats enqueued=5
             wake 1"
        )
    );
}

#[tokio::test]
async fn a_second_claim_gets_only_what_is_left_under_another_token() {
    let queue = TestQueue::new().await;
    queue.put("a").await;
    queue.put("b").await;
    let worker = queue.worker("w1");
    let first = claim_one(&worker).await;
    let second = worker.claim(5, 0).await.unwrap();
    assert_eq!(ids(&second.deliveries), ["b"]);
    assert_ne!(first.token, second.deliveries[0].token);
    assert!(!second.work_left);
    let third = worker.claim(5, 0).await.unwrap();
    assert!(third.deliveries.is_empty());
    assert_eq!(
        queue.state().await,
        expect(
            "jobs a b
             leases a=w1 b=w1
             running a@+1m b@+1m
             meta touched@now
             stats enqueued=2
             wake 1"
        )
    );
}

#[tokio::test]
async fn what_is_due_is_promoted_behind_what_is_ready_in_the_order_of_its_moments() {
    let queue = TestQueue::new().await;
    for id in ["second", "first", "not-due"] {
        queue.put_later(id, MINUTE).await;
    }
    queue.put("ready").await;
    queue.put_in_the_past("scheduled", "first", 1).await;
    queue.put_in_the_past("scheduled", "second", 2).await;
    let claim = queue.worker("w1").claim(0, 0).await.unwrap();
    assert!(claim.work_left, "a worker without room must still be told");
    assert_eq!(
        queue.state().await,
        expect(
            "jobs first not-due ready second
             scheduled not-due@+1m
             ready:5 ready first second
             meta touched@now
             stats enqueued=4
             wake 1"
        )
    );
}

#[tokio::test]
async fn a_promoted_job_keeps_its_priority() {
    let queue = TestQueue::new().await;
    let worker = queue.worker("w1");
    queue.put_first("urgent", 0).await;
    let urgent = claim_one(&worker).await;
    worker.retry(&urgent.id, &urgent.token, MINUTE, "no luck").await.unwrap();
    queue.put_in_the_past("scheduled", "urgent", 1).await;
    queue.put("normal").await;
    assert_eq!(ids(&worker.claim(2, 0).await.unwrap().deliveries), ["urgent", "normal"]);
}

#[tokio::test]
async fn a_claim_says_when_something_falls_due_next() {
    let queue = TestQueue::new().await;
    let worker = queue.worker("w1");
    let next_due = async || worker.claim(0, 0).await.unwrap().next_due;
    let about = |due: Option<Duration>, seconds: u64| {
        let due = due.expect("something is to fall due").as_secs_f64();
        assert!((due - seconds as f64).abs() < 10.0, "{due} s is not about {seconds} s");
    };
    assert_eq!(next_due().await, None);

    queue.put_later("a", 10 * MINUTE).await;
    about(next_due().await, 600);

    // While a job runs, idle workers look in three times a lease, so that a dead worker is not taken for an outage.
    let running = queue.run(&worker, "b").await;
    about(next_due().await, LEASE.as_secs() / 3);
    queue.put_in_the_past("scheduled", "a", 1).await;
    worker.release(&[(running.id, running.token)]).await.unwrap();
    assert_eq!(next_due().await, None, "all that is left is ready");
}

#[tokio::test]
async fn a_hundred_thousand_jobs_due_at_once_are_promoted_in_bounded_steps() {
    const JOBS: usize = 100_000;
    let queue = TestQueue::new().await;
    let ids: Vec<String> = (0..JOBS).map(|number| format!("{number:06}")).collect();
    for part in ids.chunks(5_000) {
        let scored: Vec<&str> = part.iter().flat_map(|id| ["1", id]).collect();
        let _: u64 = queue.raw("ZADD", "scheduled", &scored).await;
        let stored: Vec<&str> = part.iter().flat_map(|id| [id.as_str(), "{\"v\":1,\"job\":\"note\",\"at\":1}\n{}"]).collect();
        let _: u64 = queue.raw("HSET", "jobs", &stored).await;
    }
    let worker = queue.worker("w1");
    for step in 1..=JOBS / 500 {
        let claim = worker.claim(1, 0).await.unwrap();
        assert_eq!(claim.deliveries[0].id.as_str(), ids[step - 1]);
        let ready: usize = queue.raw("LLEN", "ready:5", &[]).await;
        assert_eq!(ready, step * 500 - step, "one step promotes 500");
        assert_eq!(claim.next_due == Some(Duration::ZERO), step < JOBS / 500, "the caller must come again at once while some are due");
    }
}

#[tokio::test]
async fn a_claim_hands_out_at_most_five_hundred_jobs() {
    let queue = TestQueue::new().await;
    for part in 0..2 {
        let jobs = (0..400).map(|n| {
            let id = crate::support::job(&format!("{part}-{n}"));
            ("note".to_owned(), b"{}".to_vec(), celeriac_queue::EnqueueOptions { id: Some(id), ..Default::default() })
        });
        queue.client.enqueue_many(&queue.name, jobs.collect(), &celeriac_queue::Policy::default()).await.unwrap();
    }
    let claim = queue.worker("w1").claim(100_000, 100_000).await.unwrap();
    assert_eq!((claim.deliveries.len(), claim.work_left), (500, true));
    queue.state().await;
}

#[tokio::test]
async fn a_delivery_tells_how_often_its_job_was_tried() {
    let queue = TestQueue::new().await;
    let worker = queue.worker_with("w1", LeaseConfig { lease: LEASE, losses_max: 9, ..LeaseConfig::default() });
    let delivery = queue.run(&worker, "a").await;
    assert_eq!(delivery.tries.deliveries(), 0);
    worker.retry(&delivery.id, &delivery.token, Duration::ZERO, "no luck").await.unwrap();
    let delivery = claim_one(&worker).await;
    worker.snooze(&delivery.id, &delivery.token, Duration::ZERO).await.unwrap();
    let delivery = claim_one(&worker).await;
    worker.snooze(&delivery.id, &delivery.token, Duration::ZERO).await.unwrap();
    claim_one(&worker).await;
    queue.put_in_the_past("running", "a", 1).await;
    let tries = claim_suspect(&worker).await.tries;
    assert_eq!((tries.attempts, tries.losses, tries.snoozes, tries.deliveries()), (1, 1, 2, 4));
}

#[tokio::test]
async fn tries_of_many_digits_are_counted_on_and_never_wrap() {
    let queue = TestQueue::new().await;
    let worker = queue.worker("w1");
    let delivery = queue.run(&worker, "a").await;
    let _: u64 = queue.raw("HSET", "tries", &["a", "9999999999 0 4294967295"]).await;
    worker.retry(&delivery.id, &delivery.token, Duration::ZERO, "no luck").await.unwrap();
    assert_eq!(String::from_utf8_lossy(&queue.snapshot().await.hash("tries")["a"]), "10000000000 0 4294967295");
    let tries = claim_one(&worker).await.tries;
    assert_eq!((tries.attempts, tries.snoozes, tries.deliveries()), (u32::MAX, u32::MAX, u32::MAX));
}
