//! take_transfers, drop_transfers.

use celeriac_queue::{EnqueueOptions, Policy, Transfers};

use super::complete::done;
use crate::support::{TestQueue, expect};

/// A batch `b` of two members without callbacks, both completed and not yet moved.
async fn two_ends() -> TestQueue {
    let queue = TestQueue::new().await;
    let worker = queue.worker("w1");
    let mut batch = queue.client.batch().id("b".parse().unwrap());
    for _ in 0..2 {
        batch = batch.add_raw("note", b"{}".to_vec(), &Policy::default(), EnqueueOptions::default());
    }
    batch.enqueue().await.unwrap();
    let deliveries = worker.claim(2, 0).await.unwrap().deliveries;
    queue.take_token().await;
    worker.complete(&[done(&deliveries[0], 0), done(&deliveries[1], 0)]).await.unwrap();
    queue
}

#[tokio::test]
async fn an_end_is_written_down_with_the_move_and_wakes_a_worker() {
    let queue = two_ends().await;
    let state = queue.state().await;
    assert_eq!(
        state,
        expect(
            "batch:b created@now sealed@now state=running total=2
             batch_members:b default/b.0 default/b.1
             batches b@+720h
             meta touched@now
             seen b.0@+24h b.1@+24h
             stats enqueued=2 finished=2
             transfers [end b.0: b finished] [end b.1: b finished]
             transfers_due end b.0@now end b.1@now
             wake 1"
        )
    );
}

#[tokio::test]
async fn what_was_taken_is_hidden_for_ten_seconds_and_then_comes_again() {
    let queue = two_ends().await;
    let transfers = Transfers::new(queue.client.clone(), queue.name.clone());
    assert_eq!(transfers.take().await.unwrap().len(), 2);
    let snapshot = queue.snapshot().await;
    for (name, visible_at) in snapshot.zset("transfers_due") {
        let hidden_ms = visible_at - snapshot.now as f64;
        assert!((5_000.0..=10_000.0).contains(&hidden_ms), "{name} is hidden for {hidden_ms} ms");
    }
    assert!(transfers.take().await.unwrap().is_empty());
    let claim = queue.worker("w2").claim(1, 1).await.unwrap();
    assert!(!claim.to_move && claim.next_due.is_some_and(|due| due.as_secs() >= 5), "{claim:?}");

    queue.put_in_the_past("transfers_due", "end b.1", 1).await;
    assert!(queue.worker("w2").claim(1, 1).await.unwrap().to_move);
    assert_eq!(transfers.take().await.unwrap().len(), 1);
}

#[tokio::test]
async fn what_was_dropped_is_gone_and_to_drop_it_again_changes_nothing() {
    let queue = two_ends().await;
    let transfers = Transfers::new(queue.client.clone(), queue.name.clone());
    let taken = transfers.take().await.unwrap();
    transfers.apply(&taken).await.unwrap();
    transfers.drop(&taken).await.unwrap();
    let after = expect(
        "batch:b created@now ended@now finished=2 sealed@now state=ended total=2
         batches_ended b@+24h
         meta touched@now
         seen b.0@+24h b.1@+24h
         stats enqueued=2 finished=2
         wake 1",
    );
    assert_eq!(queue.state().await, after);
    transfers.drop(&taken).await.unwrap();
    assert_eq!(queue.state().await, after);
}

#[tokio::test]
async fn an_entry_that_nobody_can_read_goes_and_does_not_hold_up_the_others() {
    let queue = two_ends().await;
    let _: u64 = queue.raw("HSET", "transfers", &["end b.0", "noise", "strange x", "{\"at\":1}\n"]).await;
    let _: u64 = queue.raw("ZADD", "transfers_due", &["1", "strange x", "1", "end gone"]).await;
    let transfers = Transfers::new(queue.client.clone(), queue.name.clone());
    assert_eq!(transfers.move_once().await.unwrap().entries, 4);
    let snapshot = queue.snapshot().await;
    assert!(!snapshot.keys.contains_key("transfers") && !snapshot.keys.contains_key("transfers_due"));
    assert_eq!(snapshot.set("batch_members:b").into_iter().collect::<Vec<_>>(), ["default/b.0"]);
}
