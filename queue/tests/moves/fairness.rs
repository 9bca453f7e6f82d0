//! Fair sharing: keys of one priority take turns by what they have used, whatever each has waiting.

use celeriac_queue::{Consumer, EnqueueOptions, KeyLimits, Limits};

use super::complete::done;
use crate::support::{TestQueue, count_of, ids};

fn keyed(key: &str) -> EnqueueOptions {
    EnqueueOptions { key: Some(key.to_owned()), ..EnqueueOptions::default() }
}

fn dear(key: &str, units: u32) -> EnqueueOptions {
    EnqueueOptions { units: Some(units), ..keyed(key) }
}

async fn drained(worker: &Consumer) -> bool {
    worker.claim(500, 0).await.unwrap().deliveries.is_empty()
}

#[tokio::test]
async fn a_tenant_with_a_hundred_thousand_jobs_does_not_delay_anothers_first() {
    let queue = TestQueue::new().await;
    queue.put_many("big", 100_000, keyed("big")).await;
    let worker = queue.worker("w1");
    assert_eq!(count_of(&worker.claim(100, 0).await.unwrap().deliveries, "big"), 100);
    queue.put_many("small", 3, keyed("small")).await;
    queue.put("unkeyed").await;
    let claimed = worker.claim(8, 0).await.unwrap().deliveries;
    assert_eq!((count_of(&claimed, "small"), count_of(&claimed, "unkeyed")), (3, 1), "{:?}", ids(&claimed));
    assert!(ids(&claimed[..3]).contains(&"small-0"), "{:?}", ids(&claimed));
}

#[tokio::test]
async fn weights_of_three_to_one_share_three_to_one_whoever_claims_and_however_much() {
    let queue = TestQueue::new().await;
    let weight = KeyLimits { weight: Some(3.0), ..KeyLimits::default() };
    queue.limit(Limits { keys: [("big".to_owned(), weight)].into(), ..Limits::default() }).await;
    queue.put_many("big", 600, keyed("big")).await;
    queue.put_many("small", 600, keyed("small")).await;
    let workers = [queue.worker("w1"), queue.worker("w2")];
    let mut all = Vec::new();
    for (turn, credit) in [1, 7, 64, 3, 25, 100].into_iter().cycle().take(12).enumerate() {
        all.extend(workers[turn % 2].claim(credit, 0).await.unwrap().deliveries);
        let (big, small) = (count_of(&all, "big"), count_of(&all, "small"));
        assert!(big.abs_diff(3 * small) <= 4, "{big} and {small} of {}", all.len());
    }
    assert_eq!(all.len(), 400);
}

#[tokio::test]
async fn a_job_of_many_units_uses_so_many_turns() {
    let queue = TestQueue::new().await;
    queue.put_many("dear", 100, dear("dear", 4)).await;
    queue.put_many("cheap", 100, keyed("cheap")).await;
    let claimed = queue.worker("w1").claim(100, 0).await.unwrap().deliveries;
    assert_eq!((count_of(&claimed, "dear"), count_of(&claimed, "cheap")), (20, 80));
}

#[tokio::test]
async fn one_that_enqueues_its_dear_jobs_one_by_one_gets_no_more_than_its_share() {
    let queue = TestQueue::new().await;
    queue.put_many("many", 200, keyed("many")).await;
    let worker = queue.worker("w1");
    let mut dear_ones = 0;
    for number in 0..100 {
        // Its lane is empty whenever it has had its turn.
        if queue.snapshot().await.list("lane:5@sly").is_empty() {
            queue.put_with(&format!("sly-{number}"), dear("sly", 9)).await;
        }
        dear_ones += count_of(&worker.claim(1, 0).await.unwrap().deliveries, "sly");
    }
    assert!((9..=12).contains(&dear_ones), "{dear_ones} of 100");
    while !drained(&worker).await {}
    let rest = queue.snapshot().await;
    assert!(rest.members("ring:5").is_empty() && !rest.fields("meta").contains("rich"), "what is left is {:?}", rest.keys.keys());
}

#[tokio::test]
async fn who_had_nothing_to_do_is_owed_nothing_for_that_time() {
    let queue = TestQueue::new().await;
    let worker = queue.worker("w1");
    queue.put_many("a", 200, keyed("a")).await;
    queue.put_many("b", 200, keyed("b")).await;
    worker.claim(200, 0).await.unwrap();
    queue.put_many("late", 200, keyed("late")).await;
    let claimed = worker.claim(30, 0).await.unwrap().deliveries;
    for name in ["a", "b", "late"] {
        assert!((9..=11).contains(&count_of(&claimed, name)), "{:?}", ids(&claimed));
    }
}

#[tokio::test]
async fn jobs_of_one_key_keep_their_order_beside_others() {
    let queue = TestQueue::new().await;
    let worker = queue.worker("w1");
    queue.put_many("a", 30, keyed("a")).await;
    queue.put_many("b", 30, keyed("b")).await;
    let mut order = Vec::new();
    for credit in [1, 20, 3, 36] {
        let claimed = worker.claim(credit, 0).await.unwrap().deliveries;
        order.extend(claimed.iter().filter(|delivery| delivery.id.as_str().starts_with('a')).map(|delivery| delivery.id.to_string()));
        let completions: Vec<_> = claimed.iter().map(|delivery| done(delivery, 0)).collect();
        worker.complete(&completions).await.unwrap();
    }
    assert_eq!(order, (0..30).map(|number| format!("a-{number}")).collect::<Vec<_>>());
}
