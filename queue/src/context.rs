//! What a job's body is handed besides its arguments.

use std::future::Future;
use std::sync::Arc;
use std::time::Duration;

use serde::de::DeserializeOwned;
use tokio_util::sync::CancellationToken;

use crate::registry::fault;
use crate::steps::Steps;
use crate::{BatchTally, Client, Envelope, Error, JobError, JobId, Origin, Progress, QueueName, Tries};

/// One delivery of a job, as its body sees it. Cheap to clone.
#[derive(Clone)]
pub struct JobContext {
    pub(crate) shared: Arc<Shared>,
    pub(crate) steps: Arc<Steps>,
}

pub(crate) struct Shared {
    pub(crate) id: JobId,
    pub(crate) queue: QueueName,
    name: String,
    tries: Tries,
    max_attempts: u32,
    origin: Origin,
    request_id: Option<String>,
    batch: Option<BatchTally>,
    input: Option<Vec<u8>>,
    pub(crate) client: Client,
    stop: CancellationToken,
    soft_limit: CancellationToken,
}

impl JobContext {
    /// Called by the worker for each delivery. `stop` fires when the body should end now (cancel, lost lease, shutdown past its grace).
    pub fn new(
        client: Client,
        queue: QueueName,
        id: JobId,
        envelope: &Envelope,
        tries: Tries,
        max_attempts: u32,
        stop: CancellationToken,
    ) -> Self {
        let shared = Shared {
            id,
            queue,
            name: envelope.job.clone(),
            tries,
            max_attempts,
            origin: envelope.origin,
            request_id: envelope.request_id.clone(),
            batch: envelope.batch.clone(),
            input: envelope.input.clone(),
            client,
            stop,
            soft_limit: CancellationToken::new(),
        };
        Self { shared: Arc::new(shared), steps: Arc::default() }
    }

    /// With the token of the delivery, so that what [`JobContext::step`] runs is kept for later runs. Without one, as where a body runs
    /// without a queue, steps are run and nothing is kept.
    #[must_use]
    pub fn holding(self, token: impl Into<String>) -> Self {
        Self { steps: Arc::new(Steps::under(token.into())), ..self }
    }

    pub fn id(&self) -> &JobId {
        &self.shared.id
    }

    pub fn queue(&self) -> &QueueName {
        &self.shared.queue
    }

    pub fn name(&self) -> &str {
        &self.shared.name
    }

    pub fn origin(&self) -> Origin {
        self.shared.origin
    }

    /// The web request that caused this job, if it said so.
    pub fn request_id(&self) -> Option<&str> {
        self.shared.request_id.as_deref()
    }

    /// This attempt's number, from 1.
    pub fn attempt(&self) -> u32 {
        self.shared.tries.attempts + 1
    }

    pub fn max_attempts(&self) -> u32 {
        self.shared.max_attempts
    }

    /// Whether a failure of this attempt is the job's end.
    pub fn is_last_attempt(&self) -> bool {
        self.attempt() >= self.max_attempts()
    }

    pub fn tries(&self) -> Tries {
        self.shared.tries
    }

    /// The output of the link before this one, in a chain.
    ///
    /// # Errors
    /// [`JobError::Bury`] when there is none, as the job was not enqueued as a later link of a chain, or it is not of this type.
    pub fn input<T: DeserializeOwned>(&self) -> Result<T, JobError> {
        let Some(input) = &self.shared.input else {
            let why = "it reads the output of the link before it, and has none: it was not enqueued as a later link of a chain";
            return Err(JobError::bury(why));
        };
        serde_json::from_slice(input)
            .map_err(|error| JobError::bury(format!("the output of the link before it is not what it reads: {}", fault(&error))))
    }

    /// How the members of a batch ended; `None` unless the job is a batch's callback.
    pub fn batch(&self) -> Option<&BatchTally> {
        self.shared.batch.as_ref()
    }

    /// To enqueue follow-up work.
    pub fn client(&self) -> &Client {
        &self.shared.client
    }

    /// Whether the body should end now. The body is dropped at its next await anyway; a long computation asks here.
    pub fn is_stopping(&self) -> bool {
        self.shared.stop.is_cancelled()
    }

    /// Resolves when the body should end now.
    pub fn stopping(&self) -> impl Future<Output = ()> + Send + '_ {
        self.shared.stop.cancelled()
    }

    /// Resolves when the soft time limit has passed; never, when there is none.
    pub fn soft_limit_reached(&self) -> impl Future<Output = ()> + Send + '_ {
        self.shared.soft_limit.cancelled()
    }

    /// Called by the worker when the soft time limit has passed.
    pub fn reach_soft_limit(&self) {
        self.shared.soft_limit.cancel();
    }

    /// Shows how far the job is: percent (0 to 100) and a short message. A failure to store it is not the job's failure.
    pub async fn progress(&self, percent: f32, message: &str) {
        self.show(None, percent, message).await;
    }

    /// As [`JobContext::progress`], and names the step of a longer job that is under way.
    pub async fn progress_of(&self, step: &str, percent: f32, message: &str) {
        self.show(Some(step.to_owned()), percent, message).await;
    }

    async fn show(&self, step: Option<String>, percent: f32, message: &str) {
        let progress = Progress { percent: percent.clamp(0.0, 100.0), message: message.to_owned(), step };
        self.store("progress", self.shared.client.set_progress(&self.shared.queue, &self.shared.id, progress)).await;
    }

    /// Adds a line to the job's own log, which people can follow live: `celeriac job log`. At most 1,000 characters a line and 200 lines a
    /// job; the oldest go. It lies in Redis in plain text: no personal data. A failure to store it is not the job's failure.
    pub async fn log(&self, message: &str) {
        self.store("log", self.shared.client.log(&self.shared.queue, &self.shared.id, self.attempt(), message)).await;
    }

    async fn store(&self, what: &str, stored: impl Future<Output = Result<(), Error>>) {
        match tokio::time::timeout(Duration::from_secs(1), stored).await {
            Ok(Ok(())) => {}
            Ok(Err(error)) => tracing::debug!(job.id = %self.shared.id, %error, "the job's {what} was not stored"),
            Err(_) => tracing::debug!(job.id = %self.shared.id, "the job's {what} was not stored within a second"),
        }
    }
}
