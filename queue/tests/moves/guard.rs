//! The starvation guard: of sixteen jobs handed out while a lower priority waits, one is of a lower priority, and those take turns.

use celeriac_queue::{Delivery, EnqueueOptions, Limits};

use crate::support::{TestQueue, count_of};

fn of_priority(priority: u8) -> EnqueueOptions {
    EnqueueOptions { priority: Some(priority), ..EnqueueOptions::default() }
}

/// Places (from one) of the jobs that overtook one of priority zero, with their names.
fn overtaking(deliveries: &[Delivery]) -> Vec<(usize, String)> {
    let places = deliveries.iter().enumerate().filter(|(_, delivery)| !delivery.id.as_str().starts_with("first"));
    places.map(|(place, delivery)| (place + 1, delivery.id.to_string())).collect()
}

fn expected(places: &[(usize, &str)]) -> Vec<(usize, String)> {
    places.iter().map(|(place, id)| (*place, (*id).to_owned())).collect()
}

#[tokio::test]
async fn one_job_of_sixteen_is_of_a_lower_priority_whatever_the_credit_of_the_claims() {
    for credit in [1, 5, 15, 16, 64, 80] {
        let queue = TestQueue::new().await;
        queue.put_many("first", 100, of_priority(0)).await;
        queue.put_many("normal", 9, of_priority(5)).await;
        queue.put_many("last", 9, of_priority(9)).await;
        let mut all = Vec::new();
        while all.len() < 80 {
            all.extend(queue.worker("w1").claim(credit.min(80 - all.len()), 0).await.unwrap().deliveries);
        }
        let places = [(16, "normal-0"), (32, "last-0"), (48, "normal-1"), (64, "last-1"), (80, "normal-2")];
        assert_eq!(overtaking(&all), expected(&places), "with credit {credit}");
        queue.state().await;
    }
}

#[tokio::test]
async fn what_was_handed_out_before_anything_lower_waited_does_not_count() {
    let queue = TestQueue::new().await;
    let worker = queue.worker("w1");
    queue.put_many("first", 60, of_priority(0)).await;
    worker.claim(20, 0).await.unwrap();
    queue.put_many("last", 2, of_priority(9)).await;
    let claimed = worker.claim(20, 0).await.unwrap().deliveries;
    assert_eq!(overtaking(&claimed), expected(&[(16, "last-0")]));
}

#[tokio::test]
async fn a_lower_priority_that_may_not_run_neither_overtakes_nor_loses_its_turn() {
    let queue = TestQueue::new().await;
    let worker = queue.worker("w1");
    queue.limit(Limits { key_concurrency: Some(1), ..Limits::default() }).await;
    queue.put_many("last", 2, EnqueueOptions { key: Some("x".into()), ..of_priority(9) }).await;
    let running = worker.claim(1, 0).await.unwrap().deliveries;
    queue.put_many("first", 100, of_priority(0)).await;
    let claimed = worker.claim(40, 0).await.unwrap().deliveries;
    assert_eq!(count_of(&claimed, "first"), 40);
    worker.complete(&[super::complete::done(&running[0], 0)]).await.unwrap();
    let claimed = worker.claim(20, 0).await.unwrap().deliveries;
    assert_eq!(count_of(&claimed, "last"), 1);
    queue.state().await;
}
