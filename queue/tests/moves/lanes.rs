//! Jobs with a key: each key and priority has a lane of its own, and every move finds the job's way back to it.

use std::time::Duration;

use celeriac_queue::{Cancelled, Completion, Consumer, Delivery, EnqueueOptions, Settled, State};

use super::complete::done;
use crate::support::{MINUTE, TestQueue, claim_one, expect, ids, job, leases, tell_all};

/// Ends a job so that nothing is kept of it.
async fn forget(worker: &Consumer, delivery: &Delivery) {
    let settled = worker.complete(&[Completion { remember_ms: 0, ..done(delivery, 0) }]).await.unwrap();
    assert_eq!(settled, [Settled::Done]);
}

#[tokio::test]
async fn keyed_jobs_wait_in_lanes_of_their_own_and_leave_nothing_behind() {
    let queue = TestQueue::new().await;
    let worker = queue.worker("w1");
    for (id, key, priority) in [("a", "x", 5), ("b", "y", 5), ("c", "x", 5), ("d", "x", 2)] {
        queue.put_with(id, EnqueueOptions { key: Some(key.into()), priority: Some(priority), ..EnqueueOptions::default() }).await;
    }
    queue.put("e").await;
    assert_eq!(
        queue.state().await,
        expect(
            r#"jobs a b c d e
             extras a={"key":"x"} b={"key":"y"} c={"key":"x"} d={"key":"x"}
             priorities d=2
             lane:2@x d
             lane:5@x a c
             lane:5@y b
             ready:5 e
             ring:2 2@x
             ring:5 5@x 5@y
             meta rich
             stats enqueued=5
             wake 1"#
        )
    );
    assert!(queue.take_token().await);

    let claim = worker.claim(5, 0).await.unwrap();
    assert_eq!(ids(&claim.deliveries), ["d", "e", "a", "b", "c"]);
    assert!(!claim.work_left);
    assert_eq!(
        queue.state().await,
        expect(
            r#"jobs a b c d e
             extras a={"key":"x"} b={"key":"y"} c={"key":"x"} d={"key":"x"}
             priorities d=2
             leases a=w1 b=w1 c=w1 d=w1 e=w1
             running a@+1m b@+1m c@+1m d@+1m e@+1m
             busy x=3 y=1
             meta touched@now
             stats enqueued=5"#
        )
    );
    for delivery in &claim.deliveries {
        forget(&worker, delivery).await;
    }
    assert_eq!(queue.state().await, expect("meta touched@now\n stats enqueued=5 finished=5"));
}

#[tokio::test]
async fn released_keyed_jobs_stand_at_the_head_of_their_lanes_in_their_order() {
    let queue = TestQueue::new().await;
    let worker = queue.worker("w1");
    for id in ["a", "b", "c"] {
        queue.put_keyed(id, "x").await;
    }
    let held = leases(&worker.claim(2, 0).await.unwrap().deliveries);
    let wrong = vec![(job("a"), "wrong".to_owned())];
    let before = queue.state().await;
    assert_eq!(worker.release(&wrong).await.unwrap(), [Settled::LeaseLost]);
    assert_eq!(queue.state().await, before);
    assert_eq!(worker.release(&held).await.unwrap(), [Settled::Done; 2]);
    let after = expect(
        r#"jobs a b c
         extras a={"key":"x"} b={"key":"x"} c={"key":"x"}
         lane:5@x a b c
         ring:5 5@x
         meta rich touched@now
         stats enqueued=3
         wake 1"#,
    );
    assert_eq!(queue.state().await, after);
    assert_eq!(worker.release(&held).await.unwrap(), [Settled::LeaseLost; 2]);
    assert_eq!(queue.state().await, after);
}

#[tokio::test]
async fn a_wrong_token_and_a_second_call_change_nothing_of_a_keyed_unique_job() {
    let unique = Some(celeriac_queue::Unique::by("u"));
    for way in ["complete", "retry", "snooze", "bury", "expire", "cancel", "release"] {
        let queue = TestQueue::new().await;
        let worker = queue.worker("w1");
        queue.put_with("a", EnqueueOptions { key: Some("x".into()), unique: unique.clone(), ..EnqueueOptions::default() }).await;
        let delivery = claim_one(&worker).await;
        let settle = async |token: &str| {
            let id = &delivery.id;
            match way {
                "complete" => worker.complete(&[Completion { token: token.to_owned(), ..done(&delivery, 60) }]).await.map(|all| all[0]),
                "retry" => worker.retry(id, token, MINUTE, "no luck").await,
                "snooze" => worker.snooze(id, token, MINUTE).await,
                "bury" => worker.bury(id, token, "failed", "no luck").await,
                "expire" => worker.expire(id, token).await,
                "cancel" => worker.cancel(id, token, "enough").await,
                _ => worker.release(&[(id.clone(), token.to_owned())]).await.map(|all| all[0]),
            }
            .unwrap()
        };
        let running = queue.state().await;
        assert_eq!(settle("wrong").await, Settled::LeaseLost, "{way}");
        assert_eq!(queue.state().await, running, "{way}");
        assert_eq!(settle(&delivery.token).await, Settled::Done, "{way}");
        let settled = queue.state().await;
        assert!(!queue.snapshot().await.keys.contains_key("busy"), "{way}");
        assert_eq!(settle(&delivery.token).await, Settled::LeaseLost, "{way}");
        assert_eq!(queue.state().await, settled, "{way}");
    }
}

#[tokio::test]
async fn a_keyed_job_that_is_retried_or_put_off_comes_back_to_the_tail_of_its_lane() {
    let queue = TestQueue::new().await;
    let worker = queue.worker("w1");
    queue.put_keyed("a", "x").await;
    queue.put_keyed("b", "x").await;
    for by_retry in [true, false] {
        let delivery = claim_one(&worker).await;
        let (id, token) = (&delivery.id, delivery.token.as_str());
        let settled = if by_retry { worker.retry(id, token, MINUTE, "no luck").await } else { worker.snooze(id, token, MINUTE).await };
        assert_eq!(settled.unwrap(), Settled::Done);
        queue.put_in_the_past("scheduled", delivery.id.as_str(), 1).await;
        worker.claim(0, 0).await.unwrap();
        queue.state().await;
    }
    assert_eq!(queue.snapshot().await.list("lane:5@x"), ["a", "b"]);
}

#[tokio::test]
async fn a_cancelled_keyed_job_is_stepped_over_and_its_record_keeps_its_key_until_it_is_pruned() {
    let queue = TestQueue::new().await;
    let worker = queue.worker("w1");
    queue.put_keyed("a", "x").await;
    assert_eq!(queue.client.cancel(&queue.name, &job("a"), "ada").await.unwrap(), Cancelled::Cancelled);
    let cancelled = queue.state().await;
    assert_eq!(
        cancelled,
        expect(
            r#"jobs a
             extras a={"key":"x"}
             lane:5@x a
             ghosts 5@x a
             ring:5 5@x
             finished a@+24h
             outcomes a=cancelled[asked: cancelled by ada]
             notices a@now
             seen a@+24h
             meta rich
             stats cancelled=1 enqueued=1
             wake 1"#
        )
    );
    assert_eq!(queue.client.cancel(&queue.name, &job("a"), "ada").await.unwrap(), Cancelled::AlreadyEnded);
    assert_eq!(queue.state().await, cancelled);

    assert!(worker.claim(1, 0).await.unwrap().deliveries.is_empty());
    tell_all(&worker).await;
    assert_eq!(
        queue.state().await,
        expect(
            r#"jobs a
             extras a={"key":"x"}
             finished a@+24h
             outcomes a=cancelled[asked: cancelled by ada]
             seen a@+24h
             meta touched@now
             stats cancelled=1 enqueued=1
             wake 1"#
        )
    );
    queue.put_in_the_past("finished", "a", 1).await;
    queue.put_in_the_past("seen", "a", 1).await;
    worker.prune().await.unwrap();
    assert_eq!(queue.state().await, expect("meta touched@now\n stats cancelled=1 enqueued=1\n wake 1"));
}

#[tokio::test]
async fn an_id_enqueued_anew_under_another_key_while_its_ghost_still_stands_runs_once() {
    let queue = TestQueue::new().await;
    let worker = queue.worker("w1");
    for key in [Some("y"), None, Some("x")] {
        queue.put_keyed("other", "x").await;
        queue.put_keyed("a", "x").await;
        queue.client.cancel(&queue.name, &job("a"), "ada").await.unwrap();
        tell_all(&worker).await;
        queue.put_in_the_past("finished", "a", 1).await;
        queue.put_in_the_past("seen", "a", 1).await;
        assert_eq!(worker.prune().await.unwrap(), 2, "the record and the remembered id");
        assert_eq!(queue.snapshot().await.set("ghosts").len(), 1);

        let again = EnqueueOptions { key: key.map(str::to_owned), ..EnqueueOptions::default() };
        assert!(!queue.put_with("a", again).await.duplicate);
        queue.state().await;
        let deliveries = worker.claim(5, 0).await.unwrap().deliveries;
        let mut found = ids(&deliveries);
        found.sort_unstable();
        assert_eq!(found, ["a", "other"], "with key {key:?}");
        for delivery in &deliveries {
            forget(&worker, delivery).await;
        }
        queue.state().await;
    }
}

#[tokio::test]
async fn an_ended_keyed_job_is_requeued_to_its_lane() {
    let queue = TestQueue::new().await;
    let worker = queue.worker("w1");
    queue.put_keyed("a", "x").await;
    let delivery = claim_one(&worker).await;
    worker.bury(&delivery.id, &delivery.token, "failed", "no luck").await.unwrap();
    assert!(queue.client.requeue(&queue.name, &job("a")).await.unwrap());
    let after = expect(
        r#"jobs a
         extras a={"key":"x"}
         lane:5@x a
         ring:5 5@x
         seen a@+24h
         tries a=0,0,0
         history:a [w1: no luck]
         meta rich touched@now
         stats dead=1 enqueued=1 requeued=1
         wake 1"#,
    );
    assert_eq!(queue.state().await, after);
    assert!(!queue.client.requeue(&queue.name, &job("a")).await.unwrap());
    assert_eq!(queue.state().await, after);
    assert_eq!(claim_one(&worker).await.id.as_str(), "a");
}

#[tokio::test]
async fn people_see_keyed_jobs_in_line_whatever_their_key_looks_like() {
    let queue = TestQueue::new().await;
    let worker = queue.worker("w1");
    let inspector = queue.inspector();
    for (id, key) in [("a", "x@"), ("b", "@"), ("c", r#"quo"ted"#), ("d", "x@")] {
        queue.put_keyed(id, key).await;
    }
    queue.put("e").await;
    let listed = inspector.list(&queue.name, State::Ready, 10).await.unwrap();
    let mut found: Vec<(String, Option<String>)> = listed.into_iter().map(|view| (view.id.to_string(), view.key)).collect();
    found.sort();
    let key = |id: &str, key: &str| (id.to_owned(), Some(key.to_owned()));
    assert_eq!(found, [key("a", "x@"), key("b", "@"), key("c", r#"quo"ted"#), key("d", "x@"), ("e".to_owned(), None)]);
    assert_eq!(inspector.queue(&queue.name).await.unwrap().ready, 5);

    let keys = inspector.keys(&queue.name, 1).await.unwrap();
    assert_eq!((keys.len(), keys[0].key.as_str(), keys[0].ready, keys[0].running), (1, "x@", 2, 0));
    assert_eq!(worker.claim(5, 0).await.unwrap().deliveries.len(), 5);
    let keys = inspector.keys(&queue.name, 10).await.unwrap();
    assert_eq!((keys.len(), keys[0].key.as_str(), keys[0].ready, keys[0].running), (3, "x@", 0, 2));
    queue.state().await;
}

#[tokio::test]
async fn twenty_thousand_keyed_jobs_due_at_once_drain_in_bounded_steps() {
    const JOBS: usize = 20_000;
    let queue = TestQueue::new().await;
    let numbers: Vec<String> = (0..JOBS).map(|number| format!("{number:06}")).collect();
    let extras: Vec<String> = (0..JOBS).map(|number| format!(r#"{{"key":"k{}"}}"#, number % 2_000)).collect();
    for (part, extras) in numbers.chunks(5_000).zip(extras.chunks(5_000)) {
        let scored: Vec<&str> = part.iter().flat_map(|id| ["1", id]).collect();
        let _: u64 = queue.raw("ZADD", "scheduled", &scored).await;
        let stored: Vec<&str> = part.iter().flat_map(|id| [id.as_str(), "{\"v\":1,\"job\":\"note\",\"at\":1}\n{}"]).collect();
        let _: u64 = queue.raw("HSET", "jobs", &stored).await;
        let keyed: Vec<&str> = part.iter().zip(extras).flat_map(|(id, extra)| [id.as_str(), extra]).collect();
        let _: u64 = queue.raw("HSET", "extras", &keyed).await;
    }
    let worker = queue.worker("w1");
    let mut drained = 0;
    for claims in 1.. {
        let claim = worker.claim(500, 0).await.unwrap();
        drained += claim.deliveries.len();
        let still_scheduled: usize = queue.raw("ZCARD", "scheduled", &[]).await;
        assert_eq!(still_scheduled, JOBS.saturating_sub(claims * 500), "a claim promotes 500");
        let completions: Vec<_> = claim.deliveries.iter().map(|one| Completion { remember_ms: 0, ..done(one, 0) }).collect();
        worker.complete(&completions).await.unwrap();
        if drained == JOBS {
            break;
        }
        assert!(claim.work_left || claim.next_due == Some(Duration::ZERO), "the caller must come again at once");
    }
    worker.claim(1, 0).await.unwrap();
    queue.take_token().await;
    assert_eq!(queue.state().await, expect("meta touched@now\n stats finished=20000"));
}
