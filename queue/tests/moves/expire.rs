//! expire.

use celeriac_queue::Settled;

use crate::support::{TestQueue, expect};

#[tokio::test]
async fn an_expired_job_is_kept_for_a_day_with_a_notice_and_no_other_call_changes_that() {
    let queue = TestQueue::new().await;
    let worker = queue.worker("w1");
    let delivery = queue.run(&worker, "a").await;
    let before = queue.state().await;
    assert_eq!(worker.expire(&delivery.id, "wrong").await.unwrap(), Settled::LeaseLost);
    assert_eq!(queue.state().await, before);

    assert_eq!(worker.expire(&delivery.id, &delivery.token).await.unwrap(), Settled::Done);
    let after = expect(
        "jobs a
         finished a@+24h
         outcomes a=expired[expired: not started before its deadline]
         notices a@now
         seen a@+24h
         meta touched@now
         stats enqueued=1 expired=1
         wake 1",
    );
    assert_eq!(queue.state().await, after);
    assert_eq!(worker.expire(&delivery.id, &delivery.token).await.unwrap(), Settled::LeaseLost);
    assert_eq!(queue.state().await, after);
}
