//! Our queue as an apalis backend.
//!
//! Three laws, each learnt from how apalis treats a backend: `poll_*` never answers with an error or with the end (either would end the
//! worker and drop its running jobs); I/O is done by background tasks, which go on while the worker drains; and what a run came to is read
//! from its result, not from a task's status.

use std::convert::Infallible;
use std::task::{Context, Poll};

use apalis_core::backend::finalize::Ephemeral;
use apalis_core::backend::{Backend, BackendConfig};
use apalis_core::task::Task;
use apalis_core::worker::context::WorkerContext;
use futures::FutureExt;
use futures::future::BoxFuture;
use tokio::sync::mpsc;

use crate::handover::Handover;
use crate::moves::{Move, Settlement};
use crate::run::Run;
use crate::settle_layer::SettleLayer;

/// Hands the fetcher's deliveries to apalis.
pub(crate) struct QueueBackend {
    arrivals: mpsc::Receiver<Run>,
    handover: Handover,
    closing: Option<BoxFuture<'static, ()>>,
}

impl QueueBackend {
    pub(crate) fn new(arrivals: mpsc::Receiver<Run>, handover: Handover) -> Self {
        Self { arrivals, handover, closing: None }
    }

    /// What was claimed and not begun goes back; then everything under way is settled.
    fn close(&mut self) -> BoxFuture<'static, ()> {
        self.arrivals.close();
        let mut unstarted = Vec::new();
        while let Ok(run) = self.arrivals.try_recv() {
            unstarted.push(run);
        }
        let handover = self.handover.clone();
        async move {
            for run in unstarted {
                handover.settle(Settlement { run, to: Move::Release }).await;
            }
            handover.flush().await;
        }
        .boxed()
    }
}

impl Backend for QueueBackend {
    type Task = Task<Run>;
    type Error = Infallible;

    fn poll_ready(&mut self, _: &mut Context<'_>, _: &WorkerContext) -> Poll<Result<(), Infallible>> {
        Poll::Ready(Ok(()))
    }

    fn poll_next(&mut self, cx: &mut Context<'_>, _: &WorkerContext) -> Poll<Option<Result<Task<Run>, Infallible>>> {
        match self.arrivals.poll_recv(cx) {
            Poll::Ready(Some(run)) => Poll::Ready(Some(Ok(Task::new(run)))),
            // The fetcher has ended, so the worker is about to be stopped, and that wakes it.
            Poll::Ready(None) | Poll::Pending => Poll::Pending,
        }
    }

    fn poll_close(&mut self, cx: &mut Context<'_>, _: &WorkerContext) -> Poll<Result<(), Infallible>> {
        let mut closing = self.closing.take().unwrap_or_else(|| self.close());
        let polled = closing.poll_unpin(cx);
        // Kept also when it is done: a second call finds it, and must not find a new one.
        self.closing = Some(if polled.is_ready() { std::future::ready(()).boxed() } else { closing });
        polled.map(Ok)
    }
}

impl BackendConfig for QueueBackend {
    type Args = Run;
    type Id = ();
    /// Not stored by apalis: the backend is used as it is, and no codec of apalis' ever sees a payload.
    type Kind = Ephemeral;
    type Config = ();
    type Layer = SettleLayer;

    fn config(&self) -> &() {
        &()
    }

    fn middleware(&mut self, _: &mut WorkerContext) -> SettleLayer {
        SettleLayer { handover: self.handover.clone() }
    }
}
