//! Puts the parts of a worker together, and takes them down in order.
//!
//! The stop order, and why:
//!
//! 1. The fetcher stops claiming, and the executor begins nothing any more: work that was not begun is best put back at once.
//! 2. Once the fetcher has ended, apalis is told to stop. Not before: a claim under way is finished, and somebody must receive its jobs.
//! 3. Running jobs have the grace period to finish; a second signal ends it.
//! 4. What still runs then is interrupted and goes back to the head of its queue, its delivery not counted.
//! 5. apalis closes the backend, which returns when every run is settled.
//! 6. Ends that are being told have the rest of the grace period; those cut short are told again a minute later, by another worker.
//! 7. The heartbeat ends only now: until a job is settled its lease is needed.
//! 8. The card goes last, so that until then anybody can see that the worker is stopping.

use std::sync::Arc;
use std::sync::atomic::AtomicUsize;
use std::time::Duration;

use anyhow::bail;
use apalis::prelude::WorkerBuilderExt;
use apalis_core::error::WorkerError;
use apalis_core::worker::builder::WorkerBuilder;
use apalis_core::worker::ext::parallelize::ParallelizeExt;
use celeriac_process::stop::Stop;
use celeriac_queue::{Client, Connection, Consumer, Registry, WorkerId, Workers};
use sqlx::PgPool;
use tokio::sync::{Semaphore, mpsc};
use tokio::task::JoinSet;
use tokio::time::{Instant, sleep_until, timeout};
use tokio_util::sync::CancellationToken;
use tokio_util::task::AbortOnDropHandle;

use crate::WorkerConfig;
use crate::backend::QueueBackend;
use crate::cancels::Cancels;
use crate::confirmer::Confirmer;
use crate::executor::Executor;
use crate::fetcher::{Fetcher, Outlet};
use crate::handover::{Handover, channel};
use crate::heartbeat::Heartbeat;
use crate::held::{Held, Interruption};
use crate::lobby::Lobby;
use crate::mover::Mover;
use crate::notices::Notices;
use crate::outbox::Outbox;
use crate::presence::Presence;
use crate::pruner::Pruner;
use crate::reports::ReportLayer;
use crate::settler::Settler;
use crate::shares::Shares;
use crate::span::SpanLayer;
use crate::trouble::Trouble;
use crate::waking::Waking;

/// How long interrupted runs may take to end and be put back. A body that does not even come to its next await by then is left behind.
const LAST_MOVES: Duration = Duration::from_secs(3);

/// How long the duties may take to end after that.
const FAREWELL: Duration = Duration::from_secs(1);

/// Bodies that did not come to an await in the time they had.
#[derive(Debug, thiserror::Error)]
#[error(
    "{} jobs could not be put back within {} s, as they never yield or Redis does not answer: {}. They are delivered again when their \
     leases run out",
    ids.len(), LAST_MOVES.as_secs(), ids.join(", ")
)]
pub(crate) struct LeftBehind {
    ids: Vec<String>,
}

/// A worker at work.
pub(crate) struct Runtime {
    id: WorkerId,
    held: Held,
    notices: Notices,
    fetcher: AbortOnDropHandle<()>,
    /// The apalis worker.
    worker: AbortOnDropHandle<Result<(), WorkerError>>,
    /// What ends only at the very end: heartbeat, settler and the like. Dropped with the runtime, they are aborted.
    duties: JoinSet<&'static str>,
    /// Tells apalis to stop.
    drain: CancellationToken,
    /// Tells the duties to end.
    end: CancellationToken,
}

impl Runtime {
    pub(crate) fn start(
        connection: &Connection,
        database: Option<PgPool>,
        registry: Registry,
        config: &WorkerConfig,
        stopping: CancellationToken,
    ) -> Self {
        let id = WorkerId::generate(&config.host);
        let (held, trouble, slots) = (Held::default(), Trouble::new(), Arc::new(Semaphore::new(config.concurrency)));
        let (drain, end) = (CancellationToken::new(), CancellationToken::new());
        let (client, registry, outbox) = (Client::new(connection.clone()), Arc::new(registry), database.map(Outbox::new));
        let mut duties = JoinSet::new();

        let consumers: Vec<Arc<Consumer>> = config
            .queues
            .iter()
            .map(|queue| Arc::new(Consumer::new(connection.clone(), queue.clone(), id.clone(), config.lease.clone())))
            .collect();
        let notices = Notices::new(Arc::clone(&registry), client.clone(), outbox.clone());
        let mover = Mover::new(&consumers, &client, trouble.clone());
        let hurries = mover.hurries();
        let executor = Executor::new(registry, client.clone(), id.clone(), outbox.is_some(), stopping.clone());

        // From the last to the first on a job's way, so that each finds the next.
        let (settler, inbox) = channel();
        let lobby = if connection.is_cluster() { Lobby::open(&config.queues, config.concurrency) } else { Lobby::closed() };
        let settling = Settler { client, worker: id.clone(), trouble: trouble.clone(), lobby, failing: AtomicUsize::new(0) };
        duties.spawn(named("settler", settling.run(inbox)));
        let confirmer = outbox.map(|outbox| {
            let (confirmer, inbox) = channel();
            let confirming = Confirmer { inbox, outbox, settler: settler.clone(), trouble: trouble.clone() };
            duties.spawn(named("confirmer", confirming.run()));
            confirmer
        });
        let (arrivals, received) = mpsc::channel(config.concurrency);
        let backend = QueueBackend::new(received, Handover { settler, confirmer });
        let worker = spawn_worker(&id, backend, config.concurrency, executor, drain.clone());

        let heartbeat = Heartbeat::new(consumers.clone(), held.clone(), trouble.clone());
        let cancels = Cancels {
            connection: connection.clone(),
            queues: config.queues.clone(),
            held: held.clone(),
            heartbeat: Arc::clone(&heartbeat.hurry),
            trouble: trouble.clone(),
        };
        let presence = Presence::new(Workers::new(connection.clone()), id.clone(), config, held.clone(), trouble.clone(), stopping.clone());
        duties.spawn(named("heartbeat", heartbeat.run(end.clone())));
        duties.spawn(named("listener for cancellations", cancels.run(end.clone())));
        duties.spawn(named("pruner", Pruner { consumers: consumers.clone(), trouble: trouble.clone() }.run(end.clone())));
        duties.spawn(named("mover", mover.run(end.clone())));
        duties.spawn(named("announcer", presence.run(end.clone())));

        let waking = Waking::start(connection, &config.queues, trouble.clone());
        let shares = Shares::new(&config.sharing, consumers.len());
        let outlet = Outlet { held: held.clone(), arrivals, notices: notices.clone() };
        let fetcher = Fetcher::new(&consumers, hurries, shares, slots, outlet, waking, trouble);
        let fetcher = AbortOnDropHandle::new(tokio::spawn(fetcher.run(stopping)));
        tracing::info!(worker.id = %id, queues = ?presence_of(config), concurrency = config.concurrency, "the worker is ready");
        Self { id, held, notices, fetcher, worker, duties, drain, end }
    }

    /// Works until told to stop, then stops in order.
    ///
    /// # Errors
    /// When a part of the worker ended by itself; [`LeftBehind`].
    pub(crate) async fn run(mut self, grace: Duration, stop: &Stop) -> anyhow::Result<()> {
        let broken = tokio::select! {
            // In this order: once told to stop, the fetcher ends by itself.
            biased;
            () = stop.requested() => None,
            _ = &mut self.fetcher => Some("fetcher"),
            _ = &mut self.worker => Some("apalis worker"),
            ended = self.duties.join_next() => Some(ended.and_then(Result::ok).unwrap_or("background duty")),
        };
        if broken.is_some() {
            // Whatever still works is stopped in order all the same.
            stop.trigger();
        }
        tracing::info!(worker.id = %self.id, running = self.held.count(), "the worker stops");
        let grace_ends = Instant::now() + grace;
        let drained = self.drain(grace_ends, stop).await;
        self.notices.finish(grace_is_over(grace_ends, stop)).await;
        self.end.cancel();
        // They end at once. Where a run is left behind the settler cannot, and a Redis that does not answer holds up the others.
        let _ = timeout(FAREWELL, async { while self.duties.join_next().await.is_some() {} }).await;
        if let Some(part) = broken {
            bail!("the {part} of the worker ended by itself; this is a fault of the program, and the log above says more");
        }
        drained?;
        tracing::info!(worker.id = %self.id, "the worker has stopped");
        Ok(())
    }

    /// Steps 1 to 5.
    async fn drain(&mut self, grace_ends: Instant, stop: &Stop) -> anyhow::Result<()> {
        let held = self.held.clone();
        let mut ending = std::pin::pin!(async {
            finished(&mut self.fetcher).await;
            self.drain.cancel();
            finished(&mut self.worker).await;
        });
        tokio::select! {
            () = &mut ending => return Ok(()),
            () = grace_is_over(grace_ends, stop) => {}
        }
        tracing::info!(running = held.count(), "the grace period is over; what still runs is put back");
        held.interrupt_all(Interruption::Stopping);
        if timeout(LAST_MOVES, &mut ending).await.is_ok() {
            return Ok(());
        }
        Err(LeftBehind { ids: held.all().iter().map(|lease| lease.id.to_string()).collect() }.into())
    }
}

/// Ours runs inside apalis: settling outermost (the backend's own layer), then the limit, one tokio task a run, reports, span, executor.
fn spawn_worker(
    id: &WorkerId,
    backend: QueueBackend,
    concurrency: usize,
    executor: Executor,
    drain: CancellationToken,
) -> AbortOnDropHandle<Result<(), WorkerError>> {
    let worker = WorkerBuilder::new(id.as_str())
        .backend(backend)
        .concurrency(concurrency)
        .parallelize(tokio::spawn)
        .layer(ReportLayer)
        .layer(SpanLayer)
        .build(executor);
    AbortOnDropHandle::new(tokio::spawn(worker.run_until(async move {
        drain.cancelled().await;
        Ok::<(), WorkerError>(())
    })))
}

/// A second signal ends it at once.
async fn grace_is_over(grace_ends: Instant, stop: &Stop) {
    tokio::select! {
        () = sleep_until(grace_ends) => {}
        () = stop.forced() => {}
    }
}

/// Waits for a task's end, also when it was waited for before.
async fn finished<T>(task: &mut AbortOnDropHandle<T>) {
    if !task.is_finished() {
        let _ = task.await;
    }
}

async fn named(name: &'static str, duty: impl Future<Output = ()>) -> &'static str {
    duty.await;
    name
}

fn presence_of(config: &WorkerConfig) -> Vec<&str> {
    config.queues.iter().map(celeriac_queue::QueueName::as_str).collect()
}
