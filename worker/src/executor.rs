//! Runs one delivery, step by step, and says what becomes of its job. The innermost service of the worker.

use std::convert::Infallible;
use std::sync::Arc;
use std::task::{Context, Poll};
use std::time::{Duration, Instant};

use apalis_core::task::Task;
use celeriac_queue::{
    Client, Envelope, Handler, JobContext, Next, OUTPUT_BYTES_MAX, Origin, Outcome, PauseOrder, Registry, State, WorkerId,
};
use futures::future::BoxFuture;
use serde_json::Value;
use tokio_util::sync::CancellationToken;
use tower::Service;

use crate::classify::{AttemptCount, Verdict, classify, interrupted};
use crate::held::Interruption;
use crate::limits::run_within;
use crate::moves::Move;
use crate::run::Run;

/// A cheap-to-clone service.
#[derive(Clone)]
pub(crate) struct Executor {
    shared: Arc<Shared>,
}

struct Shared {
    registry: Arc<Registry>,
    client: Client,
    worker: WorkerId,
    /// Whether jobs of the outbox can be confirmed.
    has_database: bool,
    /// Set once the worker was told to stop.
    stopping: CancellationToken,
}

impl Executor {
    pub(crate) fn new(registry: Arc<Registry>, client: Client, worker: WorkerId, has_database: bool, stopping: CancellationToken) -> Self {
        Self { shared: Arc::new(Shared { registry, client, worker, has_database, stopping }) }
    }
}

impl Service<Task<Run>> for Executor {
    type Response = Move;
    /// Whatever a job does comes to a move.
    type Error = Infallible;
    type Future = BoxFuture<'static, Result<Move, Infallible>>;

    fn poll_ready(&mut self, _: &mut Context<'_>) -> Poll<Result<(), Infallible>> {
        Poll::Ready(Ok(()))
    }

    fn call(&mut self, task: Task<Run>) -> Self::Future {
        let shared = Arc::clone(&self.shared);
        let run = task.args;
        Box::pin(async move { Ok(shared.execute(&run).await) })
    }
}

impl Shared {
    async fn execute(&self, run: &Run) -> Move {
        let begun = Instant::now();
        let to = self.steps(run, begun).await.unwrap_or_else(|unrun| unrun);
        log(&to, begun.elapsed());
        to
    }

    /// `Err` when the body was not begun.
    async fn steps(&self, run: &Run, begun: Instant) -> Result<Move, Move> {
        self.may_begin(run)?;
        let envelope = decoded(run)?;
        in_time(run, envelope)?;
        self.can_be_confirmed(envelope)?;
        let handler = self.handler_of(envelope)?;
        let policy = handler.policy();
        let attempt = AttemptCount { number: run.attempt(), max: envelope.max_attempts.unwrap_or(policy.max_attempts) };
        let context = self.context(run, envelope, attempt);
        // In an async block, so that a panic while the arguments are decoded is the job's as well.
        let body = async { handler.run(envelope, context.clone()).await };
        let end = run_within(body, &context, policy, &run.lease).await;
        Ok(match classify(end, attempt, policy) {
            Verdict::Finished(output) => match Next::after(envelope, &output) {
                Ok(next) => self.complete(run, envelope, policy.keep, output, next, begun.elapsed()),
                // Not acknowledged as finished: what was to come would never come, and nobody would know.
                Err(reason) => Move::Bury { kind: "refused", reason },
            },
            Verdict::Otherwise(to) => to,
        })
    }

    /// What arrives when the worker was told to stop, or was cancelled on the way, is not begun.
    fn may_begin(&self, run: &Run) -> Result<(), Move> {
        let told = self.stopping.is_cancelled().then_some(Interruption::Stopping);
        match run.lease.interruption().or(told) {
            Some(why) => Err(interrupted(why)),
            None => Ok(()),
        }
    }

    /// A worker that could not confirm the job must not run it: the relay would enqueue it again and again.
    fn can_be_confirmed(&self, envelope: &Envelope) -> Result<(), Move> {
        if envelope.origin != Origin::Outbox || self.has_database {
            return Ok(());
        }
        let reason = "it came through the outbox in PostgreSQL, and this worker has no database to confirm it in: set DATABASE_URL for \
                      every worker of this queue, then requeue it";
        Err(Move::Bury { kind: "refused", reason: reason.to_owned() })
    }

    fn handler_of(&self, envelope: &Envelope) -> Result<&Arc<dyn Handler>, Move> {
        self.registry.get(&envelope.job).ok_or_else(|| {
            let known: Vec<&str> = self.registry.names().collect();
            let reason = format!(
                "no job named \"{}\" is registered in this worker (it knows {}): register it, or point the worker at other queues, then requeue it",
                envelope.job,
                if known.is_empty() { "none".to_owned() } else { known.join(", ") }
            );
            Move::Bury { kind: "unknown", reason }
        })
    }

    fn context(&self, run: &Run, envelope: &Envelope, attempt: AttemptCount) -> JobContext {
        let queue = run.lease.consumer.queue().clone();
        let (client, id) = (self.client.clone(), run.lease.id.clone());
        JobContext::new(client, queue, id, envelope, run.tries, attempt.max, run.lease.stop_token()).holding(&run.lease.token)
    }

    fn complete(&self, run: &Run, envelope: &Envelope, keep: Duration, output: Value, next: Option<Next>, took: Duration) -> Move {
        let took_ms = took.as_millis() as u64;
        let mut outcome = Outcome::new(State::Finished, run.claimed_at + took_ms);
        outcome.worker = Some(self.worker.to_string());
        keep_output(&mut outcome, output);
        outcome.duration_ms = Some(took_ms);
        let remember = Duration::from_millis(envelope.remember_ms.unwrap_or(0));
        Move::Complete {
            outcome: Box::new(outcome),
            keep: envelope.keep_ms.map_or(keep, Duration::from_millis),
            remember,
            next: next.map(Box::new),
        }
    }
}

fn keep_output(outcome: &mut Outcome, output: Value) {
    let bytes = output.to_string().len();
    if bytes > OUTPUT_BYTES_MAX {
        outcome.reason = Some(format!("its output of {bytes} bytes was not kept: {OUTPUT_BYTES_MAX} are"));
    } else if !output.is_null() {
        outcome.output = Some(output);
    }
}

fn decoded(run: &Run) -> Result<&Envelope, Move> {
    run.envelope.as_ref().map_err(|error| Move::Bury { kind: "undecodable", reason: error.clone() })
}

fn in_time(run: &Run, envelope: &Envelope) -> Result<(), Move> {
    match envelope.expires_at {
        // Once begun, it may end: a retry or a recovered job is not dropped.
        Some(deadline) if deadline <= run.claimed_at && run.tries.deliveries() == 0 => Err(Move::Expire),
        _ => Ok(()),
    }
}

/// Says once how the run ended; the span around it says whose run it was. What an operator must act on is an error, and so reported.
fn log(to: &Move, took: Duration) {
    let duration_ms = took.as_millis() as u64;
    match to {
        Move::Complete { .. } => tracing::info!(duration_ms, "finished"),
        Move::Retry { delay, error } => {
            tracing::warn!(duration_ms, error, retry_in_ms = delay.as_millis() as u64, "the attempt failed; it is tried again");
        }
        Move::Snooze { delay, why } => tracing::info!(duration_ms, why, again_in_ms = delay.as_millis() as u64, "snoozed"),
        Move::Bury { kind, reason } => tracing::error!(duration_ms, kind, reason, "buried: it is not tried again"),
        Move::Cancel { reason } => tracing::info!(duration_ms, reason, "cancelled"),
        Move::Expire => tracing::info!("expired: it came past its deadline and was not run"),
        Move::Release => tracing::info!(duration_ms, "put back unfinished, as the worker stops"),
        Move::PauseQueue(PauseOrder { reason, resume_in, .. }) => {
            let until = if resume_in.is_some() { "for some time" } else { "until somebody resumes it" };
            let resume_in_seconds = resume_in.map(|wait| wait.as_secs());
            tracing::error!(duration_ms, reason, resume_in_seconds, "its queue is paused {until}; the job is kept")
        }
        Move::Forget => tracing::warn!(duration_ms, "stopped, as its lease was lost: another worker has it"),
    }
}
