//! What the stores hold, as ops shows it: the same rows for the CLI's tables, its JSON, health, metrics and the console.
//!
//! Field names here are the stable names of `--json`; moments are RFC 3339.

pub(crate) mod backups;
pub(crate) mod batches;
pub(crate) mod budget;
pub(crate) mod costs;
pub(crate) mod dead;
pub(crate) mod documents;
pub(crate) mod jobs;
pub(crate) mod keys;
pub(crate) mod letters;
pub(crate) mod mails;
pub(crate) mod openai_batches;
pub(crate) mod outbox;
pub(crate) mod queues;
pub(crate) mod schedules;
pub(crate) mod stages;
pub(crate) mod stats;
pub(crate) mod usage;
pub(crate) mod workers;
