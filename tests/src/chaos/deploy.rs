//! Rolling deploys: each worker in turn is told to stop while another takes its place, under a steady load.

use std::path::{Path, PathBuf};
use std::time::Duration;

use anyhow::{Result, ensure};
use celeriac_ops::devstack::Persistence;
use celeriac_queue::{Inspector, JobView, State, Workers};
use tokio::sync::mpsc;

use super::fleet::Fleet;
use super::jobs::{Mix, enqueue_lingering};
use super::load::Load;
use super::run::{LEASE, queues};
use super::scene::{Scene, Setting, until};
use super::tally::{Disturbed, Execution, Tally, executions};
use crate::process::Signal;

/// What to deploy.
#[derive(Debug, Clone)]
pub struct Deploy {
    /// Called as `program worker ORDERS`.
    pub program: PathBuf,
    pub jobs: usize,
    /// The load lasts so long, and the replacements are spread over it.
    pub over: Duration,
    pub workers: usize,
    /// How often every worker is replaced.
    pub rounds: usize,
    /// Jobs at once in each worker.
    pub concurrency: usize,
    /// How long a worker told to stop lets its jobs finish.
    pub grace: Duration,
    /// Whether one job in 40 takes 1.5 s.
    pub long_jobs: bool,
}

/// What was seen.
#[derive(Debug)]
pub struct Deployed {
    pub tally: Tally,
    pub executions: Vec<Execution>,
    /// Completions by Redis's own count.
    pub finished: usize,
    /// Jobs that have not ended.
    pub open: usize,
}

impl Deploy {
    /// # Errors
    /// When a worker ends by itself or does not stop in good order.
    pub async fn run(&self) -> Result<Deployed> {
        let queues = queues()[..1].to_vec();
        let mut scene = Scene::set(Setting {
            program: &self.program,
            persistence: Persistence::Nothing,
            queues: &queues,
            workers: self.workers,
            concurrency: self.concurrency,
            lease: LEASE,
            grace: self.grace,
        })
        .await?;
        let mix = if self.long_jobs { Mix::SomeLong } else { Mix::Short };
        let load = Load { client: scene.client.clone(), queues, mix, jobs: self.jobs, over: self.over };
        let (kills, killed) = mpsc::unbounded_channel();
        // Nobody kills Redis here.
        drop(kills);
        let loading = tokio::spawn(load.run(killed));
        self.replace_each_in_turn(&mut scene.fleet).await?;
        loading.await??;
        let (finished, open) = scene.all_ended().await?;
        scene.fleet.stop().await?;
        let executions = executions(&scene.journals()?);
        let tally = Tally::of(&executions, mix, self.jobs, &Disturbed::default(), false);
        Ok(Deployed { tally, executions, finished, open })
    }

    async fn replace_each_in_turn(&self, fleet: &mut Fleet) -> Result<()> {
        let turns = self.rounds * self.workers;
        let pause = self.over / u32::try_from(turns + 1)?;
        for turn in 0..turns {
            tokio::time::sleep(pause).await;
            fleet.all_live()?;
            let status = fleet.replace(turn % self.workers).process.stop().await;
            ensure!(status.success(), "a worker told to stop ended with {status}");
        }
        Ok(())
    }
}

/// A worker with an hour's grace is told to stop twice while it holds jobs that do not end. Returns what has become of them when it has
/// ended in good order.
///
/// # Errors
/// When it does not end within a minute, or not in good order.
pub async fn told_twice_to_stop(program: &Path, jobs: usize) -> Result<Vec<JobView>> {
    let queues = &queues()[..1];
    let grace = Duration::from_secs(3_600);
    let setting = Setting { program, persistence: Persistence::Nothing, queues, workers: 1, concurrency: jobs, lease: LEASE, grace };
    let mut scene = Scene::set(setting).await?;
    enqueue_lingering(&scene.client, &queues[0], jobs).await?;
    until("they all run", async || Ok(scene.journals()?[0].len() == jobs)).await?;
    scene.fleet.member(0).process.signal(Signal::TERM);
    // Two signals that come too close are one.
    let workers = Workers::new(scene.client.connection().clone());
    until("it is stopping", async || Ok(workers.list().await?.iter().any(|card| card.stopping))).await?;
    scene.fleet.stop().await?;
    Ok(Inspector::new(scene.client.connection().clone()).list(&queues[0], State::Ready, jobs).await?)
}
