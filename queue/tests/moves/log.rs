//! A job's own log, stored and live.

use celeriac_queue::{Consumer, Delivery, Event, JobContext};
use tokio_util::sync::CancellationToken;

use super::complete::done;
use crate::support::{MINUTE, TestQueue, claim_one, expect, job};

fn context(worker: &Consumer, delivery: &Delivery) -> JobContext {
    let envelope = delivery.envelope.as_ref().unwrap();
    let (queue, id) = (delivery.queue.clone(), delivery.id.clone());
    JobContext::new(worker.client(), queue, id, envelope, delivery.tries, 3, CancellationToken::new())
}

async fn messages(queue: &TestQueue) -> Vec<(u64, String)> {
    let lines = queue.inspector().log(&queue.name, &job("a")).await.unwrap();
    lines.into_iter().map(|line| (line.number, line.message)).collect()
}

#[tokio::test]
async fn a_follower_hears_what_was_said_before_then_what_comes_then_the_end() {
    let queue = TestQueue::new().await;
    let worker = queue.worker("w1");
    let delivery = queue.run(&worker, "a").await;
    let context = context(&worker, &delivery);
    context.log("before").await;
    context.progress_of("extract", 10.0, "page 1").await;
    let mut follower = queue.client.follow(&queue.name, &job("a")).await.unwrap();
    context.log("after").await;
    context.progress(50.0, "page 2").await;
    worker.complete(&[done(&delivery, 60)]).await.unwrap();
    let mut heard = Vec::new();
    while let Some(event) = follower.next().await.unwrap() {
        heard.push(match event {
            Event::Log(line) => format!("{}:{}:{}", line.number, line.attempt, line.message),
            Event::Progress(progress) => format!("{} {}% {}", progress.step.unwrap_or_default(), progress.percent, progress.message),
            Event::Ended(outcome) => outcome.state.to_string(),
        });
    }
    assert_eq!(heard, ["1:1:before", "extract 10% page 1", "2:1:after", " 50% page 2", "finished"]);

    // Who comes after the end hears the same log, and the end.
    let mut late = queue.client.follow(&queue.name, &job("a")).await.unwrap();
    let mut count = 0;
    while late.next().await.unwrap().is_some() {
        count += 1;
    }
    assert_eq!(count, 3);
}

#[tokio::test]
async fn the_log_goes_on_over_attempts_keeps_its_last_two_hundred_lines_and_goes_with_the_job() {
    let queue = TestQueue::new().await;
    let worker = queue.worker("w1");
    let first = queue.run(&worker, "a").await;
    context(&worker, &first).log(&"x".repeat(2_000)).await;
    assert_eq!(messages(&queue).await[0].1.len(), 1_000);
    worker.retry(&first.id, &first.token, MINUTE, "no luck").await.unwrap();
    context(&worker, &first).log("said after the job was given up").await;
    assert_eq!(messages(&queue).await.len(), 1);

    queue.put_in_the_past("scheduled", "a", 1).await;
    let second = claim_one(&worker).await;
    let context = context(&worker, &second);
    for number in 0..250 {
        context.log(&number.to_string()).await;
    }
    let kept = messages(&queue).await;
    assert_eq!((kept.len(), kept[0].clone(), kept[199].clone()), (200, (52, "50".to_owned()), (251, "249".to_owned())));
    assert_eq!(queue.inspector().log(&queue.name, &job("a")).await.unwrap()[0].attempt, 2);

    worker.complete(&[done(&second, 0)]).await.unwrap();
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

#[tokio::test]
async fn the_log_of_a_kept_job_is_pruned_with_its_record() {
    let queue = TestQueue::new().await;
    let worker = queue.worker("w1");
    let delivery = queue.run(&worker, "a").await;
    context(&worker, &delivery).log("one").await;
    worker.complete(&[done(&delivery, 60)]).await.unwrap();
    assert_eq!(messages(&queue).await, [(1, "one".to_owned())]);
    queue.put_in_the_past("finished", "a", 1).await;
    worker.prune().await.unwrap();
    assert!(messages(&queue).await.is_empty());
    queue.state().await;
}
