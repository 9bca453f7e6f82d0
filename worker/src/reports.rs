//! A Sentry hub of its own for every run, so that the scopes of concurrent jobs do not mix.
//!
//! What is reported is what is logged as an error inside (the last failed attempt, a paused queue) and what panics; the hub adds whose run
//! it was, and never the payload. Events of one job type are grouped together.

use std::sync::Arc;
use std::task::{Context, Poll};

use apalis_core::task::Task;
use celeriac_queue::{JobId, QueueName};
use futures::future::Either;
use sentry::{Hub, SentryFuture, SentryFutureExt};
use tower::{Layer, Service};

use crate::run::Run;

/// A fresh hub that knows the job; `None` when nothing is reported anywhere.
pub(crate) fn hub_of(queue: &QueueName, id: &JobId, name: &str) -> Option<Arc<Hub>> {
    let main = Hub::main();
    main.client()?;
    let hub = Hub::new_from_top(main);
    hub.configure_scope(|scope| {
        scope.set_tag("job.name", name);
        scope.set_tag("job.id", id);
        scope.set_tag("queue.name", queue);
        scope.set_transaction(Some(name));
        scope.set_fingerprint(Some(&["{{ default }}", name]));
    });
    Some(Arc::new(hub))
}

#[derive(Clone)]
pub(crate) struct ReportLayer;

impl<S> Layer<S> for ReportLayer {
    type Service = Reporting<S>;

    fn layer(&self, inner: S) -> Reporting<S> {
        Reporting { inner }
    }
}

#[derive(Clone)]
pub(crate) struct Reporting<S> {
    inner: S,
}

impl<S: Service<Task<Run>>> Service<Task<Run>> for Reporting<S> {
    type Response = S::Response;
    type Error = S::Error;
    type Future = Either<SentryFuture<S::Future>, S::Future>;

    fn poll_ready(&mut self, cx: &mut Context<'_>) -> Poll<Result<(), S::Error>> {
        self.inner.poll_ready(cx)
    }

    fn call(&mut self, task: Task<Run>) -> Self::Future {
        let run = &task.args;
        match hub_of(run.lease.consumer.queue(), &run.lease.id, run.name()) {
            // The inner layers open the run's span when they are called, and that too belongs to this hub.
            Some(hub) => Either::Left(Hub::run(Arc::clone(&hub), || self.inner.call(task)).bind_hub(hub)),
            None => Either::Right(self.inner.call(task)),
        }
    }
}
