//! How long the jobs of a killed worker wait for another.

use std::path::Path;
use std::time::{Duration, Instant};

use anyhow::Result;
use celeriac_ops::devstack::Persistence;
use celeriac_queue::Workers;

use super::jobs::enqueue_lingering;
use super::journal::Fact;
use super::run::queues;
use super::scene::{Scene, Setting, until};

/// Kills a worker that holds `orphans` jobs with SIGKILL while another stands idle, and a third starts in its place. Returns how long it
/// took until the last of the jobs ran again. `program` is called as `program worker ORDERS`; Redis is one of its own.
///
/// # Errors
/// When they have not within a minute.
pub async fn last_orphan_runs_again(program: &Path, lease: Duration, orphans: usize) -> Result<Duration> {
    let queues = &queues()[..1];
    let (persistence, grace) = (Persistence::Nothing, Duration::ZERO);
    let mut scene = Scene::set(Setting { program, persistence, queues, workers: 1, concurrency: orphans, lease, grace }).await?;
    enqueue_lingering(&scene.client, &queues[0], orphans).await?;
    until("the worker runs them all", async || Ok(begun(&scene, 0)? == orphans)).await?;
    scene.fleet.add();
    let workers = Workers::new(scene.client.connection().clone());
    until("another worker stands by", async || Ok(workers.list().await?.len() == 2)).await?;
    let killed = Instant::now();
    scene.fleet.kill(0);
    until("they all run again", async || Ok(begun(&scene, 1)? == orphans)).await?;
    Ok(killed.elapsed())
}

/// Jobs that began after so many losses of their worker.
fn begun(scene: &Scene, losses: u32) -> Result<usize> {
    let journals = scene.journals()?;
    Ok(journals.iter().flatten().filter(|record| record.fact == Fact::Began && record.losses == losses).count())
}
