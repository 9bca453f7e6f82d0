//! wait: a client hears of a job's end at once.

use std::time::Duration;

use celeriac_queue::{Client, Connection, Error, Namespace, RedisConfig, State};

use super::complete::done;
use crate::support::{PrivateRedis, TestQueue, claim_one, claim_suspect, eventually, expect, job};

const LONG: Duration = Duration::from_secs(30);

/// Starts a client of its own that waits for `a`, and returns once the queue knows of it.
async fn waiting(queue: &TestQueue, longest: Duration) -> tokio::task::JoinHandle<Result<celeriac_queue::Outcome, Error>> {
    let mut config = RedisConfig::new(queue.url.as_str());
    config.namespace = Namespace::parse(queue.connection.namespace().as_str()).unwrap();
    let client = Client::new(Connection::open(&config).await.unwrap());
    let name = queue.name.clone();
    // The note of whoever waited before, or this one's would not be told from it.
    let _: u64 = queue.raw("SREM", "waited", &["a"]).await;
    let handle = tokio::spawn(async move { client.wait(&name, &job("a"), longest).await });
    eventually("the queue knows that somebody waits", async || queue.snapshot().await.set("waited").contains("a")).await;
    handle
}

#[tokio::test]
async fn every_waiter_hears_of_every_kind_of_end() {
    for end in [State::Finished, State::Dead, State::Expired, State::Cancelled] {
        for keep_minutes in [0, 60] {
            let queue = TestQueue::new().await;
            let worker = queue.worker("w1");
            let delivery = queue.run(&worker, "a").await;
            let (one, two) = (waiting(&queue, LONG).await, waiting(&queue, LONG).await);
            match end {
                State::Dead => worker.bury(&delivery.id, &delivery.token, "failed", "no luck").await.unwrap(),
                State::Expired => worker.expire(&delivery.id, &delivery.token).await.unwrap(),
                State::Cancelled => worker.cancel(&delivery.id, &delivery.token, "enough").await.unwrap(),
                _ => worker.complete(&[done(&delivery, keep_minutes)]).await.unwrap()[0],
            };
            for waiter in [one, two] {
                assert_eq!(waiter.await.unwrap().unwrap().state, end);
            }
            assert!(queue.snapshot().await.set("waited").is_empty());
        }
    }
}

#[tokio::test]
async fn a_cancelled_waiting_job_and_a_poisoned_one_are_heard_of() {
    let queue = TestQueue::new().await;
    let worker = queue.worker("w1");
    queue.put("a").await;
    let waiter = waiting(&queue, LONG).await;
    queue.client.cancel(&queue.name, &job("a"), "ada").await.unwrap();
    assert_eq!(waiter.await.unwrap().unwrap().reason.unwrap(), "cancelled by ada");

    queue.client.requeue(&queue.name, &job("a")).await.unwrap();
    let waiter = waiting(&queue, LONG).await;
    claim_one(&worker).await;
    queue.put_in_the_past("running", "a", 1).await;
    for _ in 1..3 {
        claim_suspect(&worker).await;
        queue.put_in_the_past("running", "a", 1).await;
    }
    worker.claim(0, 0).await.unwrap();
    assert_eq!(waiter.await.unwrap().unwrap().kind.unwrap(), "poison");
}

#[tokio::test]
async fn one_waiter_that_gives_up_does_not_make_another_deaf() {
    let queue = TestQueue::new().await;
    let worker = queue.worker("w1");
    let delivery = queue.run(&worker, "a").await;
    let patient = waiting(&queue, LONG).await;
    let hasty = waiting(&queue, Duration::from_millis(50)).await;
    assert!(matches!(hasty.await.unwrap(), Err(Error::WaitTimedOut { .. })));
    worker.complete(&[done(&delivery, 0)]).await.unwrap();
    assert_eq!(patient.await.unwrap().unwrap().output.unwrap(), 42);
}

#[tokio::test]
async fn waiting_for_what_has_ended_or_never_was_returns_at_once_and_leaves_no_trace() {
    let queue = TestQueue::new().await;
    let worker = queue.worker("w1");
    let unknown = queue.client.wait(&queue.name, &job("a"), LONG).await;
    assert!(matches!(unknown, Err(Error::NoSuchJob { .. })), "{unknown:?}");
    assert_eq!(queue.state().await, expect(""));

    let delivery = queue.run(&worker, "a").await;
    worker.complete(&[done(&delivery, 60)]).await.unwrap();
    let before = queue.state().await;
    assert_eq!(queue.client.wait(&queue.name, &job("a"), LONG).await.unwrap().state, State::Finished);
    assert_eq!(queue.state().await, before);
}

#[tokio::test]
async fn a_waiter_whose_line_breaks_goes_on_waiting() {
    let redis = PrivateRedis::start().await;
    let queue = TestQueue::on(redis.url()).await;
    let worker = queue.worker("w1");
    let delivery = queue.run(&worker, "a").await;
    let waiter = waiting(&queue, LONG).await;
    assert_eq!(redis.cut_subscribers().await, 1);
    eventually("the waiter listens again", async || redis.subscribed_clients().await == 1).await;
    worker.complete(&[done(&delivery, 60)]).await.unwrap();
    assert_eq!(waiter.await.unwrap().unwrap().state, State::Finished);
}
