//! What batching is given.

use std::time::Duration;

use celeriac_process::Settings;
use chrono::{DateTime, TimeDelta, Utc};
use sqlx::PgPool;

use crate::admission::Admission;
use crate::crypt::FieldKeys;
use crate::openai::OpenAi;

/// Puts questions aside for a batch, or says that there is no time for one. Cheap to clone.
#[derive(Debug, Clone)]
pub struct Batching {
    pub(super) pool: PgPool,
    pub(super) keys: FieldKeys,
    /// False: every question is asked directly, also those that wait.
    pub enabled: bool,
    /// So long before its deadline a question is asked directly.
    pub margin: Duration,
}

impl Batching {
    pub fn new(pool: PgPool, keys: FieldKeys, enabled: bool, margin: Duration) -> Self {
        Self { pool, keys, enabled, margin }
    }

    pub fn from_settings(settings: &Settings, pool: PgPool, keys: FieldKeys) -> Self {
        Self::new(pool, keys, settings.text("OPENAI_BATCH") == "on", settings.duration("OPENAI_BATCH_MARGIN"))
    }

    /// Until when an answer of a batch can be waited for; `None`: ask directly.
    pub(super) fn waits_until(&self, deadline: DateTime<Utc>) -> Option<DateTime<Utc>> {
        let until = deadline.checked_sub_signed(TimeDelta::from_std(self.margin).ok()?)?;
        (self.enabled && until > Utc::now()).then_some(until)
    }
}

/// Runs the batches: the state of `run_openai_batches`. Cheap to clone.
#[derive(Debug, Clone)]
pub struct BatchRunner {
    pub(super) pool: PgPool,
    pub(super) keys: FieldKeys,
    pub(super) openai: OpenAi,
    pub(super) admission: Admission,
}

impl BatchRunner {
    pub fn new(pool: PgPool, keys: FieldKeys, openai: OpenAi, admission: Admission) -> Self {
        Self { pool, keys, openai, admission }
    }
}
