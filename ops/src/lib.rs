//! Operating Celeriac: the command `celeriac`, and the HTTP side with health, metrics, the API for enqueueing and the console.
//!
//! Ops reads the queue through its inspector and changes it only through its client; what it needs of PostgreSQL it asks in `views`.
//! Every change that a person makes passes through `actions` and leaves a row in the audit log.

mod actions;
mod api_keys;
pub mod audit;
mod checks;
pub mod cli;
mod commands;
mod composite;
pub mod demo;
pub mod devstack;
mod documents;
mod error;
#[cfg(any(test, fuzzing))]
#[doc(hidden)]
pub mod fuzzing;
mod health;
pub mod http;
mod human;
mod intake;
mod lookup;
mod nearest;
pub mod out;
pub mod reply;
pub mod standin;
pub mod stores;
mod views;
pub mod with_servers;
