//! recover, as part of claim: what becomes of the jobs of a worker that died.

use celeriac_queue::{Company, LeaseConfig, Settled};

use super::complete::done;
use crate::support::{LEASE, MINUTE, TestQueue, claim_one, claim_suspect, expect, ids, job};

#[tokio::test]
async fn a_lost_job_waits_among_the_suspects_and_the_loss_is_on_record() {
    let queue = TestQueue::new().await;
    let (dead, living) = (queue.worker("dead"), queue.worker("living"));
    queue.put_first("a", 2).await;
    let lost = claim_one(&dead).await;
    queue.put_first("b", 2).await;
    queue.put_first("c", 1).await;
    queue.put_in_the_past("running", "a", 1).await;
    assert!(queue.take_token().await);

    living.claim(0, 0).await.unwrap();
    let after = expect(
        "jobs a b c
         priorities a=2 b=2 c=1
         ready:1 c
         ready:2 b
         ring:1 1@
         ring:2 2@
         suspects a
         tries a=0,1,0
         history:a [dead: the worker died or fell silent]
         meta rich touched@now
         stats enqueued=3 recovered=1
         wake 1",
    );
    assert_eq!(queue.state().await, after);

    living.claim(0, 0).await.unwrap();
    assert_eq!(dead.complete(&[done(&lost, 60)]).await.unwrap(), [Settled::LeaseLost]);
    assert_eq!(queue.state().await, after);
}

#[tokio::test]
async fn jobs_lost_together_come_back_in_their_order() {
    let queue = TestQueue::new().await;
    for id in ["a", "b", "c"] {
        queue.put(id).await;
    }
    queue.worker("dead").claim(2, 0).await.unwrap();
    for id in ["a", "b"] {
        queue.put_in_the_past("running", id, 1).await;
    }
    let living = queue.worker("living");
    assert_eq!(living.claim(3, 0).await.unwrap().company, Company::Drain);
    assert_eq!(queue.snapshot().await.list("suspects"), ["a", "b"]);
    for id in ["a", "b"] {
        let suspect = claim_suspect(&living).await;
        assert_eq!(suspect.id, job(id));
        living.complete(&[done(&suspect, 0)]).await.unwrap();
    }
    assert_eq!(ids(&living.claim(3, 0).await.unwrap().deliveries), ["c"]);
}

#[tokio::test]
async fn a_job_that_lost_its_third_worker_is_buried_with_a_notice() {
    let queue = TestQueue::new().await;
    let worker = queue.worker("w1");
    queue.run(&worker, "a").await;
    queue.put_in_the_past("running", "a", 1).await;
    for _ in 1..3 {
        claim_suspect(&worker).await;
        queue.put_in_the_past("running", "a", 1).await;
    }
    assert!(worker.claim(1, 0).await.unwrap().deliveries.is_empty());
    let history = "[w1: the worker died or fell silent]";
    assert_eq!(
        queue.state().await,
        expect(&format!(
            "jobs a
             dead a@now
             outcomes a=dead[poison: its worker died or fell silent 3 times while running it; it is not tried again]
             notices a@now
             seen a@+24h
             history:a {history} {history} {history}
             meta touched@now
             stats dead=1 enqueued=1 recovered=3
             wake 1"
        ))
    );
}

#[tokio::test]
async fn a_lost_job_whose_cancellation_was_asked_for_is_cancelled() {
    let queue = TestQueue::new().await;
    let worker = queue.worker("w1");
    queue.run(&worker, "a").await;
    queue.client.cancel(&queue.name, &job("a"), "ada").await.unwrap();
    queue.put_in_the_past("running", "a", 1).await;
    assert!(worker.claim(1, 0).await.unwrap().deliveries.is_empty());
    assert_eq!(
        queue.state().await,
        expect(
            "jobs a
             finished a@+24h
             outcomes a=cancelled[asked: cancelled by ada]
             notices a@now
             seen a@+24h
             history:a [w1: the worker died or fell silent]
             meta touched@now
             stats cancelled=1 enqueued=1 recovered=1
             wake 1"
        )
    );
}

#[tokio::test]
async fn attempts_and_snoozes_survive_a_loss() {
    let queue = TestQueue::new().await;
    let worker = queue.worker_with("w1", LeaseConfig { lease: LEASE, losses_max: 1, ..LeaseConfig::default() });
    let patient = queue.worker("w2");
    let delivery = queue.run(&worker, "a").await;
    worker.retry(&delivery.id, &delivery.token, MINUTE, "no luck").await.unwrap();
    queue.put_in_the_past("scheduled", "a", 1).await;
    claim_one(&worker).await;
    queue.put_in_the_past("running", "a", 1).await;
    let delivery = claim_suspect(&patient).await;
    assert_eq!((delivery.tries.attempts, delivery.tries.losses), (1, 1));
}

#[tokio::test]
async fn one_claim_recovers_a_hundred_and_asks_to_be_called_again() {
    let queue = TestQueue::new().await;
    let worker = queue.worker("w1");
    for number in 0..150 {
        queue.put(&format!("{number:03}")).await;
    }
    worker.claim(150, 0).await.unwrap();
    for number in 0..150 {
        queue.put_in_the_past("running", &format!("{number:03}"), 1).await;
    }
    let claim = worker.claim(0, 0).await.unwrap();
    assert_eq!(claim.next_due, Some(std::time::Duration::ZERO));
    assert_eq!(queue.snapshot().await.list("suspects").len(), 100);
    worker.claim(0, 0).await.unwrap();
    assert_eq!(queue.snapshot().await.list("suspects").len(), 150);
    queue.state().await;
}
