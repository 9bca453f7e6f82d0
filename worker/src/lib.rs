//! The Celeriac worker: a library that runs your jobs, and (feature `jobs`, on by default) the process that runs those Celeriac ships.
//!
//! A worker of your own:
//!
//! ```no_run
//! use celeriac_worker::{Job, JobContext, JobResult, Registry, Worker};
//! use serde::{Deserialize, Serialize};
//!
//! #[derive(Serialize, Deserialize)]
//! struct Greet { name: String }
//!
//! impl Job for Greet {
//!     const NAME: &'static str = "greet";
//!     type State = ();
//!     type Output = String;
//!     async fn run(self, _: (), _: JobContext) -> JobResult<String> {
//!         Ok(format!("hello, {}", self.name))
//!     }
//! }
//!
//! #[tokio::main]
//! async fn main() -> anyhow::Result<()> {
//!     let settings = celeriac_worker::settings()?;
//!     let registry = Registry::new().with::<Greet>(());
//!     Worker::new(registry, settings).run_until_stopped().await
//! }
//! ```
//!
//! apalis drives the runs; this crate is the only one that knows it. A job's way through the process:
//!
//! ```text
//!            claim                      poll_next           run
//!   Redis ──────────> fetcher ──mpsc──> backend ──> apalis ──────> executor
//!     ^                  ^                                             │ Move
//!     │     a free slot  │                                             v
//!     └──── settler <────┴──mpsc──────────────────────────────── settle layer
//!     ^     (confirmer first, for jobs of the outbox)
//!     └──── heartbeat: extends whatever is held, whoever is busy
//! ```

mod absent;
mod backend;
mod cancels;
mod classify;
mod config;
mod confirmer;
mod executor;
mod fetcher;
mod handover;
pub mod health;
mod heartbeat;
mod held;
mod host;
mod limits;
mod lobby;
mod mover;
mod moves;
mod notices;
mod outbox;
mod patience;
mod presence;
mod pruner;
mod reports;
mod run;
mod runtime;
mod settle_layer;
mod settler;
mod shares;
mod span;
pub mod testing;
mod trouble;
mod waking;
mod worker;

pub use celeriac_process::stop::Stop;
pub use celeriac_process::{SettingErrors, Settings};
pub use celeriac_queue::{
    Backoff, Client, Connection, EnqueueOptions, Job, JobContext, JobError, JobId, JobResult, LeaseConfig, Outcome, Policy, QueueName,
    RedisConfig, Registry, State,
};
pub use config::{Sharing, WorkerConfig};
pub use worker::{Worker, settings};
