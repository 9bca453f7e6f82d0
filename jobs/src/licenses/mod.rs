//! `expire_licenses`: ends the service of licences whose time is up.
//!
//! A trial ends at `trial_expires_at`, a monthly or yearly plan at `plan_expires_at`, a perpetual plan never. The database's clock decides,
//! as it wrote those moments. Running it again changes nothing: an expired licence is no longer active.

use std::time::Duration;

use celeriac_queue::{Backoff, Policy};
use serde::{Deserialize, Serialize};

use crate::queues;

#[cfg(feature = "handlers")]
mod expire;

#[cfg(feature = "handlers")]
pub use expire::{Licensing, expire};

/// Wire name of [`ExpireLicenses`].
pub const NAME: &str = "expire_licenses";

/// Ids that a report lists, at most; the count is always whole.
pub const LISTED_MAX: usize = 100;

#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct ExpireLicenses {
    /// Lists what would expire and changes nothing.
    #[serde(default)]
    pub dry_run: bool,
}

/// A run that fails is tried again within the hour, before the next firing.
pub fn policy() -> Policy {
    Policy {
        queue: queues::maintenance(),
        max_attempts: 5,
        backoff: Backoff { base: Duration::from_secs(60), ..Backoff::default() },
        time_limit: Duration::from_secs(10 * 60),
        ..Policy::default()
    }
}

/// What a run did, or would do.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize)]
pub struct Expired {
    pub dry_run: bool,
    pub expired: u64,
    /// The first of them, at most [`LISTED_MAX`].
    pub licenses: Vec<i64>,
}
