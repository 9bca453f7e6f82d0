//! Batches: members in several queues, callbacks that come once.

use std::time::Duration;

use celeriac_queue::{
    BatchTally, BatchView, Consumer, EnqueueOptions, JobContext, JobError, LeaseConfig, Policy, QueueName, Registry, Transfers, WorkerId,
};
use tokio::sync::mpsc;

use crate::harness::{Stage, eventually};
use crate::job;

type Told = mpsc::UnboundedSender<(String, BatchTally)>;

job!(Fine, "fine", (), Policy::default(), |(), _| async { Ok(()) });
job!(Doomed, "doomed", (), Policy::default(), |(), _| async { Err(JobError::bury("never")) });
job!(Tell, "tell", Told, Policy::default(), |told: Told, ctx: JobContext| async move {
    told.send((ctx.id().to_string(), ctx.batch().expect("a callback has its batch").clone()))?;
    Ok(())
});

fn queues() -> Vec<QueueName> {
    ["default", "second", "third"].map(|name| QueueName::parse(name).unwrap()).to_vec()
}

fn registry() -> (Registry, mpsc::UnboundedReceiver<(String, BatchTally)>) {
    let (told, telling) = mpsc::unbounded_channel();
    (Registry::new().with::<Fine>(()).with::<Doomed>(()).with::<Tell>(told), telling)
}

async fn view(stage: &Stage, id: &str) -> BatchView {
    stage.inspector.batch(&stage.queue, &id.parse().unwrap()).await.unwrap()
}

#[tokio::test]
async fn members_in_three_queues_end_and_each_callback_runs_once_with_the_counts() {
    let stage = Stage::new().await;
    let (registry, mut telling) = registry();
    let mut config = stage.config();
    config.queues = queues();
    let worker = stage.start_with(registry, config);
    let mut batch = stage.client.batch().id("b".parse().unwrap()).on_success(&Tell).on_done(&Tell).on_failure(&Tell);
    for queue in queues().iter().cycle().take(1_000) {
        batch = batch.add_with(&Fine, EnqueueOptions { queue: Some(queue.clone()), ..EnqueueOptions::default() });
    }
    batch.enqueue().await.unwrap();
    let mut called = [telling.recv().await.unwrap(), telling.recv().await.unwrap()];
    called.sort_by(|a, b| a.0.cmp(&b.0));
    assert_eq!(called.clone().map(|(id, _)| id), ["b.done", "b.success"]);
    assert!(called.iter().all(|(_, tally)| (tally.total, tally.finished, tally.failed()) == (1_000, 1_000, 0)), "{called:?}");
    worker.stop().await;
    assert!(telling.try_recv().is_err(), "a callback ran that was not to run, or twice");
    let left: Vec<String> = stage.keys().into_iter().filter(|key| key.contains("transfers") || key.contains("batch_members")).collect();
    assert!(left.is_empty(), "{left:?} are left");
}

#[tokio::test]
async fn a_poisoned_member_calls_on_failure_and_on_done() {
    let stage = Stage::new().await;
    let batch = stage.client.batch().id("b".parse().unwrap()).add(&Fine).on_success(&Tell).on_done(&Tell).on_failure(&Tell);
    batch.enqueue().await.unwrap();
    let lease = LeaseConfig { lease: Duration::from_secs(1), losses_max: 1, ..LeaseConfig::default() };
    let dead = Consumer::new(stage.connection.clone(), stage.queue.clone(), WorkerId::generate("dead"), lease.clone());
    assert_eq!(dead.claim(1, 0).await.unwrap().deliveries.len(), 1);
    let (registry, mut telling) = registry();
    let mut config = stage.config();
    config.lease = lease;
    let worker = stage.start_with(registry, config);
    let called = [telling.recv().await.unwrap().0, telling.recv().await.unwrap().0];
    assert_eq!(called, ["b.failure", "b.done"]);
    worker.stop().await;
    assert_eq!(view(&stage, "b").await.tally.dead, 1);
}

#[tokio::test]
async fn what_a_mover_took_and_never_applied_is_moved_by_another_worker() {
    let stage = Stage::new().await;
    stage.client.batch().id("b".parse().unwrap()).add(&Doomed).on_failure(&Tell).enqueue().await.unwrap();
    let consumer = Consumer::new(stage.connection.clone(), stage.queue.clone(), WorkerId::generate("dead"), LeaseConfig::default());
    let delivery = consumer.claim(1, 0).await.unwrap().deliveries.pop().unwrap();
    consumer.bury(&delivery.id, &delivery.token, "refused", "never").await.unwrap();
    let dead = Transfers::new(stage.client.clone(), stage.queue.clone());
    assert_eq!(dead.take().await.unwrap().len(), 1);

    let (registry, mut telling) = registry();
    let worker = stage.start(registry);
    let (id, tally) = telling.recv().await.unwrap();
    assert_eq!((id.as_str(), tally.dead, tally.pending()), ("b.failure", 1, 0));
    eventually("the entry is gone", async || (stage.inspector.queue(&stage.queue).await.unwrap().transfers.waiting == 0).then_some(()))
        .await;
    worker.stop().await;
}
