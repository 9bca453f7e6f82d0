//! Private, real servers for the demo and the tests: a PostgreSQL and a Redis of one's own, each on a free
//! loopback port with its data in a temporary folder.
//!
//! Real servers, because what this system promises (leases, transactions, restarts) lives in them and a
//! stand-in would only prove itself. Private ones, because a test may then kill its server, empty it or
//! restart it without asking anybody.
//!
//! ```text
//!  our process ──pipe──▶ sh (guard) ──spawns──▶ postgres / redis-server
//!       │                     └ a broken pipe means we are gone: it ends the server and removes the folder
//!       └──TCP on 127.0.0.1──────────────────▶ readiness, then whoever got the URL
//! ```
//!
//! Nothing is installed here: `scripts/bootstrap` does that, and [`find`] only looks. Not for production:
//! PostgreSQL trusts everybody who can reach the loopback interface.

mod account;
mod cluster;
mod error;
mod files;
pub mod find;
mod guard;
mod launch;
mod port;
mod postgres;
mod redis;
mod redis_cluster;
mod redis_probe;

pub use error::DevstackError;
pub use postgres::{PostgresOptions, PostgresServer, SUPERUSER};
pub use redis::{Persistence, RedisOptions, RedisServer, TlsFiles};
pub use redis_cluster::RedisCluster;
