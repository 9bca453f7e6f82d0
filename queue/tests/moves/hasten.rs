//! hasten.

use celeriac_queue::Error;

use crate::support::{MINUTE, TestQueue, expect, job};

#[tokio::test]
async fn a_scheduled_job_is_due_at_once_and_nothing_else_is_touched() {
    let queue = TestQueue::new().await;
    let worker = queue.worker("w1");
    let delivery = queue.run(&worker, "a").await;
    worker.snooze(&delivery.id, &delivery.token, MINUTE).await.unwrap();
    assert!(queue.take_token().await);

    assert!(queue.client.hasten(&queue.name, &job("a")).await.unwrap());
    let after = expect(
        "jobs a
         scheduled a@now
         tries a=0,0,1
         meta touched@now
         stats enqueued=1 snoozed=1
         wake 1",
    );
    assert_eq!(queue.state().await, after);
    assert!(queue.client.hasten(&queue.name, &job("a")).await.unwrap(), "a second time changes nothing");
    assert_eq!(queue.state().await, after);

    let delivery = queue.run(&worker, "b").await;
    let before = queue.state().await;
    assert!(!queue.client.hasten(&queue.name, &delivery.id).await.unwrap(), "a running job is not scheduled");
    assert_eq!(queue.state().await, before);
    let unknown = queue.client.hasten(&queue.name, &job("unknown")).await;
    assert!(matches!(unknown, Err(Error::NoSuchJob { .. })), "{unknown:?}");
}
