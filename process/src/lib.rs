//! What every Celeriac process shares: the one table of settings, connecting to the two stores, logs, Sentry, and stopping.
//!
//! It knows no job and no queue key; what it shares is how a process begins and ends.

pub mod connect;
#[cfg(any(test, fuzzing))]
#[doc(hidden)]
pub mod fuzzing;
mod json_log;
mod kind;
mod settings;
pub mod stop;
mod table;
pub mod telemetry;
mod words;

pub use kind::{Duration, Kind};
pub use settings::{SettingErrors, Settings, Usable};
pub use table::{Process, SETTINGS, Setting, When, markdown_table};
pub use words::in_words;
