//! delete.

use std::time::Duration;

use celeriac_queue::{Deleted, Error};

use super::complete::done;
use crate::support::{MINUTE, TestQueue, expect, job, tell_all};

#[tokio::test]
async fn ended_jobs_go_with_everything_of_theirs_and_the_second_call_finds_nothing() {
    let queue = TestQueue::new().await;
    let worker = queue.worker("w1");
    for id in ["dead", "finished", "kept"] {
        queue.put_first(id, 3).await;
    }
    let deliveries = worker.claim(3, 0).await.unwrap().deliveries;
    worker.bury(&deliveries[0].id, &deliveries[0].token, "failed", "no luck").await.unwrap();
    worker.complete(&[done(&deliveries[1], 60)]).await.unwrap();
    worker.bury(&deliveries[2].id, &deliveries[2].token, "failed", "no luck").await.unwrap();
    tell_all(&worker).await;

    let ids = ["dead", "finished"].map(job);
    assert_eq!(queue.client.delete(&queue.name, &ids, false).await.unwrap(), [Deleted::Deleted, Deleted::Deleted]);
    let after = expect(
        "jobs kept
         priorities kept=3
         dead kept@now
         outcomes kept=dead[failed: no luck]
         history:kept [w1: no luck]
         seen dead@+24h finished@+24h kept@+24h
         meta touched@now
         stats dead=2 deleted=2 enqueued=3 finished=1
         wake 1",
    );
    assert_eq!(queue.state().await, after);
    assert_eq!(queue.client.delete(&queue.name, &ids, false).await.unwrap(), [Deleted::Missing, Deleted::Missing]);
    assert_eq!(queue.state().await, after);
    assert!(queue.put("dead").await.duplicate, "a deleted job's id was forgotten, so that enqueueing it again would run it again");
}

#[tokio::test]
async fn a_job_that_lives_is_not_deleted() {
    let queue = TestQueue::new().await;
    let worker = queue.worker("w1");
    queue.run(&worker, "running").await;
    queue.put_later("scheduled", MINUTE).await;
    queue.put("ready").await;
    let before = queue.state().await;
    let ids = ["running", "scheduled", "ready", "unknown"].map(job);
    for only_dead in [false, true] {
        let answers = queue.client.delete(&queue.name, &ids, only_dead).await.unwrap();
        assert_eq!(answers, [Deleted::Refused, Deleted::Refused, Deleted::Refused, Deleted::Missing]);
        assert_eq!(queue.state().await, before);
    }
    let too_many = vec![job("a"); 501];
    assert!(matches!(queue.client.delete(&queue.name, &too_many, false).await, Err(Error::BatchTooLarge { .. })));
    assert_eq!(queue.client.delete(&queue.name, &[], false).await.unwrap(), []);
}

#[tokio::test]
async fn a_job_whose_notice_is_open_keeps_it_and_goes_once_it_is_told() {
    let queue = TestQueue::new().await;
    let worker = queue.worker("w1");
    let delivery = queue.run(&worker, "a").await;
    worker.bury(&delivery.id, &delivery.token, "failed", "no luck").await.unwrap();
    queue.put("b").await;
    queue.client.cancel(&queue.name, &job("b"), "ada").await.unwrap();
    let before = queue.state().await;
    let ids = ["a", "b"].map(job);
    assert_eq!(queue.client.delete(&queue.name, &ids, false).await.unwrap(), [Deleted::NoticeOpen; 2]);
    assert_eq!(queue.state().await, before, "a job with an open notice was touched");

    // Under way in a worker is open too.
    let notices = worker.claim(0, 5).await.unwrap().notices;
    assert_eq!(queue.client.delete(&queue.name, &ids, false).await.unwrap(), [Deleted::NoticeOpen; 2]);
    for notice in &notices {
        worker.acknowledge(notice).await.unwrap();
    }
    assert_eq!(queue.client.delete(&queue.name, &ids, false).await.unwrap(), [Deleted::Deleted; 2]);
    queue.snapshot().await.assert_sound();
}

#[tokio::test]
async fn where_only_dead_jobs_are_to_go_one_that_was_replayed_and_finished_stays() {
    let queue = TestQueue::new().await;
    let worker = queue.worker("w1");
    let delivery = queue.run(&worker, "a").await;
    worker.bury(&delivery.id, &delivery.token, "failed", "no luck").await.unwrap();
    queue.client.replay(&queue.name, &[(job("a"), Duration::ZERO)]).await.unwrap();
    let again = worker.claim(1, 0).await.unwrap().deliveries.pop().unwrap();
    worker.complete(&[done(&again, 60)]).await.unwrap();
    let before = queue.state().await;
    assert_eq!(queue.client.delete(&queue.name, &[job("a")], true).await.unwrap(), [Deleted::Refused]);
    assert_eq!(queue.state().await, before);
}
