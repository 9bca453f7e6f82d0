//! retry.

use celeriac_queue::Settled;

use crate::support::{MINUTE, TestQueue, claim_one, expect};

#[tokio::test]
async fn a_failed_attempt_is_counted_and_the_second_call_or_a_wrong_token_changes_nothing() {
    let queue = TestQueue::new().await;
    let worker = queue.worker("w1");
    let delivery = queue.run(&worker, "a").await;
    let _: u64 = queue.raw("HSET", "progress", &["a", "{}"]).await;
    let before = queue.state().await;
    assert_eq!(worker.retry(&delivery.id, "wrong", MINUTE, "no luck").await.unwrap(), Settled::LeaseLost);
    assert_eq!(queue.state().await, before);

    assert_eq!(worker.retry(&delivery.id, &delivery.token, MINUTE, "no luck").await.unwrap(), Settled::Done);
    let after = expect(
        "jobs a
         scheduled a@+1m
         tries a=1,0,0
         history:a [w1: no luck]
         meta touched@now
         stats enqueued=1 retried=1
         wake 1",
    );
    assert_eq!(queue.state().await, after);
    assert_eq!(worker.retry(&delivery.id, &delivery.token, MINUTE, "no luck").await.unwrap(), Settled::LeaseLost);
    assert_eq!(queue.state().await, after);
}

#[tokio::test]
async fn the_history_keeps_the_last_twenty_attempts() {
    let queue = TestQueue::new().await;
    let worker = queue.worker("w1");
    queue.put("a").await;
    for attempt in 1..=25 {
        let delivery = claim_one(&worker).await;
        worker.retry(&delivery.id, &delivery.token, std::time::Duration::ZERO, &format!("failure {attempt}")).await.unwrap();
    }
    let view = queue.inspector().job(&queue.name, &crate::support::job("a")).await.unwrap();
    assert_eq!(view.history.len(), 20);
    assert_eq!((view.history[0].error.as_str(), view.history[19].error.as_str()), ("failure 6", "failure 25"));
    assert_eq!(view.tries.attempts, 25);
}

#[tokio::test]
async fn a_job_whose_cancellation_was_asked_for_is_cancelled_instead_in_the_words_of_who_asked() {
    let queue = TestQueue::new().await;
    let worker = queue.worker("w1");
    let delivery = queue.run(&worker, "a").await;
    queue.client.cancel(&queue.name, &delivery.id, "ada").await.unwrap();
    assert_eq!(worker.retry(&delivery.id, &delivery.token, MINUTE, "no luck").await.unwrap(), Settled::Cancelled);
    assert_eq!(
        queue.state().await,
        expect(
            "jobs a
             finished a@+24h
             outcomes a=cancelled[asked: cancelled by ada]
             notices a@now
             seen a@+24h
             history:a [w1: no luck]
             meta touched@now
             stats cancelled=1 enqueued=1 retried=1
             wake 1"
        )
    );
}
