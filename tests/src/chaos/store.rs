//! The Redis under test: killed, restarted, cut off, and looked at from outside.

use std::collections::BTreeMap;
use std::time::Duration;

use anyhow::{Context, Result};
use celeriac_ops::devstack::{Persistence, RedisOptions, RedisServer};
use celeriac_queue::QueueName;
use redis::AsyncConnectionConfig;
use redis::aio::MultiplexedConnection;

use super::disk::Disk;
use super::journal::now_ms;

/// For an answer to the harness: on a busy machine the usual half second is no sign of anything.
const PATIENCE: Duration = Duration::from_secs(30);

/// A Redis of the run's own.
pub(crate) struct Store {
    server: RedisServer,
    disk: Disk,
    persistence: Persistence,
    prefix: String,
    queues: Vec<QueueName>,
}

/// A kill of Redis.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Outage {
    /// Ms since the epoch.
    pub(crate) killed_at: u64,
    /// When it answered again.
    pub(crate) back_at: u64,
    /// Of the append-only file.
    pub(crate) bytes_lost: u64,
}

impl Store {
    pub(crate) async fn start(persistence: Persistence, prefix: &str, queues: &[QueueName]) -> Result<Self> {
        let server = RedisServer::start(RedisOptions { persistence, ..RedisOptions::default() }).await?;
        let log = server.log_path();
        let disk = Disk::watch(log.parent().context("the log stands in the server's folder")?);
        Ok(Self { server, disk, persistence, prefix: prefix.to_owned(), queues: queues.to_vec() })
    }

    pub(crate) fn url(&self) -> String {
        self.server.url()
    }

    pub(crate) fn syncs_every_write(&self) -> bool {
        self.persistence == Persistence::EveryWrite
    }

    /// SIGKILL, the loss of what was not synced, and a start on the rest.
    pub(crate) async fn kill(&mut self, unsynced: Duration) -> Result<Outage> {
        let killed_at = now_ms();
        self.server.kill().await?;
        let bytes_lost = if self.syncs_every_write() { 0 } else { self.disk.lose(killed_at, unsynced)? };
        self.server.restart().await?;
        Ok(Outage { killed_at, back_at: now_ms(), bytes_lost })
    }

    /// Kills every connection of every client. Returns how many.
    pub(crate) async fn cut_connections(&self) -> Result<usize> {
        let mut redis = self.connect().await?;
        let mut cut = 0;
        for kind in ["normal", "pubsub"] {
            let killed: usize =
                redis::cmd("CLIENT").arg("KILL").arg("TYPE").arg(kind).arg("SKIPME").arg("yes").query_async(&mut redis).await?;
            cut += killed;
        }
        Ok(cut)
    }

    /// Leases held by the worker of that process.
    pub(crate) async fn leases_of(&self, process: u32) -> Result<usize> {
        let mut redis = self.connect().await?;
        let mut count = 0;
        for queue in &self.queues {
            let tokens: Vec<String> = redis::cmd("HVALS").arg(self.key(queue, "leases")).query_async(&mut redis).await?;
            // `<host>:<process id>:<random>:<random>`
            count += tokens.iter().filter(|token| token.rsplit(':').nth(2) == Some(&process.to_string())).count();
        }
        Ok(count)
    }

    /// Completions by Redis's own count, and jobs that have not ended.
    pub(crate) async fn progress(&self) -> Result<(usize, usize)> {
        let mut redis = self.connect().await?;
        let (mut finished, mut open) = (0, 0);
        for queue in &self.queues {
            // In this order: when no job is left, every completion has been counted.
            let jobs: usize = redis::cmd("HLEN").arg(self.key(queue, "jobs")).query_async(&mut redis).await?;
            let count: Option<usize> = redis::cmd("HGET").arg(self.key(queue, "stats")).arg("finished").query_async(&mut redis).await?;
            finished += count.unwrap_or(0);
            open += jobs;
        }
        Ok((finished, open))
    }

    /// Every key there is, without the prefix, with the number of its entries; those of worker cards under one name.
    pub(crate) async fn keys(&self) -> Result<BTreeMap<String, usize>> {
        let mut redis = self.connect().await?;
        let keys: Vec<String> = redis::cmd("KEYS").arg("*").query_async(&mut redis).await?;
        let mut left = BTreeMap::new();
        for key in keys {
            let kind: String = redis::cmd("TYPE").arg(&key).query_async(&mut redis).await?;
            let size = match kind.as_str() {
                "hash" => "HLEN",
                "zset" => "ZCARD",
                "set" => "SCARD",
                "list" => "LLEN",
                "string" => "EXISTS",
                // Expired between the two looks.
                _ => continue,
            };
            let size: usize = redis::cmd(size).arg(&key).query_async(&mut redis).await?;
            let name = key.strip_prefix(&format!("{}:", self.prefix)).unwrap_or(&key);
            let name = if name.starts_with("worker:") { "worker:<id>" } else { name };
            *left.entry(name.to_owned()).or_insert(0) += size;
        }
        Ok(left)
    }

    /// A key of a queue, spelled out: this looks from outside.
    fn key(&self, queue: &QueueName, name: &str) -> String {
        format!("{}:{{{queue}}}:{name}", self.prefix)
    }

    async fn connect(&self) -> Result<MultiplexedConnection> {
        let patient = AsyncConnectionConfig::new().set_response_timeout(Some(PATIENCE)).set_connection_timeout(Some(PATIENCE));
        Ok(redis::Client::open(self.server.url())?.get_multiplexed_async_connection_with_config(&patient).await?)
    }
}
