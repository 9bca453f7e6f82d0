//! A worker process of the chaos run: the real worker, with jobs that keep a journal.

use std::path::PathBuf;
use std::time::Duration;

use anyhow::{Context, Result};
use celeriac_queue::{Connection, LeaseConfig, Namespace, QueueName, RedisConfig};
use celeriac_worker::{Worker, WorkerConfig};
use serde::{Deserialize, Serialize};
use tracing_subscriber::filter::EnvFilter;
use tracing_subscriber::layer::{Layer, SubscriberExt};
use tracing_subscriber::util::SubscriberInitExt;

use super::answers::Answers;
use super::jobs::registry;
use super::journal::Journal;

/// Kills every second lose innocent jobs their worker again and again; that must not bury them.
const LOSSES_MAX: u32 = 1_000_000;

/// How long a worker that starts while Redis is away waits before it tries again.
const CONNECT_PAUSE: Duration = Duration::from_millis(50);

/// What a worker process is told, as JSON in its one argument.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub(crate) struct Orders {
    pub(crate) redis_url: String,
    pub(crate) prefix: String,
    pub(crate) queues: Vec<QueueName>,
    pub(crate) concurrency: usize,
    pub(crate) lease: Duration,
    pub(crate) grace: Duration,
    /// Filled in by the fleet, one for each process.
    pub(crate) journal: PathBuf,
}

/// Runs until signalled.
///
/// # Errors
/// When the orders cannot be read, or the worker fails.
pub async fn work(orders: &str) -> Result<()> {
    let orders: Orders = serde_json::from_str(orders).context("read the orders")?;
    let journal = Journal::open(&orders.journal)?;
    // Failed attempts are what those jobs are for.
    let log = EnvFilter::new("warn,celeriac_worker::executor=off");
    tracing_subscriber::registry()
        .with(tracing_subscriber::fmt::layer().with_ansi(false).with_writer(std::io::stderr).with_filter(log))
        .with(Answers::new(journal.clone()).with_filter(EnvFilter::new("celeriac_worker::settler=trace")))
        .try_init()
        .context("install the subscriber")?;

    let mut redis = RedisConfig::new(&orders.redis_url);
    redis.namespace = Namespace::parse(&orders.prefix)?;
    let connection = loop {
        match Connection::open(&redis).await {
            Ok(connection) => break connection,
            Err(_) => tokio::time::sleep(CONNECT_PAUSE).await,
        }
    };
    let config = WorkerConfig {
        queues: orders.queues,
        concurrency: orders.concurrency,
        lease: LeaseConfig { lease: orders.lease, losses_max: LOSSES_MAX, ..LeaseConfig::default() },
        grace: orders.grace,
        host: "chaos".to_owned(),
        ..WorkerConfig::default()
    };
    Worker::with(connection, None, registry(&journal), config).run_until_stopped().await
}
