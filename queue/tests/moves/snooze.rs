//! snooze.

use celeriac_queue::Settled;

use crate::support::{MINUTE, TestQueue, expect};

#[tokio::test]
async fn a_snooze_spends_no_attempt_and_the_second_call_or_a_wrong_token_changes_nothing() {
    let queue = TestQueue::new().await;
    let worker = queue.worker("w1");
    let delivery = queue.run(&worker, "a").await;
    let before = queue.state().await;
    assert_eq!(worker.snooze(&delivery.id, "wrong", MINUTE).await.unwrap(), Settled::LeaseLost);
    assert_eq!(queue.state().await, before);

    assert_eq!(worker.snooze(&delivery.id, &delivery.token, MINUTE).await.unwrap(), Settled::Done);
    let after = expect(
        "jobs a
         scheduled a@+1m
         tries a=0,0,1
         meta touched@now
         stats enqueued=1 snoozed=1
         wake 1",
    );
    assert_eq!(queue.state().await, after);
    assert_eq!(worker.snooze(&delivery.id, &delivery.token, MINUTE).await.unwrap(), Settled::LeaseLost);
    assert_eq!(queue.state().await, after);
}

#[tokio::test]
async fn a_job_whose_cancellation_was_asked_for_is_cancelled_instead() {
    let queue = TestQueue::new().await;
    let worker = queue.worker("w1");
    let delivery = queue.run(&worker, "a").await;
    queue.client.cancel(&queue.name, &delivery.id, "ada").await.unwrap();
    assert_eq!(worker.snooze(&delivery.id, &delivery.token, MINUTE).await.unwrap(), Settled::Cancelled);
    assert_eq!(
        queue.state().await,
        expect(
            "jobs a
             finished a@+24h
             outcomes a=cancelled[asked: cancelled by ada]
             notices a@now
             seen a@+24h
             meta touched@now
             stats cancelled=1 enqueued=1
             wake 1"
        )
    );
}
