//! One file a command: its arguments, what it does, and how its answer reads.

pub(crate) mod backup;
pub(crate) mod batch;
pub(crate) mod budget;
pub(crate) mod chain;
pub(crate) mod check;
pub(crate) mod costs;
pub(crate) mod dead;
pub(crate) mod demo;
pub(crate) mod document;
pub(crate) mod enqueue;
mod given;
pub(crate) mod health;
pub(crate) mod inspect;
pub(crate) mod job;
pub(crate) mod key;
pub(crate) mod keys;
pub(crate) mod letter;
pub(crate) mod limit;
pub(crate) mod migrate;
pub(crate) mod openai_batches;
pub(crate) mod queue;
pub(crate) mod recover;
pub(crate) mod schedule;
pub(crate) mod serve;
pub(crate) mod standin;
pub(crate) mod stats;
pub(crate) mod usage;
