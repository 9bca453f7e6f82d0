//! cancel: from outside, and by the worker that holds the job.

use celeriac_queue::{Cancelled, Error, Settled};

use crate::support::{MINUTE, TestQueue, claim_one, expect, ids, job, tell_all};

#[tokio::test]
async fn a_scheduled_job_is_cancelled_with_a_notice_and_the_second_call_changes_nothing() {
    let queue = TestQueue::new().await;
    queue.put_later("a", MINUTE).await;
    assert_eq!(queue.client.cancel(&queue.name, &job("a"), "ada").await.unwrap(), Cancelled::Cancelled);
    let after = expect(
        "jobs a
         finished a@+24h
         outcomes a=cancelled[asked: cancelled by ada]
         notices a@now
         seen a@+24h
         stats cancelled=1 enqueued=1
         wake 1",
    );
    assert_eq!(queue.state().await, after);
    assert_eq!(queue.client.cancel(&queue.name, &job("a"), "bob").await.unwrap(), Cancelled::AlreadyEnded);
    assert_eq!(queue.state().await, after);
}

#[tokio::test]
async fn a_ready_job_is_cancelled_where_it_stands_and_claim_steps_over_it() {
    let queue = TestQueue::new().await;
    for id in ["a", "b", "c"] {
        queue.put(id).await;
    }
    assert_eq!(queue.client.cancel(&queue.name, &job("a"), "ada").await.unwrap(), Cancelled::Cancelled);
    assert_eq!(
        queue.state().await,
        expect(
            "jobs a b c
             ready:5 a b c
             ghosts 5@ a
             finished a@+24h
             outcomes a=cancelled[asked: cancelled by ada]
             notices a@now
             seen a@+24h
             stats cancelled=1 enqueued=3
             wake 1"
        )
    );
    assert_eq!(queue.inspector().queue(&queue.name).await.unwrap().ready, 2);

    assert_eq!(ids(&queue.worker("w1").claim(2, 0).await.unwrap().deliveries), ["b", "c"]);
    assert_eq!(
        queue.state().await,
        expect(
            "jobs a b c
             leases b=w1 c=w1
             running b@+1m c@+1m
             finished a@+24h
             outcomes a=cancelled[asked: cancelled by ada]
             notices a@now
             seen a@+24h
             meta touched@now
             stats cancelled=1 enqueued=3
             wake 1"
        )
    );
}

#[tokio::test]
async fn a_job_cancelled_requeued_and_cancelled_again_does_not_run() {
    let queue = TestQueue::new().await;
    let worker = queue.worker("w1");
    queue.put("a").await;
    for _ in 0..3 {
        assert_eq!(queue.client.cancel(&queue.name, &job("a"), "ada").await.unwrap(), Cancelled::Cancelled);
        queue.state().await;
        assert!(queue.client.requeue(&queue.name, &job("a")).await.unwrap());
        queue.state().await;
    }
    queue.client.cancel(&queue.name, &job("a"), "ada").await.unwrap();
    queue.put("b").await;
    assert_eq!(ids(&worker.claim(5, 0).await.unwrap().deliveries), ["b"]);
    queue.state().await;
}

#[tokio::test]
async fn an_id_enqueued_anew_while_its_ghost_still_stands_runs_once() {
    let queue = TestQueue::new().await;
    let worker = queue.worker("w1");
    for priority in [5, 0, 9] {
        queue.put_first("other", 5).await;
        queue.put("a").await;
        queue.client.cancel(&queue.name, &job("a"), "ada").await.unwrap();
        // As if a day had passed: the record and the memory of the id are gone, the ghost is not.
        tell_all(&worker).await;
        queue.put_in_the_past("finished", "a", 1).await;
        queue.put_in_the_past("seen", "a", 1).await;
        assert_eq!(worker.prune().await.unwrap(), 2, "the record and the remembered id");
        assert_eq!(queue.snapshot().await.set("ghosts").len(), 1);

        assert!(!queue.put_first("a", priority).await.duplicate);
        queue.state().await;
        let deliveries = worker.claim(5, 0).await.unwrap().deliveries;
        let mut expected = vec!["other", "a"];
        if priority == 0 {
            expected.reverse();
        }
        assert_eq!(ids(&deliveries), expected, "with priority {priority}");
        let completions: Vec<_> =
            deliveries.iter().map(|delivery| celeriac_queue::Completion { remember_ms: 0, ..super::complete::done(delivery, 0) }).collect();
        worker.complete(&completions).await.unwrap();
        queue.state().await;
    }
}

#[tokio::test]
async fn many_cancelled_jobs_in_front_do_not_hold_a_claim_for_long() {
    let queue = TestQueue::new().await;
    let ids: Vec<String> = (0..10_000).map(|number| format!("{number}")).collect();
    let names: Vec<&str> = ids.iter().map(String::as_str).collect();
    let ghosts: Vec<String> = ids.iter().map(|id| format!("5@ {id}")).collect();
    let ghosts: Vec<&str> = ghosts.iter().map(String::as_str).collect();
    let _: u64 = queue.raw("RPUSH", "ready:5", &names).await;
    let _: u64 = queue.raw("SADD", "ghosts", &ghosts).await;
    queue.put("a").await;
    let worker = queue.worker("w1");
    for claims in 1..=11 {
        let claim = worker.claim(1, 0).await.unwrap();
        if let [delivery] = &claim.deliveries[..] {
            assert_eq!((delivery.id.as_str(), claims), ("a", 11), "a claim steps over a thousand ghosts");
            return;
        }
        assert!(claim.work_left, "the worker must come again at once");
    }
    panic!("the job behind the ghosts was never reached");
}

#[tokio::test]
async fn a_running_job_is_only_asked_and_its_worker_ends_it() {
    let queue = TestQueue::new().await;
    let worker = queue.worker("w1");
    let delivery = queue.run(&worker, "a").await;
    for call in ["first", "second"] {
        assert_eq!(queue.client.cancel(&queue.name, &delivery.id, "ada").await.unwrap(), Cancelled::Asked);
        assert_eq!(
            queue.state().await,
            expect(
                "jobs a
                 leases a=w1
                 running a@+1m
                 cancels a=cancelled[asked: cancelled by ada]
                 meta touched@now
                 stats enqueued=1
                 wake 1"
            ),
            "{call} call"
        );
    }
    let asked = queue.state().await;
    assert_eq!(worker.cancel(&delivery.id, "wrong", "as told").await.unwrap(), Settled::LeaseLost);
    assert_eq!(queue.state().await, asked);

    assert_eq!(worker.cancel(&delivery.id, &delivery.token, "as told").await.unwrap(), Settled::Done);
    let after = expect(
        "jobs a
         finished a@+24h
         outcomes a=cancelled[asked: cancelled by ada]
         notices a@now
         seen a@+24h
         meta touched@now
         stats cancelled=1 enqueued=1
         wake 1",
    );
    assert_eq!(queue.state().await, after);
    assert_eq!(worker.cancel(&delivery.id, &delivery.token, "as told").await.unwrap(), Settled::LeaseLost);
    assert_eq!(queue.client.cancel(&queue.name, &delivery.id, "ada").await.unwrap(), Cancelled::AlreadyEnded);
    assert_eq!(queue.state().await, after);
}

#[tokio::test]
async fn a_job_withdrawn_by_its_own_handler_gives_the_handlers_reason() {
    let queue = TestQueue::new().await;
    let worker = queue.worker("w1");
    let delivery = queue.run(&worker, "a").await;
    worker.cancel(&delivery.id, &delivery.token, "the user is gone").await.unwrap();
    let view = queue.inspector().job(&queue.name, &delivery.id).await.unwrap();
    assert_eq!(view.outcome.unwrap().reason.unwrap(), "the user is gone");
}

#[tokio::test]
async fn an_unknown_job_cannot_be_cancelled_and_leaves_no_trace() {
    let queue = TestQueue::new().await;
    let answer = queue.client.cancel(&queue.name, &job("a"), "ada").await;
    assert!(matches!(answer, Err(Error::NoSuchJob { .. })), "{answer:?}");
    assert_eq!(queue.worker("w1").cancel(&job("a"), "wrong", "as told").await.unwrap(), Settled::LeaseLost);
    assert_eq!(queue.state().await, expect(""));
}

#[tokio::test]
async fn a_cancelled_job_frees_its_place_for_a_retry_that_comes_too_late() {
    let queue = TestQueue::new().await;
    let (sleeper, other) = (queue.worker("sleeper"), queue.worker("other"));
    let slept = queue.run(&sleeper, "a").await;
    queue.put_in_the_past("running", "a", 1).await;
    other.claim(0, 0).await.unwrap();
    queue.client.cancel(&queue.name, &job("a"), "ada").await.unwrap();
    let before = queue.state().await;
    assert_eq!(sleeper.retry(&slept.id, &slept.token, MINUTE, "too late").await.unwrap(), Settled::LeaseLost);
    assert_eq!(sleeper.snooze(&slept.id, &slept.token, MINUTE).await.unwrap(), Settled::LeaseLost);
    assert_eq!(queue.state().await, before);
    queue.put("b").await;
    assert_eq!(claim_one(&other).await.id.as_str(), "b");
}
