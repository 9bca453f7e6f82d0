//! The outermost tower layer: takes what a run came to and hands it to the settler.
//!
//! It is the backend's own middleware, so it sees the result after every other layer has.

use std::task::{Context, Poll};

use apalis_core::error::BoxDynError;
use apalis_core::task::Task;
use futures::future::BoxFuture;
use tower::{Layer, Service};

use crate::handover::Handover;
use crate::moves::{Move, Settlement};
use crate::run::Run;

#[derive(Clone)]
pub(crate) struct SettleLayer {
    pub(crate) handover: Handover,
}

impl<S> Layer<S> for SettleLayer {
    type Service = Settling<S>;

    fn layer(&self, inner: S) -> Settling<S> {
        Settling { inner, handover: self.handover.clone() }
    }
}

#[derive(Clone)]
pub(crate) struct Settling<S> {
    inner: S,
    handover: Handover,
}

impl<S> Service<Task<Run>> for Settling<S>
where
    S: Service<Task<Run>, Response = Move>,
    S::Error: Into<BoxDynError>,
    S::Future: Send + 'static,
{
    type Response = ();
    type Error = BoxDynError;
    type Future = BoxFuture<'static, Result<(), BoxDynError>>;

    fn poll_ready(&mut self, cx: &mut Context<'_>) -> Poll<Result<(), BoxDynError>> {
        self.inner.poll_ready(cx).map_err(Into::into)
    }

    fn call(&mut self, task: Task<Run>) -> Self::Future {
        let run = task.args.clone();
        let handover = self.handover.clone();
        let running = self.inner.call(task);
        Box::pin(async move {
            match running.await.map_err(Into::into) {
                Ok(to) => handover.settle(Settlement { run, to }).await,
                // The executor returns a move for everything a job can do; this is a fault of ours. Nothing is known of the run, so it
                // counts as a lost worker: the lease runs out, and whoever recovers the job counts the loss.
                Err(error) => tracing::error!(job.id = %run.lease.id, error, "a run ended without a result; its lease is left to run out"),
            }
            Ok(())
        })
    }
}
