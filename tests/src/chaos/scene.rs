//! A Redis of its own, a client, and workers: what every run begins with.

use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};

use anyhow::{Result, ensure};
use celeriac_ops::devstack::Persistence;
use celeriac_queue::{Client, Namespace, QueueName, RedisConfig};
use tempfile::TempDir;
use tokio::time::sleep;

use super::fleet::Fleet;
use super::journal::{self, Record};
use super::store::Store;
use super::worker::Orders;

/// The first part of every key.
const PREFIX: &str = "chaos";
/// Nothing has ended, or come about, for so long: nothing will.
pub(crate) const STALL: Duration = Duration::from_secs(60);
/// Between two looks.
const LOOK: Duration = Duration::from_millis(20);

/// What is wanted.
pub(crate) struct Setting<'a> {
    /// Called as `program worker ORDERS`.
    pub(crate) program: &'a Path,
    pub(crate) persistence: Persistence,
    pub(crate) queues: &'a [QueueName],
    pub(crate) workers: usize,
    /// Jobs at once in each worker.
    pub(crate) concurrency: usize,
    pub(crate) lease: Duration,
    pub(crate) grace: Duration,
}

/// What stands.
pub(crate) struct Scene {
    // Before the folder, so that the processes end before their folder is removed.
    pub(crate) fleet: Fleet,
    pub(crate) store: Store,
    pub(crate) client: Client,
    folder: TempDir,
}

impl Scene {
    pub(crate) async fn set(setting: Setting<'_>) -> Result<Self> {
        let folder = TempDir::with_prefix("celeriac-chaos-")?;
        let store = Store::start(setting.persistence, PREFIX, setting.queues).await?;
        let mut redis = RedisConfig::new(store.url());
        redis.namespace = Namespace::parse(PREFIX)?;
        let client = Client::connect(&redis).await?;
        let orders = Orders {
            redis_url: store.url(),
            prefix: PREFIX.to_owned(),
            queues: setting.queues.to_vec(),
            concurrency: setting.concurrency,
            lease: setting.lease,
            grace: setting.grace,
            journal: PathBuf::new(),
        };
        let fleet = Fleet::start(setting.program, orders, folder.path(), setting.workers);
        Ok(Self { fleet, store, client, folder })
    }

    /// Of every process there ever was, by its number.
    pub(crate) fn journals(&self) -> Result<Vec<Vec<Record>>> {
        self.fleet.journals().iter().map(|path| journal::read(path)).collect()
    }

    /// Waits until every job has ended, or nothing moves any more. Returns completions by Redis's own count, and jobs left.
    pub(crate) async fn all_ended(&mut self) -> Result<(usize, usize)> {
        let mut last = (0, usize::MAX);
        let mut moved = Instant::now();
        loop {
            self.fleet.all_live()?;
            let now = self.store.progress().await?;
            if now.1 == 0 || moved.elapsed() > STALL {
                return Ok(now);
            }
            if now != last {
                (last, moved) = (now, Instant::now());
            }
            sleep(LOOK).await;
        }
    }

    /// Leaves journals and logs for people to look at. Returns where.
    pub(crate) fn keep_records(self) -> PathBuf {
        self.folder.keep()
    }
}

/// Looks until it is so.
pub(crate) async fn until(what: &str, mut look: impl AsyncFnMut() -> Result<bool>) -> Result<()> {
    let begun = Instant::now();
    while !look().await? {
        ensure!(begun.elapsed() < STALL, "it has not come about within {} s that {what}", STALL.as_secs());
        sleep(LOOK).await;
    }
    Ok(())
}
