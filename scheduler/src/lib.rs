//! The Celeriac scheduler: fires schedules, and relays jobs from the outbox in PostgreSQL to the queues in Redis.
//!
//! Schedules are rows of `celeriac.schedules`, seeded from `schedules.toml` ([`schedules`]). An occurrence is fired by one transaction
//! ([`Firing`]): a run row, unique on schedule and instant, and an outbox row. The [`Relay`] gives outbox rows to Redis, those of web
//! apps (`celeriac.enqueue`) alike; [`Heal`] gives them again when Redis lost them. Several schedulers may run: one leads ([`Leader`]).

mod calendar;
mod catalogue;
mod catch_up;
mod crontab;
mod explain;
mod field;
mod firing;
#[cfg(any(test, fuzzing))]
#[doc(hidden)]
pub mod fuzzing;
mod give_way;
mod heal;
mod health;
mod identity;
mod leader;
mod listen;
mod pace;
mod prune;
mod relay;
mod scheduler;
pub mod schedules;
mod seed;
mod transaction;

pub use calendar::{Calendar, CalendarError};
pub use catalogue::Catalogue;
pub use crontab::{Crontab, CrontabError};
pub use explain::{Explained, explain};
pub use firing::{Firing, FiringConfig, FiringReport};
pub use heal::{Heal, HealConfig, HealReport};
pub use health::health;
pub use leader::{Leader, LeaderConfig, LeaderReport};
pub use prune::{Prune, PruneConfig, PruneReport};
pub use relay::{Relay, RelayConfig, RelayReport};
pub use scheduler::{Scheduler, SchedulerConfig};
pub use seed::{SeedReport, seed};
