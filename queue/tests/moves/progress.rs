//! Progress, as a job's body reports it.

use std::time::Duration;

use celeriac_queue::{Consumer, Delivery, JobContext};
use tokio_util::sync::CancellationToken;

use super::complete::done;
use crate::support::{TestQueue, expect};

fn context(worker: &Consumer, delivery: &Delivery) -> JobContext {
    let envelope = delivery.envelope.as_ref().unwrap();
    let (queue, id) = (delivery.queue.clone(), delivery.id.clone());
    JobContext::new(worker.client(), queue, id, envelope, delivery.tries, 3, CancellationToken::new())
}

#[tokio::test]
async fn progress_is_shown_while_the_job_lives_and_never_outlives_it() {
    let queue = TestQueue::new().await;
    let worker = queue.worker("w1");
    let delivery = queue.run(&worker, "a").await;
    let context = context(&worker, &delivery);
    context.progress(250.0, "reading page 3").await;
    let view = queue.inspector().job(&queue.name, &delivery.id).await.unwrap();
    assert_eq!(view.progress.unwrap(), serde_json::json!({ "percent": 100.0, "message": "reading page 3" }));

    worker.retry(&delivery.id, &delivery.token, Duration::ZERO, "no luck").await.unwrap();
    let delivery = worker.claim(1, 0).await.unwrap().deliveries.pop().unwrap();
    assert!(queue.snapshot().await.hash("progress").is_empty(), "a new attempt begins at nothing");
    worker.complete(&[done(&delivery, 0)]).await.unwrap();
    context.progress(99.0, "a body that does not know that it has lost its lease").await;
    assert_eq!(
        queue.state().await,
        expect(
            "seen a@+24h
             meta touched@now
             stats enqueued=1 finished=1 retried=1
             wake 1"
        )
    );
}
