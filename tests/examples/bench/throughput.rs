//! How fast jobs go in and out.

use std::time::{Duration, Instant};

use anyhow::Result;
use celeriac_queue::{Client, Completion, Consumer, EnqueueOptions, Job, LeaseConfig, QueueName, Registry, WorkerId};
use celeriac_worker::{Stop, Worker, WorkerConfig};

use crate::JOBS;
use crate::jobs::{Count, Noop, Wait};
use crate::redis_server::{client, info, raw};

/// What the jobs of a measurement have besides their arguments, by their number.
pub(crate) type Options = fn(usize) -> EnqueueOptions;

pub(crate) const PLAIN: Options = |_| EnqueueOptions::default();

/// Enqueues so many jobs in batches of 500; how long that took.
pub(crate) async fn fill(client: &Client, count: usize, options: Options) -> Result<Duration> {
    let payload = serde_json::to_vec(&Noop { padding: "x".repeat(185) })?;
    let policy = Noop::policy();
    let begun = Instant::now();
    for part in 0..count.div_ceil(500) {
        let numbers = part * 500..count.min(part * 500 + 500);
        let jobs = numbers.map(|number| (Noop::NAME.to_owned(), payload.clone(), options(number))).collect();
        client.enqueue_many(&QueueName::default(), jobs, &policy).await?;
    }
    Ok(begun.elapsed())
}

/// Jobs a second through bulk enqueue, and from a full queue through claim, apalis and complete with one worker.
pub(crate) async fn drain(prefix: &str, options: Options) -> Result<(f64, f64)> {
    let client = client(prefix).await?;
    let enqueue = fill(&client, JOBS, options).await?;
    let count = Count::up_to(JOBS);
    let took = run(&client, Registry::new().with::<Noop>(count.clone()), &count, 512).await?;
    Ok((JOBS as f64 / enqueue.as_secs_f64(), JOBS as f64 / took.as_secs_f64()))
}

/// Seconds for 2,000 jobs that wait 100 ms each, 200 at once: one second is ideal.
pub(crate) async fn waiting(prefix: &str) -> Result<f64> {
    let client = client(prefix).await?;
    let jobs = || (0..500).map(|_| (Wait::NAME.to_owned(), b"{}".to_vec(), EnqueueOptions::default())).collect();
    for _ in 0..4 {
        client.enqueue_many(&QueueName::default(), jobs(), &Wait::policy()).await?;
    }
    let count = Count::up_to(2_000);
    Ok(run(&client, Registry::new().with::<Wait>(count.clone()), &count, 200).await?.as_secs_f64())
}

async fn run(client: &Client, registry: Registry, count: &Count, concurrency: usize) -> Result<Duration> {
    let stop = Stop::new();
    let config = WorkerConfig { concurrency, ..WorkerConfig::default() };
    let worker = Worker::with(client.connection().clone(), None, registry, config);
    let begun = Instant::now();
    let running = tokio::spawn(worker.run(stop.clone()));
    count.reached.notified().await;
    let took = begun.elapsed();
    stop.trigger();
    running.await??;
    Ok(took)
}

/// Jobs a second of claims and completions of 100 from the head of a queue with so many jobs; and Redis' bytes a job beyond its payload.
pub(crate) async fn depth(prefix: &str, queued: usize) -> Result<(f64, f64)> {
    const TAKEN: usize = 50_000;
    let client = client(prefix).await?;
    let mut redis = raw().await?;
    let consumer = Consumer::new(client.connection().clone(), QueueName::default(), WorkerId::generate("bench"), LeaseConfig::default());
    let before = info(&mut redis, "used_memory").await?;
    let payload = serde_json::to_vec(&Noop { padding: "x".repeat(185) })?.len() as f64;
    let (mut taken, mut took, mut bytes) = (0, Duration::ZERO, 0.0);
    while taken < TAKEN {
        if taken == 0 || queued < TAKEN {
            fill(&client, queued, PLAIN).await?;
        }
        if taken == 0 {
            bytes = (info(&mut redis, "used_memory").await? - before) / queued as f64 - payload;
        }
        let begun = Instant::now();
        for _ in 0..queued.min(TAKEN) / 100 {
            let claim = consumer.claim_when_idle(100, 0).await?;
            let done: Vec<Completion> = claim
                .deliveries
                .into_iter()
                .map(|delivery| Completion {
                    id: delivery.id,
                    token: delivery.token,
                    keep_ms: 0,
                    remember_ms: 0,
                    outcome: String::new(),
                    next: None,
                })
                .collect();
            taken += done.len();
            consumer.complete(&done).await?;
        }
        took += begun.elapsed();
    }
    let mut wipe = redis::cmd("EVAL");
    wipe.arg("for _, key in ipairs(redis.call('KEYS', ARGV[1])) do redis.call('UNLINK', key) end").arg(0).arg(format!("{prefix}:*"));
    wipe.exec_async(&mut redis).await?;
    Ok((taken as f64 / took.as_secs_f64(), bytes))
}
