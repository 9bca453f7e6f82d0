//! A tracing span around every run: whatever is logged inside bears the job's identity.

use std::task::{Context, Poll};

use apalis_core::task::Task;
use celeriac_queue::{Envelope, JobId, QueueName};
use sentry::Hub;
use tower::{Layer, Service};
use tracing::instrument::Instrumented;
use tracing::{Instrument, Span, field};

use crate::run::Run;

/// The span of one run or notice. The field names are those of every log line of the system.
pub(crate) fn job_span(queue: &QueueName, id: &JobId, envelope: Option<&Envelope>, attempt: Option<u32>) -> Span {
    let name = envelope.map(|envelope| envelope.job.as_str());
    let request_id = envelope.and_then(|envelope| envelope.request_id.as_deref());
    let span = tracing::info_span!(
        "job",
        job.id = id.as_str(),
        job.name = name,
        queue.name = queue.as_str(),
        attempt,
        request_id,
        sentry.name = field::Empty
    );
    if Hub::main().client().is_some() {
        // Else the traces of all job types would bear the same name.
        span.record("sentry.name", name);
    }
    span
}

#[derive(Clone)]
pub(crate) struct SpanLayer;

impl<S> Layer<S> for SpanLayer {
    type Service = Spanned<S>;

    fn layer(&self, inner: S) -> Spanned<S> {
        Spanned { inner }
    }
}

#[derive(Clone)]
pub(crate) struct Spanned<S> {
    inner: S,
}

impl<S: Service<Task<Run>>> Service<Task<Run>> for Spanned<S> {
    type Response = S::Response;
    type Error = S::Error;
    type Future = Instrumented<S::Future>;

    fn poll_ready(&mut self, cx: &mut Context<'_>) -> Poll<Result<(), S::Error>> {
        self.inner.poll_ready(cx)
    }

    fn call(&mut self, task: Task<Run>) -> Self::Future {
        let run = &task.args;
        let span = job_span(run.lease.consumer.queue(), &run.lease.id, run.envelope.as_ref().ok(), Some(run.attempt()));
        self.inner.call(task).instrument(span)
    }
}
