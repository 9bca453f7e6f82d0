//! Wake tokens: an idle worker is woken for whatever it could do, and for nothing else.

use std::time::{Duration, Instant};

use celeriac_queue::{Pause, Waker};

use crate::support::{MINUTE, PrivateRedis, TestQueue, claim_one, eventually, job, leases};

#[tokio::test]
async fn every_move_that_makes_work_leaves_one_token() {
    let queue = TestQueue::new().await;
    let worker = queue.worker("w1");

    queue.put("a").await;
    assert!(queue.take_token().await, "enqueue");
    let a = claim_one(&worker).await;
    assert!(!queue.take_token().await, "a claim that leaves nothing wakes nobody");

    worker.retry(&a.id, &a.token, MINUTE, "no luck").await.unwrap();
    assert!(queue.take_token().await, "retry");
    queue.put_in_the_past("scheduled", "a", 1).await;
    let a = claim_one(&worker).await;
    worker.snooze(&a.id, &a.token, MINUTE).await.unwrap();
    assert!(queue.take_token().await, "snooze");
    queue.put_in_the_past("scheduled", "a", 1).await;
    let a = claim_one(&worker).await;
    worker.release(&leases(&[a])).await.unwrap();
    assert!(queue.take_token().await, "release");

    let a = claim_one(&worker).await;
    worker.bury(&a.id, &a.token, "failed", "no luck").await.unwrap();
    assert!(queue.take_token().await, "bury, for its notice");
    queue.client.requeue(&queue.name, &job("a")).await.unwrap();
    assert!(queue.take_token().await, "requeue");
    queue.client.cancel(&queue.name, &job("a"), "ada").await.unwrap();
    assert!(queue.take_token().await, "cancel, for its notice");

    queue
        .client
        .pause(&queue.name, &Pause { reason: "lunch".into(), by: "ada".into(), at: 1, resume_at: None, cause: None })
        .await
        .unwrap();
    assert!(!queue.take_token().await, "pause");
    queue.client.resume(&queue.name).await.unwrap();
    assert!(queue.take_token().await, "resume");

    queue.put("b").await;
    queue.put("c").await;
    assert!(queue.take_token().await);
    claim_one(&worker).await;
    assert!(queue.take_token().await, "a claim that leaves work passes the token on");
    queue.put_in_the_past("running", "b", 1).await;
    worker.claim(0, 0).await.unwrap();
    assert!(queue.take_token().await, "recovery");
}

#[tokio::test]
async fn scheduling_wakes_only_when_the_earliest_moment_moves_forward() {
    let queue = TestQueue::new().await;
    let worker = queue.worker("w1");
    queue.put_later("in-ten", 10 * MINUTE).await;
    assert!(queue.take_token().await, "the first");
    queue.put_later("in-twenty", 20 * MINUTE).await;
    assert!(!queue.take_token().await, "a later one");
    queue.put_later("in-five", 5 * MINUTE).await;
    assert!(queue.take_token().await, "an earlier one");

    let run = async |id: &str| {
        let delivery = queue.run(&worker, id).await;
        queue.take_token().await;
        delivery
    };
    let (a, b) = (run("a").await, run("b").await);
    worker.retry(&a.id, &a.token, 20 * MINUTE, "no luck").await.unwrap();
    assert!(!queue.take_token().await, "a later retry");
    worker.snooze(&b.id, &b.token, MINUTE).await.unwrap();
    assert!(queue.take_token().await, "an earlier snooze");
}

#[tokio::test]
async fn a_waiting_worker_is_woken_at_once_and_returns_quietly_when_nothing_comes() {
    let redis = PrivateRedis::start().await;
    let queue = TestQueue::on(redis.url()).await;
    let mut waker = Waker::new(queue.connection.clone(), std::slice::from_ref(&queue.name));
    assert!(!waker.wait(Duration::from_millis(20)).await.unwrap());
    // Zero must mean "now", as zero means "for ever" to Redis.
    assert!(!tokio::time::timeout(Duration::from_secs(3), waker.wait(Duration::ZERO)).await.unwrap().unwrap());

    let woken = tokio::spawn(async move {
        let woken = waker.wait(Duration::from_secs(30)).await.unwrap();
        (woken, Instant::now(), waker)
    });
    eventually("the worker blocks", async || redis.blocked_clients().await == 1).await;
    let enqueued = Instant::now();
    queue.put("a").await;
    let (was_woken, at, waker) = woken.await.unwrap();
    assert!(was_woken);
    assert!(at.duration_since(enqueued) < Duration::from_secs(1));

    // Its token taken, a worker without room gives it to the next.
    assert!(!queue.take_token().await);
    waker.pass_on().await.unwrap();
    waker.pass_on().await.unwrap();
    queue.state().await;
    assert!(queue.take_token().await);
}
