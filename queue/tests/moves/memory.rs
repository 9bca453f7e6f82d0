//! What a queue takes of Redis' memory, as far as it can be known without guessing at Redis' own accounting.

use celeriac_queue::{EnqueueOptions, JobContext, Limits, Policy, Rate, Unique, UniqueScope};

use tokio_util::sync::CancellationToken;

use crate::support::{MINUTE, TestQueue, claim_one, job};

#[tokio::test]
async fn the_memory_of_a_queue_is_told_by_key_and_by_payload() {
    let queue = TestQueue::new().await;
    let (worker, inspector) = (queue.worker("w1"), queue.inspector());
    let empty = inspector.memory(&queue.name).await.unwrap();
    assert_eq!((empty.total_bytes, empty.payload_bytes, empty.jobs), (0, 0, 0));

    let payload = vec![b' '; 10_000];
    for number in 0..50 {
        let options = EnqueueOptions { id: Some(job(&format!("job-{number}"))), ..EnqueueOptions::default() };
        queue.client.enqueue_raw("note", payload.clone(), &Policy::default(), options).await.unwrap();
    }
    let delivery = claim_one(&worker).await;
    worker.retry(&delivery.id, &delivery.token, MINUTE, &"x".repeat(1_500)).await.unwrap();

    let memory = inspector.memory(&queue.name).await.unwrap();
    assert_eq!((memory.jobs, memory.payload_bytes), (50, 500_000), "as few as this are all looked at");
    assert!((1_500..4_000).contains(&memory.own_keys_bytes), "the one history takes {} bytes", memory.own_keys_bytes);
    let keys: Vec<&str> = memory.keys.keys().map(String::as_str).collect();
    assert_eq!(keys, ["jobs", "meta", "ready:5", "scheduled", "stats", "tries", "wake"]);
    assert!(memory.keys["jobs"] > 500_000);
    assert_eq!(memory.total_bytes, memory.keys.values().sum::<u64>() + memory.own_keys_bytes);
    assert_eq!(memory.total_bytes, memory.payload_bytes + memory.overhead_bytes);
}

#[tokio::test]
async fn the_payloads_of_a_large_queue_are_estimated_from_some_of_them() {
    let queue = TestQueue::new().await;
    for part in 0..4 {
        let jobs = (0..500).map(|number| ("note".to_owned(), vec![b' '; 900 + (part * 500 + number) % 200], EnqueueOptions::default()));
        queue.client.enqueue_many(&queue.name, jobs.collect(), &Policy::default()).await.unwrap();
    }
    let memory = queue.inspector().memory(&queue.name).await.unwrap();
    assert_eq!(memory.jobs, 2_000);
    let mean = memory.payload_bytes / 2_000;
    assert!((900..1_100).contains(&mean), "payloads of 900 to 1,099 bytes were taken for {mean} each");
}

#[tokio::test]
async fn no_key_of_a_queue_is_left_out() {
    let queue = TestQueue::new().await;
    let worker = queue.worker("w1");
    let rate = Rate::new(1_000.0, MINUTE, Some(1_000.0)).unwrap();
    let limits = Limits { key_concurrency: Some(1), key_rate: Some(rate), ..Limits::default() };
    queue.client.set_limits(&queue.name, &limits).await.unwrap();
    for number in 0..9 {
        let unique = Some(Unique::by(format!("unique-{number}")).scope(UniqueScope::Period(MINUTE)));
        let key = Some(format!("tenant-{}", number % 3));
        queue.put_with(&format!("job-{number}"), EnqueueOptions { key, unique, priority: Some(3), ..EnqueueOptions::default() }).await;
    }
    let delivery = claim_one(&worker).await;
    worker.bury(&delivery.id, &delivery.token, "failed", "no luck").await.unwrap();
    let delivery = claim_one(&worker).await;
    let envelope = delivery.envelope.as_ref().unwrap();
    let (name, id) = (queue.name.clone(), delivery.id.clone());
    let context =
        JobContext::new(worker.client(), name, id, envelope, delivery.tries, 3, CancellationToken::new()).holding(&delivery.token);
    context.log("reading page 3").await;
    context.step("read", async || Ok(3)).await.unwrap();
    worker.claim(9, 0).await.unwrap();

    let memory = queue.inspector().memory(&queue.name).await.unwrap();
    let snapshot = queue.snapshot().await;
    let is_own =
        |key: &&String| key.starts_with("history:") || key.starts_with("lane:") || key.starts_with("log:") || key.starts_with("steps:");
    let (own, fixed): (Vec<&String>, Vec<&String>) = snapshot.keys.keys().partition(is_own);
    assert_eq!(memory.keys.keys().collect::<Vec<_>>(), fixed);
    assert!(fixed.iter().any(|key| *key == "buckets") && fixed.iter().any(|key| *key == "unique_until"), "{fixed:?}");
    let mut sizes = 0;
    for key in &own {
        sizes += queue.memory_of(key).await;
    }
    assert!(own.len() > 4, "{own:?}");
    assert_eq!(memory.own_keys_bytes, sizes, "as few as this are all looked at");
}

#[tokio::test]
async fn redis_tells_what_it_uses_in_all() {
    let queue = TestQueue::new().await;
    let store = queue.inspector().store_memory().await.unwrap();
    assert!(store.used_bytes > 100_000, "{store:?}");
    assert_eq!(store.max_bytes, None, "the tests' Redis has no limit");
}
