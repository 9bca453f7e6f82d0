//! How soon an idle worker begins, and what a single call costs.

use std::time::{Duration, Instant};

use anyhow::{Context, Result};
use celeriac_queue::Registry;
use celeriac_worker::{Stop, Worker, WorkerConfig};
use tokio::sync::mpsc;

use crate::jobs::{Mark, Noop};
use crate::redis_server::{client, raw};

const SAMPLES: usize = 2_000;

/// Enqueue to start on an idle worker, and a plain Redis round trip, in microseconds, sorted.
pub(crate) async fn latency() -> Result<(Vec<u128>, Vec<u128>)> {
    let client = client("benchlatency").await?;
    let (started, mut starts) = mpsc::unbounded_channel();
    let stop = Stop::new();
    let registry = Registry::new().with::<Mark>(started);
    let running = tokio::spawn(Worker::with(client.connection().clone(), None, registry, WorkerConfig::default()).run(stop.clone()));
    let mut redis = raw().await?;
    let (mut latencies, mut trips) = (Vec::new(), Vec::new());
    for _ in 0..SAMPLES {
        let begun = Instant::now();
        client.enqueue(&Mark {}).await?;
        let start = starts.recv().await.context("the worker ended")?;
        latencies.push(start.duration_since(begun).as_micros());
        // The next one finds the worker waiting again.
        tokio::time::sleep(Duration::from_millis(1)).await;
        let begun = Instant::now();
        redis::cmd("PING").exec_async(&mut redis).await?;
        trips.push(begun.elapsed().as_micros());
    }
    stop.trigger();
    running.await??;
    latencies.sort_unstable();
    trips.sort_unstable();
    Ok((latencies, trips))
}

/// One enqueue with nothing else under way, and one write of the same size, in microseconds, sorted.
pub(crate) async fn single_enqueue() -> Result<(Vec<u128>, Vec<u128>)> {
    let client = client("benchsingle").await?;
    let mut redis = raw().await?;
    let job = Noop { padding: "x".repeat(185) };
    let (mut enqueues, mut writes) = (Vec::new(), Vec::new());
    for number in 0..SAMPLES {
        let begun = Instant::now();
        client.enqueue(&job).await?;
        enqueues.push(begun.elapsed().as_micros());
        let begun = Instant::now();
        redis::cmd("SET").arg(format!("benchsingle:{number}")).arg(&job.padding).exec_async(&mut redis).await?;
        writes.push(begun.elapsed().as_micros());
    }
    enqueues.sort_unstable();
    writes.sort_unstable();
    Ok((enqueues, writes))
}
