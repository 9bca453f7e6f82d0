//! Runs a job's body within its limits: time, cancellation, and its own panics.

use std::any::Any;
use std::future::Future;
use std::panic::AssertUnwindSafe;
use std::pin::pin;
use std::time::Duration;

use celeriac_queue::{JobContext, JobResult, Policy};
use futures::FutureExt;
use serde_json::Value;

use crate::held::{Interruption, Lease};

/// How a body came to its end.
#[derive(Debug)]
pub(crate) enum End {
    Returned(JobResult<Value>),
    Panicked(String),
    /// The hard time limit passed.
    OutOfTime,
    Interrupted(Interruption),
}

/// Drops the body at its next await when its time is over or its lease is interrupted.
pub(crate) async fn run_within(body: impl Future<Output = JobResult<Value>>, context: &JobContext, policy: &Policy, lease: &Lease) -> End {
    let mut body = pin!(AssertUnwindSafe(body).catch_unwind());
    let mut soft_limit = pin!(after(policy.soft_time_limit));
    let mut hard_limit = pin!(tokio::time::sleep(policy.time_limit));
    let mut soft_limit_reached = false;
    loop {
        tokio::select! {
            // The body first: a result that is there counts, also when the end was asked for in the same moment.
            biased;
            end = &mut body => return match end {
                Ok(result) => End::Returned(result),
                Err(panic) => End::Panicked(message(&*panic)),
            },
            why = lease.interrupted() => return End::Interrupted(why),
            () = &mut hard_limit => return End::OutOfTime,
            () = &mut soft_limit, if !soft_limit_reached => {
                soft_limit_reached = true;
                context.reach_soft_limit();
            }
        }
    }
}

/// Resolves after that time; never, for `None`.
async fn after(time: Option<Duration>) {
    match time {
        Some(time) => tokio::time::sleep(time).await,
        None => std::future::pending().await,
    }
}

fn message(panic: &(dyn Any + Send)) -> String {
    panic
        .downcast_ref::<&str>()
        .map(|text| (*text).to_owned())
        .or_else(|| panic.downcast_ref::<String>().cloned())
        .unwrap_or_else(|| "it left no message".to_owned())
}
