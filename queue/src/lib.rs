//! The Celeriac queue engine: jobs in motion on Redis, and what a job is.
//!
//! ```no_run
//! use celeriac_queue::{Client, Job, JobContext, JobResult, RedisConfig};
//! use serde::{Deserialize, Serialize};
//!
//! #[derive(Serialize, Deserialize)]
//! struct Greet { name: String }
//!
//! impl Job for Greet {
//!     const NAME: &'static str = "greet";
//!     type State = ();
//!     type Output = String;
//!     async fn run(self, _: (), ctx: JobContext) -> JobResult<String> {
//!         ctx.progress(50.0, "thinking of a greeting").await;
//!         Ok(format!("hello, {}", self.name))
//!     }
//! }
//!
//! # async fn example() -> Result<(), celeriac_queue::Error> {
//! let client = Client::connect(&RedisConfig::new("redis://127.0.0.1/")).await?;
//! let enqueued = client.enqueue(&Greet { name: "Ada".into() }).await?;
//! println!("{}", enqueued.id);
//! # Ok(()) }
//! ```
//!
//! [`Client`] is the enqueueing side, [`Consumer`] the claiming and settling side, [`Inspector`] the read-only views. The life of a job
//! is in [`state`], the keys it lives in are in `keys.rs`, and each move is one Lua file.

mod address;
mod backoff;
mod batch;
mod batches;
mod chain;
mod client;
mod cluster;
mod connection;
mod consumer;
mod context;
mod dead;
mod dial;
mod envelope;
mod error;
mod fingerprint;
mod follow;
#[cfg(any(test, fuzzing))]
#[doc(hidden)]
pub mod fuzzing;
mod ids;
mod inspect;
mod job;
mod key_ring;
mod keys;
mod limits;
mod line;
mod lines;
mod memory;
mod registry;
mod replay;
mod script;
mod scripts;
mod shares;
mod spec;
pub mod state;
mod steps;
pub mod testing;
mod transfers;
mod unique;
mod wait;
mod workers;

pub use backoff::Backoff;
pub use batch::{Batch, BatchEnqueued, BatchTally, When};
pub use batches::{BatchState, BatchView, CallbackView};
pub use chain::{Chain, ChainEnqueued, Next};
pub use client::{Cancelled, Client, EnqueueOptions, Enqueued, Pause};
pub use connection::{Connection, RedisConfig};
pub use consumer::{Claim, Consumer, Delivery, LeaseConfig, LeaseState, Notice, Settled};
pub use context::JobContext;
pub use dead::{DEAD_READ_MAX, DeadGroup, DeadJob};
pub use envelope::{Envelope, Origin, PAYLOAD_BYTES_MAX};
pub use error::Error;
pub use fingerprint::Fingerprint;
pub use follow::{Event, Follower, LogLine, Progress};
pub use ids::{BatchId, JobId, QueueName, WorkerId};
pub use inspect::{Inspector, JobView, QueueView};
pub use job::{Job, JobError, JobResult, PauseOrder, Policy};
pub use key_ring::{KeyRing, KeyRingError};
pub use keys::Namespace;
pub use limits::{KeyLimits, Limits, Rate};
pub use memory::{QueueMemory, StoreMemory};
pub use registry::{Handler, Registry};
pub use replay::Replayed;
pub use script::Script;
pub use scripts::{Company, Completion, Deleted};
pub use shares::{HeldBack, KeyView};
pub use state::{Attempt, OUTPUT_BYTES_MAX, Outcome, State, Tries};
pub use steps::{STEP_BYTES_MAX, STEPS_BYTES_MAX, STEPS_MAX, StepView};
pub use transfers::{Moved, Transfer, Transfers, TransfersView};
pub use unique::{Conflict, Unique, UniqueScope, UniqueView};
pub use wait::{CancelListener, Waker};
pub use workers::{WorkerView, Workers};

/// The Redis clock, in milliseconds since the Unix epoch.
pub type Millis = u64;
