//! The command and the HTTP side on real servers: a private database and a private Redis prefix each.

mod api;
mod audit;
mod batches;
mod binary;
mod commands;
mod console;
mod dead;
mod documents;
mod health;
mod keys;
mod log;
mod metrics;
mod openai_batches;
mod sharing;
mod stats;
mod support;
