//! requeue.

use celeriac_queue::{EnqueueOptions, Error, Replayed};

use super::complete::done;
use crate::support::{MINUTE, TestQueue, claim_one, expect, ids, job, tell_all};

#[tokio::test]
async fn a_dead_job_is_ready_again_from_its_first_attempt_and_the_second_call_changes_nothing() {
    let queue = TestQueue::new().await;
    let worker = queue.worker("w1");
    queue.put_first("a", 3).await;
    queue.put_first("b", 3).await;
    let delivery = claim_one(&worker).await;
    worker.retry(&delivery.id, &delivery.token, std::time::Duration::ZERO, "no luck").await.unwrap();
    queue.put_in_the_past("scheduled", "a", 1).await;
    let deliveries = worker.claim(2, 0).await.unwrap().deliveries;
    assert_eq!(ids(&deliveries), ["b", "a"]);
    worker.bury(&deliveries[1].id, &deliveries[1].token, "failed", "no luck").await.unwrap();
    worker.release(&[(deliveries[0].id.clone(), deliveries[0].token.clone())]).await.unwrap();
    assert!(queue.take_token().await);

    assert!(queue.client.requeue(&queue.name, &job("a")).await.unwrap());
    let after = expect(
        "jobs a b
         priorities a=3 b=3
         ready:3 b a
         tries a=0,0,0
         seen a@+24h
         history:a [w1: no luck] [w1: no luck]
         meta rich touched@now
         stats dead=1 enqueued=2 requeued=1 retried=1
         wake 1",
    );
    assert_eq!(queue.state().await, after);
    assert!(!queue.client.requeue(&queue.name, &job("a")).await.unwrap());
    assert_eq!(queue.state().await, after);
}

#[tokio::test]
async fn whatever_has_ended_can_be_requeued_and_nothing_else() {
    let queue = TestQueue::new().await;
    let worker = queue.worker("w1");
    let finished = queue.run(&worker, "finished").await;
    worker.complete(&[done(&finished, 60)]).await.unwrap();
    queue.put("cancelled").await;
    queue.client.cancel(&queue.name, &job("cancelled"), "ada").await.unwrap();
    let before = queue.state().await;

    queue.run(&worker, "running").await;
    queue.put_later("scheduled", MINUTE).await;
    queue.put("ready").await;
    for living in ["running", "scheduled", "ready"] {
        let before = queue.state().await;
        assert!(!queue.client.requeue(&queue.name, &job(living)).await.unwrap(), "{living}");
        assert_eq!(queue.state().await, before);
    }
    let unknown = queue.client.requeue(&queue.name, &job("unknown")).await;
    assert!(matches!(unknown, Err(Error::NoSuchJob { .. })), "{unknown:?}");

    for ended in ["finished", "cancelled"] {
        assert!(queue.client.requeue(&queue.name, &job(ended)).await.unwrap(), "{ended}");
    }
    assert_ne!(queue.state().await, before);
    assert_eq!(ids(&worker.claim(9, 0).await.unwrap().deliveries), ["ready", "finished", "cancelled"]);
    queue.state().await;
}

#[tokio::test]
async fn an_expired_job_that_a_person_requeues_has_no_deadline_any_more() {
    let queue = TestQueue::new().await;
    let worker = queue.worker("w1");
    let options = EnqueueOptions { expires_at: Some(1), request_id: Some("\",\"expires_at\":7".into()), ..EnqueueOptions::default() };
    queue.put_with("a", options).await;
    let delivery = claim_one(&worker).await;
    let mut envelope = delivery.envelope.unwrap();
    assert_eq!(envelope.expires_at, Some(1));
    worker.expire(&delivery.id, &delivery.token).await.unwrap();
    queue.client.requeue(&queue.name, &delivery.id).await.unwrap();
    envelope.expires_at = None;
    assert_eq!(claim_one(&worker).await.envelope.unwrap(), envelope, "only the deadline may differ");
}

#[tokio::test]
async fn requeueing_takes_an_open_notice_back() {
    let queue = TestQueue::new().await;
    let worker = queue.worker("w1");
    let delivery = queue.run(&worker, "a").await;
    worker.bury(&delivery.id, &delivery.token, "failed", "no luck").await.unwrap();
    queue.client.requeue(&queue.name, &delivery.id).await.unwrap();
    assert!(worker.claim(0, 5).await.unwrap().notices.is_empty());
}

#[tokio::test]
async fn dead_jobs_are_replayed_each_at_its_moment_and_a_second_replay_changes_nothing() {
    let queue = TestQueue::new().await;
    let worker = queue.worker("w1");
    for id in ["a", "b", "c"] {
        let delivery = queue.run(&worker, id).await;
        worker.bury(&delivery.id, &delivery.token, "failed", "no luck").await.unwrap();
    }
    tell_all(&worker).await;
    assert!(queue.take_token().await);

    let plan = [("a", 0), ("b", 1), ("c", 2)].map(|(id, minutes)| (job(id), minutes * MINUTE));
    let replay = async || -> Vec<Replayed> {
        queue.client.replay(&queue.name, &plan).await.unwrap().into_iter().map(|answer| answer.unwrap()).collect()
    };
    assert_eq!(replay().await, [Replayed::Ready, Replayed::Scheduled, Replayed::Scheduled]);
    let after = expect(
        "jobs a b c
         ready:5 a
         scheduled b@+1m c@+2m
         tries a=0,0,0 b=0,0,0 c=0,0,0
         seen a@+24h b@+24h c@+24h
         history:a [w1: no luck]
         history:b [w1: no luck]
         history:c [w1: no luck]
         meta touched@now
         stats dead=3 enqueued=3 requeued=3
         wake 1",
    );
    assert_eq!(queue.state().await, after);
    assert_eq!(replay().await, [Replayed::NotDead; 3]);
    assert_eq!(queue.state().await, after);
}

#[tokio::test]
async fn a_replay_leaves_alone_what_another_has_replayed_and_what_has_finished_since() {
    let queue = TestQueue::new().await;
    let worker = queue.worker("w1");
    let finished = queue.run(&worker, "finished").await;
    worker.complete(&[done(&finished, 60)]).await.unwrap();
    queue.put("ready").await;
    let before = queue.state().await;
    let plan = ["finished", "ready", "unknown"].map(|id| (job(id), MINUTE));
    for answer in queue.client.replay(&queue.name, &plan).await.unwrap() {
        assert_eq!(answer.unwrap(), Replayed::NotDead);
    }
    assert_eq!(queue.state().await, before);
}

#[tokio::test]
async fn a_replay_that_is_due_before_all_others_wakes_a_worker() {
    let queue = TestQueue::new().await;
    let worker = queue.worker("w1");
    for id in ["a", "b"] {
        let delivery = queue.run(&worker, id).await;
        worker.bury(&delivery.id, &delivery.token, "failed", "no luck").await.unwrap();
    }
    tell_all(&worker).await;
    queue.take_token().await;
    queue.client.replay(&queue.name, &[(job("a"), MINUTE)]).await.unwrap();
    assert!(queue.take_token().await, "the earliest moment moved forward and nobody was woken to wait for it");
    queue.client.replay(&queue.name, &[(job("b"), 2 * MINUTE)]).await.unwrap();
    assert!(!queue.take_token().await, "somebody was woken for nothing");
}
