//! `process_renewals`: charges the subscriptions that are due, each once per period whatever crashes.
//!
//! ```text
//!  ledger row ──▶ order created ──▶ its id stored ──▶ captured ──▶ settled: one transaction marks the row charged,
//!  committed,     (moves no         committed         at PayPal    moves the subscription to its next period
//!  credit taken    money)                                          and extends the licence
//! ```
//!
//! A row still `started` in a later run is an unknown outcome: its order is looked up at PayPal, and captured only if it was not. Referral
//! credit goes first; a period that it pays whole charges nothing. A declined payment leaves the subscription `past_due` and its licence
//! as it was; once the web app has made it `active` again, the same period is tried anew.

use std::time::Duration;

use celeriac_queue::{Backoff, Policy};
use chrono::NaiveDate;
use serde::{Deserialize, Serialize};

use crate::queues;

#[cfg(feature = "handlers")]
mod calendar;
#[cfg(feature = "handlers")]
mod charge;
#[cfg(feature = "handlers")]
mod due;
#[cfg(feature = "handlers")]
mod job;
#[cfg(feature = "handlers")]
mod ledger;
mod report;
#[cfg(feature = "handlers")]
mod run;
#[cfg(feature = "handlers")]
mod settings;
#[cfg(feature = "handlers")]
mod settle;

pub use report::{Action, Renewals, WouldCharge};
#[cfg(feature = "handlers")]
pub use run::RunError;
#[cfg(feature = "handlers")]
pub use settings::Renewing;

/// Wire name of [`ProcessRenewals`].
pub const NAME: &str = "process_renewals";

#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct ProcessRenewals {
    /// Lists what would be charged; changes nothing and asks the provider nothing.
    #[serde(default)]
    pub dry_run: bool,
    /// What is due on that day, in New York; today when missing. A day to come only with `dry_run`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub on: Option<NaiveDate>,
}

/// The retries reach over some hours of an outage of the provider; after that the next day's run goes on.
pub fn policy() -> Policy {
    Policy {
        queue: queues::maintenance(),
        max_attempts: 8,
        backoff: Backoff { base: Duration::from_secs(60), ..Backoff::default() },
        time_limit: Duration::from_secs(2 * 60 * 60),
        ..Policy::default()
    }
}
