//! pause and resume.

use std::time::Duration;

use celeriac_queue::{Millis, Pause, Script};

use crate::support::{LEASE, MINUTE, TestQueue, claim_one, expect, ids};

fn pause(reason: &str, resume_at: Option<Millis>) -> Pause {
    Pause { reason: reason.into(), by: "ada".into(), at: 1, resume_at, cause: None }
}

#[tokio::test]
async fn a_paused_queue_hands_out_nothing_and_its_first_reason_stands() {
    let queue = TestQueue::new().await;
    let worker = queue.worker("w1");
    let running = queue.run(&worker, "running").await;
    queue.put("ready").await;
    assert!(queue.take_token().await);
    queue.client.pause(&queue.name, &pause("the API key was refused", None)).await.unwrap();
    queue.client.pause(&queue.name, &pause("lunch", None)).await.unwrap();

    let claim = worker.claim(5, 0).await.unwrap();
    assert!(claim.deliveries.is_empty() && claim.paused && !claim.work_left);
    assert_eq!(
        queue.state().await,
        expect(
            "jobs ready running
             leases running=w1
             running running@+1m
             ready:5 ready
             meta paused touched@now
             stats enqueued=2"
        ),
        "nobody is woken for work that is not handed out"
    );
    assert_eq!(queue.inspector().queue(&queue.name).await.unwrap().paused.unwrap().reason, "the API key was refused");

    // What runs goes on, is lost and found, and settles.
    worker.retry(&running.id, &running.token, MINUTE, "no luck").await.unwrap();
    queue.state().await;
}

#[tokio::test]
async fn a_paused_queue_still_promotes_recovers_and_hands_out_notices() {
    let queue = TestQueue::new().await;
    let worker = queue.worker("w1");
    queue.run(&worker, "lost").await;
    queue.put_in_the_past("running", "lost", 1).await;
    queue.put_later("due", MINUTE).await;
    queue.put_in_the_past("scheduled", "due", 1).await;
    queue.put_later("cancelled", MINUTE).await;
    queue.client.cancel(&queue.name, &crate::support::job("cancelled"), "ada").await.unwrap();
    queue.client.pause(&queue.name, &pause("lunch", None)).await.unwrap();
    assert_eq!(worker.claim(5, 5).await.unwrap().notices.len(), 1);
    assert_eq!(queue.snapshot().await.list("suspects"), ["lost"]);
    assert_eq!(queue.snapshot().await.list("ready:5"), ["due"]);
}

#[tokio::test]
async fn resuming_wakes_a_worker_and_says_whether_the_queue_was_paused() {
    let queue = TestQueue::new().await;
    queue.put("a").await;
    queue.client.pause(&queue.name, &pause("lunch", None)).await.unwrap();
    queue.worker("w1").claim(1, 0).await.unwrap();
    queue.take_token().await;
    assert!(queue.client.resume(&queue.name).await.unwrap());
    let after = expect(
        "jobs a
         ready:5 a
         meta touched@now
         stats enqueued=1
         wake 1",
    );
    assert_eq!(queue.state().await, after);
    assert!(!queue.client.resume(&queue.name).await.unwrap());
    assert_eq!(queue.state().await, after);
    claim_one(&queue.worker("w1")).await;
}

#[tokio::test]
async fn a_pause_with_an_end_ends_by_itself_and_idle_workers_are_told_when() {
    let queue = TestQueue::new().await;
    let worker = queue.worker("w1");
    queue.put("a").await;
    let now = queue.connection.time_ms().await.unwrap();
    queue.client.pause(&queue.name, &pause("lunch", Some(now + 3 * LEASE.as_millis() as u64))).await.unwrap();
    let claim = worker.claim(1, 0).await.unwrap();
    assert!(claim.paused);
    let due = claim.next_due.expect("the end of the pause falls due");
    assert!(due > 2 * LEASE && due <= 3 * LEASE, "{due:?}");
    queue.client.resume(&queue.name).await.unwrap();

    queue.client.pause(&queue.name, &pause("a moment", Some(now - 1))).await.unwrap();
    let claim = worker.claim(1, 0).await.unwrap();
    assert_eq!((ids(&claim.deliveries), claim.paused), (vec!["a"], false));
    assert!(queue.inspector().queue(&queue.name).await.unwrap().paused.is_none());
    assert!(claim.next_due.unwrap() > Duration::ZERO);
}

#[tokio::test]
async fn only_the_pause_of_a_cause_is_lifted_and_it_wakes_a_worker() {
    let queue = TestQueue::new().await;
    queue.put("ready").await;
    assert!(queue.take_token().await);
    queue.client.pause(&queue.name, &pause("lunch", None)).await.unwrap();
    assert!(!queue.client.lift(&queue.name, "key ab12").await.unwrap(), "a person's pause was lifted");
    assert!(queue.client.resume(&queue.name).await.unwrap() && queue.take_token().await);

    let refused = Pause { cause: Some("key ab12".into()), ..pause("refused", None) };
    queue.client.pause(&queue.name, &refused).await.unwrap();
    assert!(!queue.client.lift(&queue.name, "key ff00").await.unwrap(), "a pause for another cause was lifted");
    assert!(queue.client.lift(&queue.name, "key ab12").await.unwrap());
    assert!(queue.take_token().await, "nobody was woken");
    assert!(!queue.client.lift(&queue.name, "key ab12").await.unwrap());
    assert_eq!(queue.worker("w1").claim(5, 0).await.unwrap().deliveries.len(), 1);
}

#[tokio::test]
async fn a_script_of_somebody_elses_runs_beside_the_queues_also_when_it_is_not_known() {
    let queue = TestQueue::new().await;
    let connection = queue.client.connection();
    let key = format!("{}counter", connection.namespace().beside("test"));
    let source = format!("-- {}\nreturn {{ tostring(redis.call('INCRBY', KEYS[1], ARGV[1])), KEYS[1] }}", uuid::Uuid::new_v4());
    let script = Script::new("count", &source);
    for total in ["3", "6"] {
        assert_eq!(script.run(connection, std::slice::from_ref(&key), &["3".to_owned()]).await.unwrap(), [total.to_owned(), key.clone()]);
    }
    assert!(key.contains(":{@test}:"), "{key}");
    Script::new("forget", "return { tostring(redis.call('DEL', KEYS[1])) }").run(connection, &[key], &[]).await.unwrap();
}
