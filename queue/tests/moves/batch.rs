//! open_batch, fill_batch, seal_batch, end_members: the record of a batch.

use std::collections::BTreeSet;
use std::time::Duration;

use celeriac_queue::{
    Batch, BatchId, BatchState, Cancelled, EnqueueOptions, Error, LeaseConfig, Policy, QueueName, Settled, Transfers, Unique, When,
};

use super::complete::done;
use crate::support::{TestQueue, claim_one, expect, ids, job, tell_all};

fn batch_id(id: &str) -> BatchId {
    BatchId::parse(id).unwrap()
}

/// A batch of so many jobs `note {}`, with all three callbacks.
fn batch(queue: &TestQueue, id: &str, members: usize) -> Batch {
    let mut batch = queue.client.batch().id(batch_id(id));
    for _ in 0..members {
        batch = batch.add_raw("note", b"{}".to_vec(), &Policy::default(), EnqueueOptions::default());
    }
    for when in When::ALL {
        batch = batch.on_raw(when, &format!("on_{}", when.as_str()), b"{}".to_vec(), &Policy::default(), EnqueueOptions::default());
    }
    batch
}

fn transfers(queue: &TestQueue) -> Transfers {
    Transfers::new(queue.client.clone(), queue.name.clone())
}

async fn move_all(queue: &TestQueue) {
    transfers(queue).move_once().await.unwrap();
}

/// Jobs that are ready, by their wire names.
async fn ready_names(queue: &TestQueue) -> Vec<String> {
    let ready = queue.inspector().list(&queue.name, celeriac_queue::State::Ready, 100).await.unwrap();
    ready.into_iter().filter_map(|view| view.name).collect()
}

#[tokio::test]
async fn a_batch_is_written_down_before_its_members_and_the_same_call_again_changes_nothing() {
    let queue = TestQueue::new().await;
    let enqueued = batch(&queue, "b", 2).enqueue().await.unwrap();
    assert_eq!((enqueued.members, enqueued.rejected, enqueued.duplicate), (2, 0, false));
    let after = expect(
        r#"jobs b.0 b.1
           extras b.0={"batch":{"home":"default","id":"b"}} b.1={"batch":{"home":"default","id":"b"}}
           ready:5 b.0 b.1
           batch:b created@now done:callback done:id=b.done done:job=on_done
             failure:callback failure:id=b.failure failure:job=on_failure
             sealed@now state=running success:callback success:id=b.success success:job=on_success total=2
           batch_members:b default/b.0 default/b.1
           batches b@+720h
           seen b.done@+720h b.failure@+720h b.success@+720h
           stats enqueued=2
           wake 1"#
            .replace("\n             ", " ")
            .as_str(),
    );
    assert_eq!(queue.state().await, after);

    assert!(batch(&queue, "b", 2).enqueue().await.unwrap().duplicate);
    assert_eq!(queue.state().await, after);
    let other = batch(&queue, "b", 3).enqueue().await.unwrap_err();
    assert!(other.to_string().contains("another number of members"), "{other}");
    assert_eq!(queue.state().await, after);
}

#[tokio::test]
async fn the_last_end_enqueues_the_callbacks_once_with_the_counts_and_a_second_one_changes_nothing() {
    let queue = TestQueue::new().await;
    let worker = queue.worker("w1");
    batch(&queue, "b", 2).enqueue().await.unwrap();
    let deliveries = worker.claim(2, 0).await.unwrap().deliveries;
    assert_eq!(worker.complete(&[done(&deliveries[0], 0), done(&deliveries[1], 0)]).await.unwrap(), [Settled::Done, Settled::Done]);

    // Two movers have taken the same entries: the lease of the first one ran out.
    let slow = transfers(&queue).take().await.unwrap();
    for name in ["end b.0", "end b.1"] {
        queue.put_in_the_past("transfers_due", name, 1).await;
    }
    move_all(&queue).await;
    let after = queue.state().await;
    assert_eq!(
        after,
        expect(
            r#"jobs b.done(on_done {}) b.success(on_success {})
               ready:5 b.success b.done
               batch:b created@now done:called@now done:id=b.done done:job=on_done ended@now failure:id=b.failure failure:job=on_failure finished=2 sealed@now state=ended success:called@now success:id=b.success success:job=on_success total=2
               batches_ended b@+24h
               meta touched@now
               seen b.0@+24h b.1@+24h
               stats enqueued=4 finished=2
               wake 1"#
        )
    );
    transfers(&queue).apply(&slow).await.unwrap();
    transfers(&queue).drop(&slow).await.unwrap();
    assert_eq!(queue.state().await, after);

    let callback = claim_one(&worker).await;
    let tally = callback.envelope.as_ref().unwrap().batch.clone().unwrap();
    assert_eq!((tally.id.as_str(), tally.total, tally.finished, tally.failed(), tally.pending()), ("b", 2, 2, 0, 0));
}

#[tokio::test]
async fn the_first_failure_calls_on_failure_at_once_and_the_end_calls_on_done_but_never_on_success() {
    let queue = TestQueue::new().await;
    let worker = queue.worker("w1");
    batch(&queue, "b", 3).enqueue().await.unwrap();
    let deliveries = worker.claim(3, 0).await.unwrap().deliveries;
    worker.bury(&deliveries[0].id, &deliveries[0].token, "refused", "no").await.unwrap();
    move_all(&queue).await;
    assert_eq!(ready_names(&queue).await, ["on_failure"]);

    worker.cancel(&deliveries[1].id, &deliveries[1].token, "not wanted").await.unwrap();
    worker.complete(&[done(&deliveries[2], 0)]).await.unwrap();
    move_all(&queue).await;
    assert_eq!(ready_names(&queue).await, ["on_failure", "on_done"]);
    let view = queue.inspector().batch(&queue.name, &batch_id("b")).await.unwrap();
    assert_eq!((view.state, view.tally.dead, view.tally.cancelled, view.tally.finished), (BatchState::Ended, 1, 1, 1));
    queue.state().await;
}

#[tokio::test]
async fn a_poisoned_an_expired_and_a_waiting_member_that_is_cancelled_count_as_failed() {
    let queue = TestQueue::new().await;
    let worker = queue.worker_with("w1", LeaseConfig { lease: Duration::from_secs(60), losses_max: 1, ..LeaseConfig::default() });
    batch(&queue, "b", 3).enqueue().await.unwrap();
    let deliveries = worker.claim(2, 0).await.unwrap().deliveries;
    assert_eq!(ids(&deliveries), ["b.0", "b.1"]);
    worker.expire(&deliveries[1].id, &deliveries[1].token).await.unwrap();
    queue.put_in_the_past("running", "b.0", 1).await;
    assert!(worker.claim(0, 0).await.unwrap().to_move, "the claim that buries a member does not say that there is something to move");
    assert_eq!(queue.client.cancel(&queue.name, &job("b.2"), "ada").await.unwrap(), Cancelled::Cancelled);
    move_all(&queue).await;
    assert!(!worker.claim(0, 0).await.unwrap().to_move);
    let view = queue.inspector().batch(&queue.name, &batch_id("b")).await.unwrap();
    assert_eq!((view.tally.dead, view.tally.expired, view.tally.cancelled, view.state), (1, 1, 1, BatchState::Ended));
    let called: Vec<bool> = view.callbacks.iter().map(|callback| callback.called_at.is_some()).collect();
    assert_eq!(called, [false, true, true], "success, done, failure");
}

#[tokio::test]
async fn a_dead_member_that_is_requeued_and_finishes_has_failed_all_the_same() {
    let queue = TestQueue::new().await;
    let worker = queue.worker("w1");
    batch(&queue, "b", 1).enqueue().await.unwrap();
    let delivery = claim_one(&worker).await;
    worker.bury(&delivery.id, &delivery.token, "refused", "no").await.unwrap();
    tell_all(&worker).await;
    // Before the mover came, and once more after it.
    for _ in 0..2 {
        assert!(queue.client.requeue(&queue.name, &job("b.0")).await.unwrap());
        let delivery = loop {
            let delivery = claim_one(&worker).await;
            if delivery.id == job("b.0") {
                break delivery;
            }
        };
        worker.complete(&[done(&delivery, 60)]).await.unwrap();
        move_all(&queue).await;
        let view = queue.inspector().batch(&queue.name, &batch_id("b")).await.unwrap();
        assert_eq!((view.tally.dead, view.tally.finished), (1, 0));
    }
    queue.state().await;
}

#[tokio::test]
async fn a_call_that_was_cut_short_is_completed_by_its_repetition_and_members_that_ended_meanwhile_stay_ended() {
    let queue = TestQueue::new().await;
    let worker = queue.worker("w1");
    batch(&queue, "b", 3).enqueue().await.unwrap();
    // As if the client had died before it sealed the batch, with one member enqueued and done and two that never came.
    let _: u64 = queue.raw("HDEL", "batch:b", &["sealed"]).await;
    let delivery = claim_one(&worker).await;
    worker.complete(&[done(&delivery, 0)]).await.unwrap();
    move_all(&queue).await;
    let _: u64 = queue.raw("LREM", "ready:5", &["0", "b.1"]).await;
    let _: u64 = queue.raw("LREM", "ready:5", &["0", "b.2"]).await;
    let _: u64 = queue.raw("HDEL", "jobs", &["b.1", "b.2"]).await;
    let _: u64 = queue.raw("HDEL", "extras", &["b.1", "b.2"]).await;
    let view = queue.inspector().batch(&queue.name, &batch_id("b")).await.unwrap();
    assert_eq!((view.state, view.tally.pending()), (BatchState::Open, 2));

    let again = batch(&queue, "b", 3).enqueue().await.unwrap();
    assert_eq!((again.rejected, again.duplicate), (0, false));
    let deliveries = worker.claim(9, 0).await.unwrap().deliveries;
    assert_eq!(ids(&deliveries), ["b.1", "b.2"]);
    worker.complete(&[done(&deliveries[0], 0), done(&deliveries[1], 0)]).await.unwrap();
    move_all(&queue).await;
    assert_eq!(ready_names(&queue).await, ["on_success", "on_done"]);
    queue.state().await;
}

#[tokio::test]
async fn a_batch_without_members_has_ended_and_succeeded() {
    let queue = TestQueue::new().await;
    batch(&queue, "b", 0).enqueue().await.unwrap();
    assert_eq!(ready_names(&queue).await, ["on_success", "on_done"]);
    queue.state().await;
}

#[tokio::test]
async fn a_member_whose_unique_key_is_taken_counts_as_rejected_at_once() {
    let queue = TestQueue::new().await;
    let unique = EnqueueOptions { unique: Some(Unique::by("one")), ..EnqueueOptions::default() };
    let enqueued = batch(&queue, "b", 0)
        .add_raw("note", b"{}".to_vec(), &Policy::default(), unique.clone())
        .add_raw("note", b"{}".to_vec(), &Policy::default(), unique)
        .enqueue()
        .await
        .unwrap();
    assert_eq!(enqueued.rejected, 1);
    let view = queue.inspector().batch(&queue.name, &batch_id("b")).await.unwrap();
    assert_eq!((view.tally.rejected, view.tally.pending()), (1, 1));
    assert_eq!(ready_names(&queue).await, ["note", "on_failure"]);
}

#[tokio::test]
async fn what_could_lose_a_callback_is_refused_in_words_and_leaves_nothing() {
    let queue = TestQueue::new().await;
    let with = |options: EnqueueOptions| batch(&queue, "b", 1).on_raw(When::Done, "report", b"{}".to_vec(), &Policy::default(), options);
    let elsewhere = EnqueueOptions { queue: Some(QueueName::parse("elsewhere").unwrap()), ..EnqueueOptions::default() };
    let unique = EnqueueOptions { unique: Some(Unique::by_arguments()), ..EnqueueOptions::default() };
    let named = EnqueueOptions { id: Some(job("mine")), ..EnqueueOptions::default() };
    for (options, words) in [(elsewhere, "must be of one queue"), (unique, "unique key"), (named, "given an id")] {
        let refused = with(options).enqueue().await.unwrap_err();
        assert!(matches!(refused, Error::Refused(_)) && refused.to_string().contains(words), "{refused}");
    }
    assert!(queue.snapshot().await.keys.is_empty());
}

#[tokio::test]
async fn batches_are_forgotten_at_their_time_and_open_ones_after_a_day() {
    let queue = TestQueue::new().await;
    let worker = queue.worker("w1");
    batch(&queue, "ended", 0).enqueue().await.unwrap();
    batch(&queue, "running", 1).enqueue().await.unwrap();
    batch(&queue, "kept", 1).enqueue().await.unwrap();
    assert_eq!(worker.prune().await.unwrap(), 0);
    queue.put_in_the_past("batches_ended", "ended", 1).await;
    queue.put_in_the_past("batches", "running", 1).await;
    assert_eq!(worker.prune().await.unwrap(), 2);
    let keys: BTreeSet<String> = queue.snapshot().await.keys.into_keys().filter(|key| key.starts_with("batch")).collect();
    assert_eq!(keys.into_iter().collect::<Vec<_>>(), ["batch:kept", "batch_members:kept", "batches"]);
    // Its member ends, and nobody is there to count it.
    let delivery = loop {
        let delivery = claim_one(&worker).await;
        if delivery.id == job("running.0") {
            break delivery;
        }
    };
    worker.complete(&[done(&delivery, 0)]).await.unwrap();
    move_all(&queue).await;
    assert_eq!(queue.inspector().batches(&queue.name, 10).await.unwrap().len(), 1);
}
