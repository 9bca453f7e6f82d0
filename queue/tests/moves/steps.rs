//! step and recall, as a job's body uses them.

use std::cell::Cell;

use celeriac_queue::{
    Client, Conflict, Connection, Consumer, Delivery, EnqueueOptions, JobContext, JobError, JobResult, KeyRing, Namespace, RedisConfig,
    STEP_BYTES_MAX, STEPS_MAX, Unique,
};
use serde::Serialize;
use serde::de::DeserializeOwned;
use tokio_util::sync::CancellationToken;

use super::complete::done;
use crate::support::{MINUTE, TestQueue, claim_one, claim_suspect, expect, job, tell_all};

const OLD: &str = "b2xkLW9sZC1vbGQtb2xkLW9sZC1vbGQtb2xkLW9sZC0=";
const NEW: &str = "bmV3LW5ldy1uZXctbmV3LW5ldy1uZXctbmV3LW5ldy0=";

fn context_of(client: Client, delivery: &Delivery) -> JobContext {
    let envelope = delivery.envelope.as_ref().unwrap();
    let (queue, id) = (delivery.queue.clone(), delivery.id.clone());
    JobContext::new(client, queue, id, envelope, delivery.tries, 3, CancellationToken::new()).holding(&delivery.token)
}

fn context(worker: &Consumer, delivery: &Delivery) -> JobContext {
    context_of(worker.client(), delivery)
}

/// What the step came to, and whether it ran for it.
async fn step<T: Serialize + DeserializeOwned>(context: &JobContext, name: &str, result: T) -> (JobResult<T>, bool) {
    let ran = Cell::new(false);
    let came_to = context.step(name, async || {
        ran.set(true);
        Ok(result)
    });
    (came_to.await, ran.get())
}

/// A run of a job of two steps; which of them ran.
async fn run(context: &JobContext) -> [bool; 2] {
    let (first, first_ran) = step(context, "extract", 7).await;
    let (second, second_ran) = step(context, "count", "seven".to_owned()).await;
    assert_eq!((first.unwrap(), second.unwrap()), (7, "seven".to_owned()));
    [first_ran, second_ran]
}

fn reason(result: JobResult<impl std::fmt::Debug>) -> String {
    match result {
        Err(JobError::Bury(error)) => format!("{error:#}"),
        other => panic!("it was not buried: {other:?}"),
    }
}

#[tokio::test]
async fn a_finished_step_is_kept_with_the_running_job_and_a_second_call_changes_nothing() {
    let queue = TestQueue::new().await;
    let worker = queue.worker("w1");
    let delivery = queue.run(&worker, "a").await;
    let after = expect(
        "jobs a
         running a@+1m
         leases a=w1
         steps:a extract=[7,8]
         stepped a=5
         meta touched@now
         stats enqueued=1
         wake 1",
    );
    assert!(step(&context(&worker, &delivery), "extract", vec![7, 8]).await.1);
    assert_eq!(queue.state().await, after);
    // A body that the same delivery runs once more.
    let (result, ran) = step(&context(&worker, &delivery), "extract", vec![9, 9]).await;
    assert_eq!((result.unwrap(), ran), (vec![7, 8], false));
    assert_eq!(queue.state().await, after);
}

#[tokio::test]
async fn a_worker_that_lost_its_lease_neither_keeps_a_step_nor_reads_one() {
    let queue = TestQueue::new().await;
    let (worker, other) = (queue.worker("w1"), queue.worker("w2"));
    let delivery = queue.run(&worker, "a").await;
    let (late, stranger) = (context(&worker, &delivery), context(&worker, &delivery));
    assert!(step(&late, "extract", 7).await.1);
    queue.put_in_the_past("running", "a", 1).await;
    let newer = claim_suspect(&other).await;
    let before = queue.state().await;
    assert!(matches!(step(&late, "count", 8).await, (Err(JobError::LeaseLost), true)));
    assert!(matches!(step(&stranger, "extract", 8).await, (Err(JobError::LeaseLost), false)));
    assert_eq!(queue.state().await, before);

    other.complete(&[done(&newer, 0)]).await.unwrap();
    let gone = queue.state().await;
    assert!(matches!(step(&late, "count", 8).await, (Err(JobError::LeaseLost), true)));
    assert_eq!(queue.state().await, gone, "a step was kept of a job that is gone");
}

#[tokio::test]
async fn whatever_gives_a_job_another_run_keeps_what_its_steps_came_to() {
    let queue = TestQueue::new().await;
    let worker = queue.worker("w1");
    let mut delivery = queue.run(&worker, "a").await;
    assert_eq!(run(&context(&worker, &delivery)).await, [true, true]);

    worker.retry(&delivery.id, &delivery.token, MINUTE, "no luck").await.unwrap();
    queue.put_in_the_past("scheduled", "a", 1).await;
    delivery = claim_one(&worker).await;
    assert_eq!(run(&context(&worker, &delivery)).await, [false, false], "after a retry");

    worker.snooze(&delivery.id, &delivery.token, MINUTE).await.unwrap();
    queue.put_in_the_past("scheduled", "a", 1).await;
    delivery = claim_one(&worker).await;
    assert_eq!(run(&context(&worker, &delivery)).await, [false, false], "after a snooze");

    worker.release(&[(delivery.id.clone(), delivery.token.clone())]).await.unwrap();
    delivery = claim_one(&worker).await;
    assert_eq!(run(&context(&worker, &delivery)).await, [false, false], "after a release");

    queue.put_in_the_past("running", "a", 1).await;
    delivery = claim_suspect(&worker).await;
    assert_eq!(run(&context(&worker, &delivery)).await, [false, false], "after its worker was lost");

    worker.bury(&delivery.id, &delivery.token, "failed", "no luck").await.unwrap();
    queue.state().await;
    queue.client.requeue(&queue.name, &job("a")).await.unwrap();
    delivery = claim_one(&worker).await;
    assert_eq!(run(&context(&worker, &delivery)).await, [false, false], "after it was replayed from the dead");
}

#[tokio::test]
async fn no_end_of_a_job_leaves_a_step_behind_but_death_which_keeps_them_until_the_record_goes() {
    let queue = TestQueue::new().await;
    let worker = queue.worker("w1");
    let ids = ["finished", "forgotten", "cancelled", "asked", "waiting", "expired", "dead", "pruned"];
    let mut deliveries = Vec::new();
    for id in ids {
        let delivery = queue.run(&worker, id).await;
        run(&context(&worker, &delivery)).await;
        deliveries.push(delivery);
    }
    let [finished, forgotten, cancelled, asked, waiting, expired, dead, pruned] = deliveries.try_into().unwrap();
    worker.complete(&[done(&finished, 60), done(&forgotten, 0)]).await.unwrap();
    worker.cancel(&cancelled.id, &cancelled.token, "withdrawn").await.unwrap();
    queue.client.cancel(&queue.name, &asked.id, "ada").await.unwrap();
    worker.retry(&asked.id, &asked.token, MINUTE, "no luck").await.unwrap();
    worker.retry(&waiting.id, &waiting.token, MINUTE, "no luck").await.unwrap();
    queue.client.cancel(&queue.name, &waiting.id, "ada").await.unwrap();
    worker.expire(&expired.id, &expired.token).await.unwrap();
    for delivery in [&dead, &pruned] {
        worker.bury(&delivery.id, &delivery.token, "failed", "no luck").await.unwrap();
    }
    assert_eq!(queue.snapshot().await.fields("stepped").into_iter().collect::<Vec<_>>(), ["dead", "pruned"]);
    queue.state().await;

    // Requeued, a job that had ended otherwise begins anew.
    queue.client.requeue(&queue.name, &finished.id).await.unwrap();
    let again = claim_one(&worker).await;
    assert_eq!(run(&context(&worker, &again)).await, [true, true]);
    worker.complete(&[done(&again, 0)]).await.unwrap();

    tell_all(&worker).await;
    queue.client.delete(&queue.name, &[dead.id], true).await.unwrap();
    queue.put_in_the_past("dead", "pruned", 1).await;
    worker.prune().await.unwrap();
    let keys = queue.snapshot().await.keys;
    assert!(!keys.keys().any(|key| key.starts_with("step")), "{:?}", keys.keys());
    queue.state().await;
}

#[tokio::test]
async fn arguments_that_take_the_place_of_others_do_not_inherit_their_steps() {
    let queue = TestQueue::new().await;
    let worker = queue.worker("w1");
    let unique = || Some(Unique::by("k").on_conflict(Conflict::Replace));
    let put = async |id: &str| queue.put_with(id, EnqueueOptions { unique: unique(), ..EnqueueOptions::default() }).await;
    put("a").await;
    let delivery = claim_one(&worker).await;
    assert!(step(&context(&worker, &delivery), "extract", 7).await.1);
    worker.retry(&delivery.id, &delivery.token, MINUTE, "no luck").await.unwrap();
    put("b").await;
    queue.put_in_the_past("scheduled", "a", 1).await;
    let delivery = claim_one(&worker).await;
    assert_eq!(delivery.id, job("a"));
    assert!(step(&context(&worker, &delivery), "extract", 8).await.1, "what the old arguments came to was taken for the new ones'");
    queue.state().await;
}

#[tokio::test]
async fn a_result_of_another_type_is_as_if_the_step_had_not_run() {
    let queue = TestQueue::new().await;
    let worker = queue.worker("w1");
    let delivery = queue.run(&worker, "a").await;
    assert!(step(&context(&worker, &delivery), "extract", "seven".to_owned()).await.1);
    let (result, ran) = step(&context(&worker, &delivery), "extract", 7).await;
    assert_eq!((result.unwrap(), ran), (7, true));
    let (result, ran) = step(&context(&worker, &delivery), "extract", 8).await;
    assert_eq!((result.unwrap(), ran), (7, false), "the new result did not take the place of the old one");
    queue.state().await;
}

#[tokio::test]
async fn a_step_that_fails_keeps_nothing_and_may_be_tried_again_in_the_same_run() {
    let queue = TestQueue::new().await;
    let worker = queue.worker("w1");
    let delivery = queue.run(&worker, "a").await;
    let context = context(&worker, &delivery);
    let failed: JobResult<u32> = context.step("extract", async || Err(anyhow::anyhow!("no luck").into())).await;
    assert!(matches!(failed, Err(JobError::Retry(_))));
    assert!(queue.snapshot().await.hash("stepped").is_empty());
    assert_eq!(step(&context, "extract", 7).await.0.unwrap(), 7);
    let again = reason(step(&context, "extract", 7).await.0);
    assert!(again.contains("\"extract\" is there twice in one run"), "{again}");
}

#[tokio::test]
async fn what_is_too_large_too_many_or_badly_named_is_refused_and_told_what_to_do() {
    let queue = TestQueue::new().await;
    let worker = queue.worker("w1");
    let delivery = queue.run(&worker, "a").await;
    let context = context(&worker, &delivery);
    assert!(reason(step(&context, "a step", 1).await.0).contains("cannot be the name of a step"));
    assert!(queue.snapshot().await.hash("stepped").is_empty());

    // As JSON it has two quotes more.
    let of_bytes = |bytes: usize| "x".repeat(bytes - 2);
    let refused = reason(step(&context, "large", of_bytes(STEP_BYTES_MAX + 1)).await.0);
    assert!(refused.contains("65537 bytes") && refused.contains("store it elsewhere (a table, a bucket)"), "{refused}");
    for number in 0..15 {
        step(&context, &format!("large-{number}"), of_bytes(STEP_BYTES_MAX)).await.0.unwrap();
    }
    let before = queue.state().await;
    let refused = reason(step(&context, "large-15", of_bytes(STEP_BYTES_MAX)).await.0);
    assert!(refused.contains("more than the 1000000 bytes"), "{refused}");
    assert_eq!(queue.state().await, before);

    for number in 15..STEPS_MAX {
        step(&context, &format!("small-{number}"), 1).await.0.unwrap();
    }
    let before = queue.state().await;
    let refused = reason(step(&context, "one-more", 1).await.0);
    assert!(refused.contains("one more than the 200"), "{refused}");
    assert_eq!(queue.state().await, before);
}

#[tokio::test]
async fn with_a_ring_of_keys_a_step_lies_encrypted_and_opens_only_in_its_own_place() {
    let queue = TestQueue::new().await;
    let worker = queue.worker("w1");
    let with = async |keys: &str| {
        let mut config = RedisConfig::new(queue.url.as_str());
        config.namespace = Namespace::parse(queue.connection.namespace().as_str()).unwrap();
        config.payload_keys = Some(KeyRing::parse(keys).unwrap());
        Client::new(Connection::open(&config).await.unwrap())
    };
    let delivery = queue.run(&worker, "a").await;
    let key = KeyRing::parse(NEW).unwrap().names().next().unwrap().to_owned();
    let old = with(OLD).await;
    step(&context_of(with(NEW).await, &delivery), "extract", "Ada Lovelace".to_owned()).await.0.unwrap();
    step(&context_of(with(NEW).await, &delivery), "count", 1).await.0.unwrap();
    let stored: Vec<u8> = queue.raw("HGET", "steps:a", &["extract"]).await;
    assert!(!String::from_utf8_lossy(&stored).contains("Ada"), "{stored:?}");
    let view = queue.inspector().job(&queue.name, &job("a")).await.unwrap();
    let steps: Vec<_> = view.steps.iter().map(|step| (step.name.as_str(), step.bytes, step.encrypted_with.as_deref())).collect();
    assert_eq!(steps, [("extract", 14, Some(key.as_str())), ("count", 1, Some(key.as_str()))]);

    let (result, ran) = step(&context_of(with(&format!("{OLD},{NEW}")).await, &delivery), "extract", String::new()).await;
    assert_eq!((result.unwrap().as_str(), ran), ("Ada Lovelace", false));
    let refused = reason(step(&context_of(old, &delivery), "extract", String::new()).await.0);
    assert!(refused.contains(&key) && refused.contains("PAYLOAD_ENCRYPTION_KEYS"), "{refused}");
    queue.store_step("a", "count", &stored).await;
    let refused = reason(step(&context_of(with(NEW).await, &delivery), "count", String::new()).await.0);
    assert!(refused.contains("moved here"), "{refused}");
}

#[tokio::test]
async fn a_body_without_a_queue_runs_its_steps_and_keeps_nothing() {
    let queue = TestQueue::new().await;
    let worker = queue.worker("w1");
    let delivery = queue.run(&worker, "a").await;
    let envelope = delivery.envelope.as_ref().unwrap();
    let (name, id) = (delivery.queue.clone(), delivery.id.clone());
    let inline = JobContext::new(worker.client(), name, id, envelope, delivery.tries, 3, CancellationToken::new());
    let before = queue.state().await;
    assert_eq!(run(&inline).await, [true, true]);
    assert_eq!(queue.state().await, before);
}
