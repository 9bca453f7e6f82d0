//! enqueue, and schedule as its form with a later moment.

use std::time::Duration;

use celeriac_queue::{EnqueueOptions, Error, Job, JobContext, JobResult, PAYLOAD_BYTES_MAX, Policy, QueueName, State};
use serde::{Deserialize, Serialize};

use super::complete::done;
use crate::support::{MINUTE, TestQueue, claim_one, expect, ids, job, tell_all};

#[tokio::test]
async fn a_new_job_is_ready_and_the_same_id_again_changes_nothing() {
    let queue = TestQueue::new().await;
    let first = queue.put("a").await;
    assert_eq!((first.state, first.duplicate), (State::Ready, false));
    let after = expect(
        "jobs a
         ready:5 a
         stats enqueued=1
         wake 1",
    );
    assert_eq!(queue.state().await, after);

    let second = queue.put_first("a", 0).await;
    assert!(second.duplicate);
    assert_eq!(queue.state().await, after);
}

#[tokio::test]
async fn alone_or_in_company_a_job_enters_in_the_same_way() {
    let (alone, company) = (TestQueue::new().await, TestQueue::new().await);
    for id in ["a", "b", "a"] {
        let named = EnqueueOptions { id: Some(job(id)), ..EnqueueOptions::default() };
        let note = |options: &EnqueueOptions| ("note".to_owned(), b"{}".to_vec(), options.clone());
        let one = alone.put_with(id, EnqueueOptions::default()).await;
        let two = company.client.enqueue_many(&company.name, vec![note(&named), note(&named)], &Policy::default()).await.unwrap();
        assert_eq!((one.state, one.duplicate), (two[0].state, two[0].duplicate), "{id}");
        assert!(two[1].duplicate);
    }
    assert_eq!(alone.state().await, company.state().await);
    for queue in [&alone, &company] {
        let worker = queue.worker("w1");
        for _ in 0..2 {
            let ended = claim_one(&worker).await;
            worker.complete(&[done(&ended, 0)]).await.unwrap();
        }
    }
    assert!(alone.put("a").await.duplicate, "an id that is remembered was taken again");
    assert_eq!(alone.state().await, company.state().await);
}

#[tokio::test]
async fn an_id_is_a_duplicate_in_whatever_state_its_job_is() {
    let queue = TestQueue::new().await;
    let worker = queue.worker("w1");
    let running = queue.run(&worker, "running").await;
    let dead = queue.run(&worker, "dead").await;
    worker.bury(&dead.id, &dead.token, "failed", "no").await.unwrap();
    queue.put_later("scheduled", MINUTE).await;
    queue.put("ready").await;
    let before = queue.state().await;
    for id in [running.id.as_str(), "dead", "scheduled", "ready"] {
        assert!(queue.put(id).await.duplicate, "{id} was enqueued twice");
    }
    assert_eq!(queue.state().await, before);
}

#[tokio::test]
async fn a_batch_keeps_its_order_in_each_priority_and_takes_an_id_once() {
    let queue = TestQueue::new().await;
    let options = |id: &str, priority| EnqueueOptions { id: Some(job(id)), priority: Some(priority), ..EnqueueOptions::default() };
    let batch = [("a", 5), ("b", 9), ("c", 0), ("d", 5), ("a", 0), ("e", 9)];
    let jobs = batch.iter().map(|(id, priority)| ("note".to_owned(), b"{}".to_vec(), options(id, *priority))).collect();
    let answers = queue.client.enqueue_many(&queue.name, jobs, &Policy::default()).await.unwrap();
    assert_eq!(answers.iter().map(|answer| answer.duplicate).collect::<Vec<_>>(), [false, false, false, false, true, false]);
    assert_eq!(
        queue.state().await,
        expect(
            "jobs a b c d e
             priorities b=9 c=0 e=9
             ready:0 c
             ready:5 a d
             ready:9 b e
             meta rich
             stats enqueued=5
             wake 1"
        )
    );
}

#[tokio::test]
async fn a_job_due_later_is_scheduled_and_one_due_in_the_past_is_ready() {
    let queue = TestQueue::new().await;
    let now = queue.connection.time_ms().await.unwrap();
    let at = |at| EnqueueOptions { at: Some(at), ..EnqueueOptions::default() };
    assert_eq!(queue.put_with("in-an-hour", at(now + 3_600_000)).await.state, State::Scheduled);
    assert_eq!(queue.put_later("in-a-minute", MINUTE).await.state, State::Scheduled);
    assert_eq!(queue.put_with("overdue", at(now - 3_600_000)).await.state, State::Ready);
    assert_eq!(
        queue.state().await,
        expect(
            "jobs in-a-minute in-an-hour overdue
             scheduled in-a-minute@+1m in-an-hour@+1h
             ready:5 overdue
             stats enqueued=3
             wake 1"
        )
    );
}

#[tokio::test]
async fn a_chosen_id_is_remembered_for_a_day_after_the_end_whatever_the_end_was() {
    let queue = TestQueue::new().await;
    let worker = queue.worker("w1");
    let buried = queue.run(&worker, "buried").await;
    worker.bury(&buried.id, &buried.token, "failed", "no").await.unwrap();
    let expired = queue.run(&worker, "expired").await;
    worker.expire(&expired.id, &expired.token).await.unwrap();
    queue.put("cancelled").await;
    queue.client.cancel(&queue.name, &job("cancelled"), "ada").await.unwrap();
    worker.claim(1, 0).await.unwrap();
    tell_all(&worker).await;
    for zset in ["dead", "finished"] {
        for (id, _) in queue.snapshot().await.zset(zset) {
            queue.put_in_the_past(zset, &id, 1).await;
        }
    }
    assert_eq!(worker.prune().await.unwrap(), 3);
    assert_eq!(
        queue.state().await,
        expect(
            "meta touched@now
             seen buried@+24h cancelled@+24h expired@+24h
             stats cancelled=1 dead=1 enqueued=3 expired=1
             wake 1"
        )
    );
    assert!(queue.put("buried").await.duplicate);

    queue.put_in_the_past("seen", "buried", 1).await;
    assert!(!queue.put("buried").await.duplicate, "an id is remembered for ever");
}

#[tokio::test]
async fn any_bytes_and_any_visible_id_come_out_as_they_went_in() {
    let queue = TestQueue::new().await;
    let worker = queue.worker("w1");
    let payload: Vec<u8> = (0..=255_u8).chain(*b"\r\n{\"remember_ms\":7}\n").collect();
    for id in ["daily@2026-11-21T03:00:00.000Z", "a:b:{c}", "007", "*?[x]\\", &"x".repeat(200)] {
        let options = EnqueueOptions { id: Some(job(id)), ..EnqueueOptions::default() };
        queue.client.enqueue_raw("note", payload.clone(), &Policy::default(), options).await.unwrap();
        let delivery = claim_one(&worker).await;
        assert_eq!(delivery.id.as_str(), id);
        assert_eq!(delivery.envelope.as_ref().unwrap().payload, payload);
        worker.retry(&delivery.id, &delivery.token, Duration::ZERO, "once more").await.unwrap();
        let again = claim_one(&worker).await;
        assert_eq!((again.id.as_str(), again.tries.attempts), (id, 1));
        worker.bury(&again.id, &again.token, "failed", "enough").await.unwrap();
        assert!(queue.client.requeue(&queue.name, &job(id)).await.unwrap());
        let requeued = claim_one(&worker).await;
        assert_eq!(requeued.envelope.unwrap().payload, payload);
    }
    queue.state().await;
}

#[tokio::test]
async fn what_is_over_a_limit_is_refused_and_nothing_is_enqueued() {
    let queue = TestQueue::new().await;
    let many = |count| (0..count).map(|_| ("note".to_owned(), b"{}".to_vec(), EnqueueOptions::default())).collect::<Vec<_>>();
    let policy = Policy::default();
    let refused = queue.client.enqueue_many(&queue.name, many(501), &policy).await;
    assert!(matches!(refused, Err(Error::BatchTooLarge { count: 501, max: 500 })));
    let refused = queue.client.enqueue_raw("note", vec![b' '; PAYLOAD_BYTES_MAX + 1], &policy, EnqueueOptions::default()).await;
    assert!(matches!(refused, Err(Error::PayloadTooLarge { .. })));
    let refused = queue.client.enqueue_raw("Not A Name", b"{}".to_vec(), &policy, EnqueueOptions::default()).await;
    assert!(matches!(refused, Err(Error::InvalidName { .. })));
    let options = EnqueueOptions { priority: Some(10), ..EnqueueOptions::default() };
    assert!(matches!(queue.client.enqueue_raw("note", b"{}".to_vec(), &policy, options).await, Err(Error::InvalidName { .. })));
    assert_eq!(queue.state().await, expect(""));

    queue.client.enqueue_raw("note", vec![b' '; PAYLOAD_BYTES_MAX], &policy, EnqueueOptions::default()).await.unwrap();
    queue.client.enqueue_many(&queue.name, many(500), &policy).await.unwrap();
    assert_eq!(queue.snapshot().await.list("ready:5").len(), 501);
}

#[derive(Serialize, Deserialize)]
struct Greet {
    name: String,
}

impl Job for Greet {
    const NAME: &'static str = "greet";
    type State = ();
    type Output = ();
    fn policy() -> Policy {
        Policy { queue: QueueName::parse("greetings").unwrap(), priority: 2, ..Policy::default() }
    }
    async fn run(self, _: (), _: JobContext) -> JobResult {
        Ok(())
    }
}

#[tokio::test]
async fn a_typed_job_follows_its_policy_unless_the_caller_says_otherwise() {
    let mut queue = TestQueue::new().await;
    let by_policy = queue.client.enqueue(&Greet { name: "Ada".into() }).await.unwrap();
    let options = EnqueueOptions { id: Some(job("a")), priority: Some(7), ..EnqueueOptions::default() };
    queue.client.enqueue_with(&Greet { name: "Bob".into() }, options).await.unwrap();
    assert_eq!(queue.inspector().queue_names().await.unwrap(), std::slice::from_ref(&by_policy.queue));

    queue.name = by_policy.queue;
    let (ada, worker) = (by_policy.id, queue.worker("w1"));
    assert_eq!(
        queue.state().await,
        expect(&format!(
            "jobs {ada}(greet {{\"name\":\"Ada\"}}) a(greet {{\"name\":\"Bob\"}})
             priorities {ada}=2 a=7
             ready:2 {ada}
             ready:7 a
             meta rich
             stats enqueued=2
             wake 1"
        ))
    );
    assert_eq!(ids(&worker.claim(5, 0).await.unwrap().deliveries), [ada.as_str(), "a"]);
}
