//! The engine in bad weather: workers killed every second, put to sleep past their leases, cut off, and a Redis that is killed under them.
//!
//! ```text
//!   load ──enqueue──> Redis under test <──claim, settle── worker processes ──> journals (files)
//!                        ^  kill, cut, restart                 ^ kill -9, SIGSTOP      │
//!                        └───────────── schedule (seed) ───────┘                       v
//!                                                              report <── tally <── executions
//! ```
//!
//! The journals are the witnesses: they stand outside Redis and outlive the processes. "Completed" means that Redis answered the move with
//! "done", as the worker's settler says in its trace.

mod answers;
mod batches;
mod deploy;
mod disk;
pub mod documents;
mod fleet;
mod jobs;
mod journal;
mod load;
mod orphans;
mod report;
mod run;
mod scene;
mod schedule;
mod store;
mod tally;
mod worker;

pub use batches::{Reckoning, batch_among_kills};
pub use deploy::{Deploy, Deployed, told_twice_to_stop};
pub use journal::Fact;
pub use orphans::last_orphan_runs_again;
pub use report::{Promise, Report};
pub use run::Plan;
pub use tally::{Execution, Tally};
pub use worker::work;
