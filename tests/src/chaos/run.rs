//! One chaos run: load, disturbances by schedule, and the reckoning.

use std::path::PathBuf;
use std::time::{Duration, Instant};

use anyhow::{Context, Result};
use celeriac_ops::devstack::Persistence;
use celeriac_queue::QueueName;
use tokio::sync::mpsc;
use tokio::time::sleep;

use super::fleet::Fleet;
use super::jobs::Mix;
use super::journal::now_ms;
use super::load::Load;
use super::report::Report;
use super::scene::{Scene, Setting};
use super::schedule::{Disturbance, Weather, schedule};
use super::store::Store;
use super::tally::{Disturbed, Sleep, Tally, executions};
use crate::process::Signal;

/// Short, so that orphans come back within the run; long enough for a machine that is busy with other things.
pub(crate) const LEASE: Duration = Duration::from_secs(3);
/// Jobs at once in each worker.
const CONCURRENCY: usize = 32;
/// For the last stop, when nothing is left to run.
const GRACE: Duration = Duration::from_secs(20);

/// What to run.
#[derive(Debug, Clone)]
pub struct Plan {
    /// Called as `program worker ORDERS`.
    pub program: PathBuf,
    pub seed: u64,
    pub jobs: usize,
    /// For so long there are disturbances, and jobs are enqueued.
    pub seconds: u64,
    pub workers: usize,
    /// [`Persistence::EverySecond`] or [`Persistence::EveryWrite`].
    pub persistence: Persistence,
}

pub(crate) fn queues() -> Vec<QueueName> {
    ["first", "second"].map(|name| QueueName::parse(name).expect("a queue name")).to_vec()
}

impl Plan {
    /// # Errors
    /// When the run itself fails: a server or worker cannot be started, a worker ends by itself or does not stop in good order. What the
    /// engine did wrong stands in the report.
    pub async fn run(&self) -> Result<Report> {
        let begun = Instant::now();
        let mut scene = Scene::set(Setting {
            program: &self.program,
            persistence: self.persistence,
            queues: &queues(),
            workers: self.workers,
            concurrency: CONCURRENCY,
            lease: LEASE,
            grace: GRACE,
        })
        .await?;
        let (kills, killed) = mpsc::unbounded_channel();
        let over = Duration::from_secs(self.seconds);
        let load = Load { client: scene.client.clone(), queues: queues(), mix: Mix::Everything, jobs: self.jobs, over };
        let loading = tokio::spawn(load.run(killed));
        let disturbed = self.disturb(&mut scene.fleet, &mut scene.store, &kills).await?;
        drop(kills);
        let enqueues = loading.await.context("the load panicked")??;
        let (finished, open) = scene.all_ended().await?;
        scene.fleet.stop().await?;

        let loses_a_second = !scene.store.syncs_every_write();
        let tally = Tally::of(&executions(&scene.journals()?), Mix::Everything, self.jobs, &disturbed, loses_a_second);
        let keys = scene.store.keys().await?;
        let seconds = begun.elapsed().as_secs();
        let mut report = Report { plan: self.clone(), tally, disturbed, enqueues, finished, open, keys, seconds, records: None };
        if !report.holds() {
            report.records = Some(scene.keep_records());
        }
        Ok(report)
    }

    /// Does what the schedule says. What takes longer than its time delays what follows.
    async fn disturb(&self, fleet: &mut Fleet, store: &mut Store, kills: &mpsc::UnboundedSender<u64>) -> Result<Disturbed> {
        let weather =
            Weather { seconds: self.seconds, workers: self.workers, lease: LEASE, stop_every: 5, cut_every: 4, redis_kill_every: 10 };
        let mut disturbed = Disturbed::default();
        let mut base = Instant::now();
        for (at, what) in schedule(self.seed, &weather) {
            match at.checked_sub(base.elapsed()) {
                Some(early) => sleep(early).await,
                None => base += base.elapsed() - at,
            }
            fleet.all_live()?;
            match what {
                Disturbance::KillWorker(place) => disturbed.kills.push(store.leases_of(fleet.kill(place)).await?),
                Disturbance::StopWorker(place) => {
                    let member = fleet.member(place);
                    member.process.signal(Signal::STOP);
                    let from = now_ms();
                    disturbed.sleeps.push(Sleep { process: member.number, from, leases: store.leases_of(member.process.id()).await? });
                }
                Disturbance::WakeWorker(place) => fleet.member(place).process.signal(Signal::CONT),
                Disturbance::CutConnections => disturbed.cuts.push(store.cut_connections().await?),
                Disturbance::KillRedis { unsynced } => {
                    let outage = store.kill(unsynced).await?;
                    // The load may have failed: that is said when its task is awaited.
                    let _ = kills.send(outage.killed_at);
                    disturbed.outages.push(outage);
                }
            }
        }
        Ok(disturbed)
    }
}
