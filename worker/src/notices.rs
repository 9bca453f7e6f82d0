//! Tells jobs that ended without a handler (buried as poison, cancelled while waiting, expired, unknown) so, by their `on_terminal`.
//!
//! A notice is acknowledged last. What fails before that leaves it where it is: it becomes visible again a minute after it was claimed.

use std::sync::Arc;
use std::time::Duration;

use anyhow::{Context, bail};
use celeriac_process::in_words;
use celeriac_queue::{Client, Consumer, Envelope, JobContext, Notice, Origin, Registry, Tries};
use sentry::SentryFutureExt;
use tokio::sync::Semaphore;
use tokio_util::sync::CancellationToken;
use tokio_util::task::TaskTracker;
use tracing::Instrument;

use crate::outbox::{Ended, Outbox};
use crate::reports::hub_of;
use crate::span::job_span;

/// Notices under way at once.
const AT_ONCE: usize = 8;
/// Shorter than the minute for which a claimed notice is hidden from others.
const TIME_LIMIT: Duration = Duration::from_secs(45);

/// How long the notice of a job that this worker does not know, or has not the key of, waits for a worker that does (in the middle of a
/// deployment, say).
const FOR_OTHERS_MS: u64 = 60 * 60 * 1000;

/// How long those that are let go of may take to come to an await.
const LAST_AWAIT: Duration = Duration::from_millis(500);

/// A cheap-to-clone handle.
#[derive(Clone)]
pub(crate) struct Notices {
    registry: Arc<Registry>,
    client: Client,
    outbox: Option<Outbox>,
    room: Arc<Semaphore>,
    under_way: TaskTracker,
    end: CancellationToken,
}

impl Notices {
    pub(crate) fn new(registry: Arc<Registry>, client: Client, outbox: Option<Outbox>) -> Self {
        let room = Arc::new(Semaphore::new(AT_ONCE));
        Self { registry, client, outbox, room, under_way: TaskTracker::new(), end: CancellationToken::new() }
    }

    /// How many more can be taken now.
    pub(crate) fn room(&self) -> usize {
        self.room.available_permits()
    }

    /// Begins to handle one, in the background.
    pub(crate) fn take(&self, consumer: Arc<Consumer>, notice: Notice) {
        // A claim asks for no more than there is room for; should one come all the same, it becomes visible again.
        let Ok(place) = Arc::clone(&self.room).try_acquire_owned() else { return };
        let notices = self.clone();
        let span = job_span(&notice.queue, &notice.id, notice.envelope.as_ref(), None);
        let hub = hub_of(&notice.queue, &notice.id, notice.envelope.as_ref().map_or("", |envelope| &envelope.job));
        let handling = async move {
            notices.handle(&consumer, &notice).await;
            drop(place);
        }
        .instrument(span);
        match hub {
            Some(hub) => self.under_way.spawn(handling.bind_hub(hub)),
            None => self.under_way.spawn(handling),
        };
    }

    /// Waits for those under way, no longer than `time_is_up`; then lets go of the rest, which come back at their time.
    pub(crate) async fn finish(&self, time_is_up: impl Future<Output = ()>) {
        self.under_way.close();
        tokio::select! {
            () = self.under_way.wait() => return,
            () = time_is_up => {}
        }
        self.end.cancel();
        // They end at their next await; one that comes to none must not hold up the others.
        let _ = tokio::time::timeout(LAST_AWAIT, self.under_way.wait()).await;
    }

    async fn handle(&self, consumer: &Consumer, notice: &Notice) {
        let told = tokio::select! {
            told = tokio::time::timeout(TIME_LIMIT, self.tell(consumer, notice)) => told,
            () = self.end.cancelled() => return,
        };
        match told.unwrap_or_else(|_| Err(anyhow::anyhow!("it took longer than {} s", TIME_LIMIT.as_secs()))) {
            Ok(()) => tracing::debug!(state = %notice.outcome.state, "the job's end was told"),
            Err(error) => tracing::warn!(error = in_words(&error), "the job's end could not be told; it is tried again in a minute"),
        }
    }

    async fn tell(&self, consumer: &Consumer, notice: &Notice) -> anyhow::Result<()> {
        if notice.key_missing && self.is_for_others(notice).await? {
            return Ok(());
        }
        if let Some(envelope) = &notice.envelope {
            let known = self.run_on_terminal(notice, envelope).await?;
            self.confirm(notice, envelope).await?;
            if !known && self.is_for_others(notice).await? {
                return Ok(());
            }
        }
        consumer.acknowledge(notice).await.context("the notice could not be acknowledged")
    }

    /// Whether another worker may still come that knows the job, or has its key. The notice then becomes visible again at its time.
    async fn is_for_others(&self, notice: &Notice) -> anyhow::Result<bool> {
        let now = self.client.connection().time_ms().await.context("Redis does not tell the time")?;
        Ok(now.saturating_sub(notice.outcome.at) < FOR_OTHERS_MS)
    }

    /// False: this worker does not know the job, and so has nobody to tell.
    async fn run_on_terminal(&self, notice: &Notice, envelope: &Envelope) -> anyhow::Result<bool> {
        let Some(handler) = self.registry.get(&envelope.job) else { return Ok(false) };
        let max_attempts = envelope.max_attempts.unwrap_or(handler.policy().max_attempts);
        let (queue, id) = (notice.queue.clone(), notice.id.clone());
        let context = JobContext::new(self.client.clone(), queue, id, envelope, Tries::default(), max_attempts, self.end.clone());
        handler.on_terminal(envelope, context, notice.outcome.clone()).await.context("on_terminal failed")?;
        Ok(true)
    }

    async fn confirm(&self, notice: &Notice, envelope: &Envelope) -> anyhow::Result<()> {
        if envelope.origin != Origin::Outbox {
            return Ok(());
        }
        let Some(outbox) = &self.outbox else {
            bail!("it came through the outbox in PostgreSQL, and this worker has no database to confirm its end in: set DATABASE_URL");
        };
        let ended = Ended { id: notice.id.clone(), state: notice.outcome.state, error: notice.outcome.reason.clone() };
        outbox.confirm(&[ended]).await.context("the outbox could not be updated")
    }
}
