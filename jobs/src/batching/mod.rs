//! Questions that have time: they go to the model in batches, at half the price, and are asked directly when their time comes near.
//!
//! ```text
//!  a job asks (gateway) ─▶ waiting ─▶ sent ─▶ answered ─▶ the job is woken, finds the answer in the ledger
//!                             │         ├───▶ failed ────▶ the job is woken, asks directly
//!                             └─────────┴───▶ withdrawn ─▶ the job asks directly; an answer that comes late is counted all the same
//!
//!  a batch: gathered ─▶ (file uploaded) ─▶ running ─▶ ended ─▶ cleaned
//! ```
//!
//! What a batch may cost is kept back from the budgets from its making to its end; a question that no budget can pay for goes on waiting.
//!
//! `run_openai_batches` moves the batches on, every minute, one run at a time. Each of its steps can be its last: what was made at the
//! provider and not noted here is found by the batch's token, and what is settled twice is settled once.

use std::time::Duration;

use celeriac_queue::Policy;
use serde::{Deserialize, Serialize};

#[cfg(feature = "handlers")]
mod asking;
#[cfg(feature = "handlers")]
mod collect;
#[cfg(feature = "handlers")]
mod gather;
#[cfg(feature = "handlers")]
mod job;
#[cfg(feature = "handlers")]
mod rows;
#[cfg(feature = "handlers")]
mod run;
#[cfg(feature = "handlers")]
mod send;
#[cfg(feature = "handlers")]
mod settings;
#[cfg(feature = "handlers")]
mod settle;

#[cfg(feature = "handlers")]
pub(crate) use asking::{Asker, Question, Wanted};
#[cfg(feature = "handlers")]
pub use settings::{BatchRunner, Batching};

/// Wire name of [`RunOpenaiBatches`].
pub const NAME: &str = "run_openai_batches";

/// Gathers what waits, sends it, and fetches what has come.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct RunOpenaiBatches {}

/// What one run did.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct BatchRun {
    /// Batches that were created at the provider.
    pub sent: u64,
    /// Batches that have ended.
    pub ended: u64,
    /// Questions that were answered.
    pub answered: u64,
    /// Questions that are asked directly instead.
    pub failed: u64,
    /// Questions that go on waiting, as a budget cannot pay for them now.
    #[serde(default)]
    pub unaffordable: u64,
    /// Steps that did not succeed and are tried again by the next run; the batch's row says why.
    pub troubles: u64,
}

/// Queue `maintenance`. The next firing is the retry.
pub fn policy() -> Policy {
    Policy { queue: crate::queues::maintenance(), max_attempts: 1, time_limit: Duration::from_secs(60 * 60), ..Policy::default() }
}
