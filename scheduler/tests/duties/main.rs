//! The scheduler's duties on a real PostgreSQL and a real Redis.

mod firing;
mod heal;
mod leader;
mod process;
mod prune;
mod relay;
mod seed;
mod support;
mod unique;
