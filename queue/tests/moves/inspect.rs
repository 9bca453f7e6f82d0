//! The read-only views: what people see of the states that the moves make.

use celeriac_queue::{EnqueueOptions, Error, QueueName, State};

use super::complete::done;
use crate::support::{MINUTE, TestQueue, claim_one, job};

#[tokio::test]
async fn a_job_is_seen_in_each_state_it_goes_through() {
    let queue = TestQueue::new().await;
    let (worker, inspector) = (queue.worker("w1"), queue.inspector());
    let see = async || inspector.job(&queue.name, &job("a")).await.unwrap();
    assert!(matches!(inspector.job(&queue.name, &job("a")).await, Err(Error::NoSuchJob { .. })));

    let options = EnqueueOptions { priority: Some(2), delay: Some(MINUTE), request_id: Some("r-1".into()), ..EnqueueOptions::default() };
    queue.put_with("a", options).await;
    let view = see().await;
    assert_eq!((view.state, view.priority, view.name.as_deref(), view.payload_bytes), (State::Scheduled, 2, Some("note"), 2));
    assert!(view.until.is_some() && view.request_id.as_deref() == Some("r-1"));

    queue.put_in_the_past("scheduled", "a", 1).await;
    worker.claim(0, 0).await.unwrap();
    assert_eq!((see().await.state, see().await.until), (State::Ready, None));

    let delivery = claim_one(&worker).await;
    queue.client.cancel(&queue.name, &delivery.id, "ada").await.unwrap();
    let view = see().await;
    assert!(view.state == State::Running && view.cancel_asked && view.until.is_some());
    assert!(delivery.token.starts_with(&view.worker.unwrap()));

    worker.bury(&delivery.id, &delivery.token, "failed", "no luck").await.unwrap();
    let view = see().await;
    assert_eq!((view.state, view.history.len(), view.cancel_asked), (State::Dead, 1, false));
    assert_eq!(inspector.find(&job("a")).await.unwrap().queue, queue.name);
    assert_eq!(inspector.known(&queue.name, &[job("a"), job("b")]).await.unwrap(), [true, false]);
}

#[tokio::test]
async fn a_queue_at_a_glance_counts_every_job_once() {
    let queue = TestQueue::new().await;
    let worker = queue.worker("w1");
    let finished = queue.run(&worker, "finished").await;
    worker.complete(&[done(&finished, 60)]).await.unwrap();
    let dead = queue.run(&worker, "dead").await;
    worker.bury(&dead.id, &dead.token, "failed", "no luck").await.unwrap();
    queue.run(&worker, "running").await;
    queue.put_later("scheduled", MINUTE).await;
    queue.put_first("ready", 0).await;
    let view = queue.inspector().queue(&queue.name).await.unwrap();
    let counts = (view.ready, view.scheduled, view.running, view.finished, view.dead, view.notices);
    assert_eq!(counts, (1, 1, 1, 1, 1, 1));
    assert!(view.oldest_ready_ms.is_some_and(|ms| ms < 10_000));
    assert_eq!(view.moves["enqueued"], 5);

    let empty = queue.inspector().queue(&QueueName::parse("empty").unwrap()).await.unwrap();
    assert_eq!((empty.ready, empty.oldest_ready_ms), (0, None));
}

#[tokio::test]
async fn a_cancelled_job_that_still_stands_in_its_list_is_not_shown_as_ready() {
    let queue = TestQueue::new().await;
    let inspector = queue.inspector();
    let listed = async |state, limit| {
        let views = inspector.list(&queue.name, state, limit).await.unwrap();
        views.into_iter().map(|view| view.id.to_string()).collect::<Vec<_>>()
    };
    for id in ["ghost", "requeued", "a", "b"] {
        queue.put(id).await;
    }
    queue.put_first("urgent", 0).await;
    for id in ["ghost", "requeued", "urgent"] {
        queue.client.cancel(&queue.name, &job(id), "ada").await.unwrap();
    }
    queue.client.requeue(&queue.name, &job("requeued")).await.unwrap();
    assert_eq!(listed(State::Ready, 10).await, ["a", "b", "requeued"]);
    assert_eq!(listed(State::Ready, 2).await, ["a", "b"]);
    assert_eq!(listed(State::Cancelled, 10).await.len(), 2);
    assert_eq!(listed(State::Finished, 10).await.len(), 0);
    let view = inspector.queue(&queue.name).await.unwrap();
    assert_eq!(view.ready, 3);
    assert!(view.oldest_ready_ms.is_some());
}
