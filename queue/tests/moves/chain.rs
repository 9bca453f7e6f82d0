//! Chains: complete with a next link, and its way to another queue.

use celeriac_queue::{
    Completion, Consumer, Delivery, EnqueueOptions, Error, LeaseConfig, Next, Policy, QueueName, Settled, State, Transfers, Unique,
    WorkerId,
};
use serde_json::{Value, json};

use super::complete::done;
use crate::support::{TestQueue, claim_one, expect, job};

fn there() -> QueueName {
    QueueName::parse("there").unwrap()
}

fn worker_there(queue: &TestQueue) -> Consumer {
    Consumer::new(queue.connection.clone(), there(), WorkerId::generate("w2"), LeaseConfig::default())
}

/// `first` here, `second` there with a delay of none, `third` here again.
fn chain(queue: &TestQueue) -> celeriac_queue::Chain {
    let elsewhere = EnqueueOptions { queue: Some(there()), key: Some("acme".into()), priority: Some(2), ..EnqueueOptions::default() };
    let chain = queue.client.chain().then_raw("first", br#"{"n":1}"#.to_vec(), &Policy::default(), EnqueueOptions::default());
    let chain = chain.then_raw("second", br#"{"n":2}"#.to_vec(), &Policy::default(), elsewhere);
    chain.then_raw("third", br#"{"n":3}"#.to_vec(), &Policy::default(), EnqueueOptions::default())
}

/// As a worker completes it with this output.
async fn complete(worker: &Consumer, delivery: &Delivery, output: Value) -> Vec<Settled> {
    let next = Next::after(delivery.envelope.as_ref().unwrap(), &output).unwrap().map(Box::new);
    worker.complete(&[Completion { next, ..done(delivery, 0) }]).await.unwrap()
}

async fn move_from(queue: &TestQueue, name: &QueueName) {
    Transfers::new(queue.client.clone(), name.clone()).move_once().await.unwrap();
}

#[tokio::test]
async fn a_link_that_finishes_leaves_the_next_one_as_a_transfer_and_a_second_completion_changes_nothing() {
    let queue = TestQueue::new().await;
    let worker = queue.worker("w1");
    let enqueued = chain(&queue).id(job("c")).enqueue().await.unwrap();
    let links: Vec<String> = enqueued.links.iter().map(|(queue, id)| format!("{queue}/{id}")).collect();
    assert_eq!(links, ["default/c", "there/c+1", "default/c+2"]);
    let delivery = claim_one(&worker).await;
    assert_eq!(complete(&worker, &delivery, json!({ "from": "first" })).await, [Settled::Done]);
    let after = expect(
        "meta touched@now
         seen c@+24h
         stats enqueued=1 finished=1
         transfers [next c: there/c+1]
         transfers_due next c@now
         wake 1",
    );
    assert_eq!(queue.state().await, after);
    assert_eq!(complete(&worker, &delivery, json!({ "from": "first" })).await, [Settled::LeaseLost]);
    assert_eq!(queue.state().await, after);
}

#[tokio::test]
async fn each_link_gets_the_output_of_the_one_before_and_runs_once_though_its_mover_dies_before_it_drops() {
    let queue = TestQueue::new().await;
    let (here, there_worker) = (queue.worker("w1"), worker_there(&queue));
    chain(&queue).id(job("c")).enqueue().await.unwrap();
    let first = claim_one(&here).await;
    complete(&here, &first, json!("one")).await;

    // A mover that applies and dies.
    let transfers = Transfers::new(queue.client.clone(), queue.name.clone());
    let taken = transfers.take().await.unwrap();
    transfers.apply(&taken).await.unwrap();
    let second = claim_one(&there_worker).await;
    assert_eq!((second.id.as_str(), second.envelope.as_ref().unwrap().payload.as_slice()), ("c+1", &br#"{"n":2}"#[..]));
    complete(&there_worker, &second, json!("two")).await;
    // Another comes ten seconds later.
    queue.put_in_the_past("transfers_due", "next c", 1).await;
    move_from(&queue, &queue.name).await;
    assert!(there_worker.claim(1, 0).await.unwrap().deliveries.is_empty(), "the second link came twice");

    move_from(&queue, &there()).await;
    let third = claim_one(&here).await;
    assert_eq!(third.id.as_str(), "c+2");
    complete(&here, &third, json!("three")).await;
    assert!(transfers.take().await.unwrap().is_empty(), "the last link left something behind");
}

#[tokio::test]
async fn a_link_that_dies_stops_the_chain_and_requeued_and_finished_it_goes_on() {
    let queue = TestQueue::new().await;
    let worker = queue.worker("w1");
    chain(&queue).id(job("c")).enqueue().await.unwrap();
    let delivery = claim_one(&worker).await;
    worker.bury(&delivery.id, &delivery.token, "refused", "no").await.unwrap();
    let transfers = Transfers::new(queue.client.clone(), queue.name.clone());
    assert!(transfers.take().await.unwrap().is_empty());
    queue.client.requeue(&queue.name, &job("c")).await.unwrap();
    let delivery = claim_one(&worker).await;
    complete(&worker, &delivery, Value::Null).await;
    move_from(&queue, &queue.name).await;
    let second = queue.inspector().job(&there(), &job("c+1")).await.unwrap();
    assert_eq!((second.state, second.priority, second.key.as_deref()), (State::Ready, 2, Some("acme")));
}

#[tokio::test]
async fn a_chain_in_a_batch_counts_once_by_its_last_link_or_by_the_one_that_fails() {
    for fails in [false, true] {
        let queue = TestQueue::new().await;
        let (here, there_worker) = (queue.worker("w1"), worker_there(&queue));
        queue.client.batch().id("b".parse().unwrap()).add_chain(chain(&queue)).enqueue().await.unwrap();
        let pending = async || queue.inspector().batch(&queue.name, &"b".parse().unwrap()).await.unwrap();
        let first = claim_one(&here).await;
        complete(&here, &first, Value::Null).await;
        move_from(&queue, &queue.name).await;
        assert_eq!(pending().await.tally.pending(), 1);
        let second = claim_one(&there_worker).await;
        if fails {
            there_worker.bury(&second.id, &second.token, "refused", "no").await.unwrap();
            move_from(&queue, &there()).await;
            assert_eq!((pending().await.tally.dead, pending().await.tally.pending()), (1, 0));
            continue;
        }
        complete(&there_worker, &second, Value::Null).await;
        move_from(&queue, &there()).await;
        let third = claim_one(&here).await;
        assert_eq!(pending().await.tally.pending(), 1);
        complete(&here, &third, Value::Null).await;
        move_from(&queue, &queue.name).await;
        assert_eq!((pending().await.tally.finished, pending().await.tally.pending()), (1, 0));
    }
}

#[tokio::test]
async fn what_would_break_a_chain_later_is_refused_when_it_is_enqueued() {
    let queue = TestQueue::new().await;
    let plain = || queue.client.chain().then_raw("first", b"{}".to_vec(), &Policy::default(), EnqueueOptions::default());
    let then = |payload: &[u8], options| plain().then_raw("second", payload.to_vec(), &Policy::default(), options);
    let unique = EnqueueOptions { unique: Some(Unique::by_arguments()), ..EnqueueOptions::default() };
    let named = EnqueueOptions { id: Some(job("mine")), ..EnqueueOptions::default() };
    let urgent = EnqueueOptions { priority: Some(10), ..EnqueueOptions::default() };
    let long = (0..21)
        .fold(queue.client.chain(), |chain, _| chain.then_raw("note", b"{}".to_vec(), &Policy::default(), EnqueueOptions::default()));
    let large = then(&[&b"\""[..], &[b'x'; 1_000_000][..], &b"\""[..]].concat(), EnqueueOptions::default());
    for (chain, words) in [
        (then(b"{}", unique), "unique key"),
        (then(b"{}", named), "given an id"),
        (then(b"{}", urgent), "priority"),
        (then(b"not json", EnqueueOptions::default()), "not JSON"),
        (long, "21 links"),
        (large, "1000004 bytes"),
        (queue.client.chain(), "0 links"),
    ] {
        let refused = chain.enqueue().await.unwrap_err();
        assert!(!matches!(refused, Error::Redis(_)) && refused.to_string().contains(words), "{refused}");
    }
    assert!(queue.snapshot().await.keys.is_empty());
}

#[tokio::test]
async fn an_output_too_large_to_hand_on_is_refused_with_its_size() {
    let queue = TestQueue::new().await;
    chain(&queue).enqueue().await.unwrap();
    let delivery = claim_one(&queue.worker("w1")).await;
    let refused = Next::after(delivery.envelope.as_ref().unwrap(), &json!("x".repeat(70_000))).unwrap_err();
    assert!(refused.contains("70002 bytes"), "{refused}");
}
