//! Suspects: a job whose worker died runs alone from then on, so that no other is charged for what it does.

use std::collections::BTreeSet;

use celeriac_queue::{Company, EnqueueOptions, Limits, Settled};

use super::complete::done;
use crate::support::{MINUTE, TestQueue, claim_one, claim_suspect, expect, ids, job, leases};

/// A queue where `a` has lost its worker.
async fn with_a_suspect() -> TestQueue {
    let queue = TestQueue::new().await;
    queue.run(&queue.worker("dead"), "a").await;
    queue.put_in_the_past("running", "a", 1).await;
    queue.take_token().await;
    queue
}

#[tokio::test]
async fn an_idle_worker_is_given_a_suspect_alone_and_the_rest_is_for_others() {
    let queue = with_a_suspect().await;
    queue.put("b").await;
    queue.take_token().await;
    let worker = queue.worker("w1");
    let claim = worker.claim_when_idle(5, 0).await.unwrap();
    assert_eq!((ids(&claim.deliveries), claim.company, claim.work_left), (vec!["a"], Company::Alone, false));
    assert_eq!(claim.deliveries[0].tries.losses, 1);
    let history = "history:a [dead: the worker died or fell silent]";
    assert_eq!(
        queue.state().await,
        expect(&format!(
            "jobs a b
             leases a=w1
             running a@+1m
             ready:5 b
             ring:5 5@
             tries a=0,1,0
             {history}
             meta rich touched@now
             stats enqueued=2 recovered=1
             wake 1"
        )),
        "another worker is to be woken for what is left"
    );
    worker.complete(&[done(&claim.deliveries[0], 0)]).await.unwrap();
    let claim = worker.claim_when_idle(5, 0).await.unwrap();
    assert_eq!((ids(&claim.deliveries), claim.company), (vec!["b"], Company::Any));
    assert_eq!(
        queue.state().await,
        expect("jobs b\n leases b=w1\n running b@+1m\n seen a@+24h\n meta touched@now\n stats enqueued=2 finished=1 recovered=1\n wake 1")
    );
}

#[tokio::test]
async fn one_busy_worker_at_a_time_empties_itself_and_the_others_go_on() {
    let queue = with_a_suspect().await;
    let (one, other, idle) = (queue.worker("w1"), queue.worker("w2"), queue.worker("w3"));
    queue.put_many("b", 4, EnqueueOptions::default()).await;
    queue.take_token().await;
    let claim = one.claim(2, 0).await.unwrap();
    assert_eq!((claim.deliveries.len(), claim.company, claim.work_left), (0, Company::Drain, false));
    assert!(queue.take_token().await, "an idle worker would take the suspect at once");
    let state = queue.state().await;
    assert_eq!(
        state,
        expect(
            "jobs a b-0 b-1 b-2 b-3
             ready:5 b-0 b-1 b-2 b-3
             ring:5 5@
             suspects a
             tries a=0,1,0
             history:a [dead: the worker died or fell silent]
             meta examiner rich touched@now
             stats enqueued=5 recovered=1"
        )
    );
    let claim = other.claim(1, 0).await.unwrap();
    assert_eq!((ids(&claim.deliveries), claim.company), (vec!["b-0"], Company::Any));
    assert_eq!(one.claim(2, 0).await.unwrap().company, Company::Drain, "it was told so once and is told so again");
    let claim = one.claim(0, 0).await.unwrap();
    assert_eq!((claim.deliveries.len(), claim.company), (0, Company::Any), "who wants no job need not empty itself");

    // Should it fall silent, it is another's turn to empty itself.
    let _: u64 = queue.raw("HSET", "meta", &["examiner", "w1:dead 1"]).await;
    assert_eq!(other.claim(1, 0).await.unwrap().company, Company::Drain);
    assert_eq!(ids(&one.claim(1, 0).await.unwrap().deliveries), ["b-1"]);

    assert_eq!(claim_suspect(&idle).await.id, job("a"));
    assert_eq!(ids(&other.claim(1, 0).await.unwrap().deliveries), ["b-2"]);
    queue.state().await;
}

#[tokio::test]
async fn a_job_that_kills_its_workers_is_buried_and_its_neighbours_never_are() {
    let queue = TestQueue::new().await;
    queue.put_many("innocent", 5, EnqueueOptions::default()).await;
    queue.put("poison").await;
    queue.put_many("neighbour", 5, EnqueueOptions::default()).await;
    let dead = queue.worker("dead").claim(50, 0).await.unwrap().deliveries;
    for delivery in &dead {
        queue.put_in_the_past("running", delivery.id.as_str(), 1).await;
    }
    let mut finished = BTreeSet::new();
    let worker = queue.worker("w1");
    for _ in 0..20 {
        let claim = worker.claim_when_idle(50, 0).await.unwrap();
        let [delivery] = &claim.deliveries[..] else { break };
        assert_eq!(claim.company, Company::Alone);
        if delivery.id == job("poison") {
            queue.put_in_the_past("running", "poison", 1).await;
        } else {
            assert_eq!(worker.complete(&[done(delivery, 0)]).await.unwrap(), [Settled::Done]);
            finished.insert(delivery.id.clone());
        }
        queue.state().await;
    }
    assert_eq!(finished.len(), 10);
    let snapshot = queue.snapshot().await;
    assert_eq!(snapshot.members("dead"), ["poison".to_owned()].into());
    assert!(snapshot.list("suspects").is_empty() && !snapshot.fields("meta").contains("rich"));
}

#[tokio::test]
async fn once_a_suspect_always_a_suspect_until_it_ends() {
    let queue = with_a_suspect().await;
    let worker = queue.worker("w1");
    let suspect = claim_suspect(&worker).await;
    worker.release(&leases(&[suspect])).await.unwrap();
    assert_eq!(queue.snapshot().await.list("suspects"), ["a"]);
    let suspect = claim_suspect(&worker).await;
    worker.retry(&suspect.id, &suspect.token, MINUTE, "no luck").await.unwrap();
    queue.put_in_the_past("scheduled", "a", 1).await;
    let suspect = claim_suspect(&worker).await;
    worker.bury(&suspect.id, &suspect.token, "failed", "no luck").await.unwrap();
    queue.client.requeue(&queue.name, &job("a")).await.unwrap();
    queue.state().await;
    assert_eq!(worker.claim(5, 0).await.unwrap().company, Company::Any, "requeued, it begins anew");
    queue.state().await;
}

#[tokio::test]
async fn a_cancelled_suspect_leaves_no_ghost() {
    let queue = with_a_suspect().await;
    let worker = queue.worker("w1");
    worker.claim(0, 0).await.unwrap();
    for _ in 0..2 {
        queue.client.cancel(&queue.name, &job("a"), "ada").await.unwrap();
        let snapshot = queue.snapshot().await;
        assert!(snapshot.list("suspects").is_empty() && snapshot.set("ghosts").is_empty());
        queue.state().await;
    }
    queue.client.requeue(&queue.name, &job("a")).await.unwrap();
    assert_eq!(claim_one(&worker).await.id, job("a"));
    queue.state().await;
}

#[tokio::test]
async fn a_suspect_at_a_limit_holds_up_nobody_and_goes_on_when_there_is_room() {
    let queue = TestQueue::new().await;
    let (dead, worker) = (queue.worker("dead"), queue.worker("w1"));
    queue.put_keyed("a", "x").await;
    claim_one(&dead).await;
    queue.put_keyed("b", "x").await;
    let running = claim_one(&worker).await;
    queue.limit(Limits { key_concurrency: Some(1), ..Limits::default() }).await;
    queue.put_in_the_past("running", "a", 1).await;
    queue.put("c").await;
    let claim = queue.worker("idle").claim_when_idle(5, 0).await.unwrap();
    assert_eq!((ids(&claim.deliveries), claim.company), (vec!["c"], Company::Any));
    queue.state().await;
    queue.take_token().await;
    worker.complete(&[done(&running, 0)]).await.unwrap();
    assert!(queue.take_token().await);
    assert_eq!(claim_suspect(&worker).await.id, job("a"));

    queue.limit(Limits { concurrency: Some(1), ..Limits::default() }).await;
    queue.put_in_the_past("running", "a", 1).await;
    let claim = worker.claim_when_idle(5, 0).await.unwrap();
    assert!(claim.deliveries.is_empty(), "{:?} runs, and one is the limit", queue.snapshot().await.fields("leases"));
    queue.state().await;
}

#[tokio::test]
async fn hundreds_of_keyed_jobs_lost_at_once_become_suspects_in_bounded_steps() {
    let queue = TestQueue::new().await;
    let worker = queue.worker("w1");
    queue.put_many("a", 250, EnqueueOptions { key: Some("x".into()), ..EnqueueOptions::default() }).await;
    for delivery in worker.claim(250, 0).await.unwrap().deliveries {
        queue.put_in_the_past("running", delivery.id.as_str(), 1).await;
    }
    for recovered in [100, 200, 250] {
        worker.claim(0, 0).await.unwrap();
        assert_eq!(queue.snapshot().await.list("suspects").len(), recovered);
        queue.state().await;
    }
}
