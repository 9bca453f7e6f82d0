//! release.

use celeriac_queue::{EnqueueOptions, Policy, Settled};

use crate::support::{TestQueue, expect, ids, job, leases};

#[tokio::test]
async fn released_jobs_stand_at_the_head_of_their_lists_in_their_order_and_uncounted() {
    let queue = TestQueue::new().await;
    let worker = queue.worker("w1");
    for (id, priority) in [("a", 5), ("b", 5), ("urgent", 1), ("waiting", 5)] {
        queue.put_first(id, priority).await;
    }
    let claim = worker.claim(3, 0).await.unwrap();
    assert!(queue.take_token().await);
    let mut held = leases(&claim.deliveries);
    held.push((job("waiting"), "wrong".to_owned()));
    held.push((job("unknown"), "wrong".to_owned()));
    let settled = worker.release(&held).await.unwrap();
    assert_eq!(settled, [Settled::Done, Settled::Done, Settled::Done, Settled::LeaseLost, Settled::LeaseLost]);
    let after = expect(
        "jobs a b urgent waiting
         priorities urgent=1
         ready:1 urgent
         ready:5 a b waiting
         ring:5 5@
         meta rich touched@now
         stats enqueued=4
         wake 1",
    );
    assert_eq!(queue.state().await, after);

    assert_eq!(worker.release(&held).await.unwrap(), [Settled::LeaseLost; 5]);
    assert_eq!(queue.state().await, after);
}

#[tokio::test]
async fn a_wrong_token_releases_nothing() {
    let queue = TestQueue::new().await;
    let worker = queue.worker("w1");
    let delivery = queue.run(&worker, "a").await;
    let before = queue.state().await;
    assert_eq!(worker.release(&[(delivery.id, "wrong".to_owned())]).await.unwrap(), [Settled::LeaseLost]);
    assert_eq!(queue.state().await, before);
}

#[tokio::test]
async fn a_released_job_whose_cancellation_was_asked_for_is_cancelled_and_never_runs_again() {
    let queue = TestQueue::new().await;
    let worker = queue.worker("w1");
    let delivery = queue.run(&worker, "a").await;
    queue.client.cancel(&queue.name, &delivery.id, "ada").await.unwrap();
    assert_eq!(worker.release(&leases(&[delivery])).await.unwrap(), [Settled::Cancelled]);
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

#[tokio::test]
async fn more_than_one_script_takes_come_back_in_their_order() {
    let queue = TestQueue::new().await;
    let worker = queue.worker("w1");
    let mut held = Vec::new();
    for part in 0..3 {
        let options = |n| EnqueueOptions { id: Some(job(&format!("{part}-{n:03}"))), ..EnqueueOptions::default() };
        let jobs = (0..400).map(|n| ("note".to_owned(), b"{}".to_vec(), options(n))).collect();
        queue.client.enqueue_many(&queue.name, jobs, &Policy::default()).await.unwrap();
        held.extend(leases(&worker.claim(400, 0).await.unwrap().deliveries));
    }
    assert_eq!(worker.release(&held).await.unwrap(), vec![Settled::Done; 1_200]);
    let order: Vec<String> = held.into_iter().map(|(id, _)| id.to_string()).collect();
    assert_eq!(queue.snapshot().await.list("ready:5"), order);
    assert_eq!(ids(&worker.claim(2, 0).await.unwrap().deliveries), ["0-000", "0-001"]);
}
