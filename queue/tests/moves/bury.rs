//! bury.

use celeriac_queue::Settled;

use crate::support::{TestQueue, expect};

#[tokio::test]
async fn a_buried_job_is_kept_with_its_reason_and_a_notice_and_no_other_call_changes_that() {
    let queue = TestQueue::new().await;
    let worker = queue.worker("w1");
    let delivery = queue.run(&worker, "a").await;
    let before = queue.state().await;
    assert_eq!(worker.bury(&delivery.id, "wrong", "refused", "never").await.unwrap(), Settled::LeaseLost);
    assert_eq!(queue.state().await, before);

    assert_eq!(worker.bury(&delivery.id, &delivery.token, "refused", "never").await.unwrap(), Settled::Done);
    let after = expect(
        "jobs a
         dead a@now
         outcomes a=dead[refused: never]
         notices a@now
         seen a@+24h
         history:a [w1: never]
         meta touched@now
         stats dead=1 enqueued=1
         wake 1",
    );
    assert_eq!(queue.state().await, after);
    assert_eq!(worker.bury(&delivery.id, &delivery.token, "refused", "never").await.unwrap(), Settled::LeaseLost);
    assert_eq!(queue.state().await, after);
}

#[tokio::test]
async fn a_job_whose_cancellation_was_asked_for_may_still_be_buried() {
    let queue = TestQueue::new().await;
    let worker = queue.worker("w1");
    let delivery = queue.run(&worker, "a").await;
    queue.client.cancel(&queue.name, &delivery.id, "ada").await.unwrap();
    assert_eq!(worker.bury(&delivery.id, &delivery.token, "failed", "no luck").await.unwrap(), Settled::Done);
    assert_eq!(
        queue.state().await,
        expect(
            "jobs a
             dead a@now
             outcomes a=dead[failed: no luck]
             notices a@now
             seen a@+24h
             history:a [w1: no luck]
             meta touched@now
             stats dead=1 enqueued=1
             wake 1"
        )
    );
}
