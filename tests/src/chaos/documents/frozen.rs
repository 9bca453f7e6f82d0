//! What a worker has under way at the moment it is struck.

use std::time::{Duration, Instant};

use anyhow::Result;
use celeriac_queue::{JobId, State};
use tokio::time::sleep;

use crate::System;

/// A worker holds no more jobs than that.
const JOBS_MAX: usize = 100;
/// Two looks so far apart that see the same: what the worker had sent before it was stopped has been done.
const APART: Duration = Duration::from_millis(40);
/// For a worker to get some work.
const PATIENCE: Duration = Duration::from_secs(10);

/// The jobs whose lease that process has.
pub(super) async fn held_by(system: &System, process: u32) -> Result<Vec<JobId>> {
    let inspector = system.inspector();
    let mut held = Vec::new();
    for queue in inspector.queue_names().await? {
        let running = inspector.list(&queue, State::Running, JOBS_MAX).await?;
        // A worker's id is its host, its process id and something random.
        let is_its = |worker: &String| worker.rsplit(':').nth(1).is_some_and(|id| id == process.to_string());
        held.extend(running.into_iter().filter(|view| view.worker.as_ref().is_some_and(is_its)).map(|view| view.id));
    }
    Ok(held)
}

/// Waits until it has some work; not for ever, as others may take it all.
pub(super) async fn has_work(system: &System, process: u32) -> Result<()> {
    let begun = Instant::now();
    while held_by(system, process).await?.is_empty() && begun.elapsed() < PATIENCE {
        sleep(APART / 4).await;
    }
    Ok(())
}

/// Calls of these jobs that have been begun and not settled: the money may be spent, and nobody knows. Of a process that is stopped.
pub(super) async fn open_calls(system: &System, jobs: &[JobId]) -> Result<u64> {
    let mut before = None;
    loop {
        let now = count_open(system, jobs).await?;
        if before == Some(now) {
            return Ok(now);
        }
        before = Some(now);
        sleep(APART).await;
    }
}

async fn count_open(system: &System, jobs: &[JobId]) -> Result<u64> {
    let ids: Vec<&str> = jobs.iter().map(JobId::as_str).collect();
    let count: i64 = sqlx::query_scalar("select count(*) from celeriac.paid_calls where state = 'started' and job_id = any($1)")
        .bind(ids)
        .fetch_one(&system.pool)
        .await?;
    Ok(count.unsigned_abs())
}
