//! For your tests: a queue of its own on a real Redis, jobs run to the end at a word, and time that passes at a word.
//!
//! ```no_run
//! # use celeriac_worker::{Job, JobContext, JobResult, Registry, testing::Sandbox};
//! # #[derive(serde::Serialize, serde::Deserialize)] struct Greet { name: String }
//! # impl Job for Greet { const NAME: &'static str = "greet"; type State = (); type Output = String;
//! #     async fn run(self, _: (), _: JobContext) -> JobResult<String> { Ok(format!("hello, {}", self.name)) } }
//! # async fn sign_up(client: &celeriac_worker::Client, name: &str) {}
//! # async fn test() -> anyhow::Result<()> {
//! let sandbox = Sandbox::open("redis://127.0.0.1:6379/0").await?;
//! // What a body does, without a queue:
//! assert_eq!(sandbox.run(Greet { name: "Ada".into() }, ()).await.unwrap(), "hello, Ada");
//! // That your code enqueues:
//! sign_up(sandbox.client(), "Ada").await;
//! sandbox.assert_enqueued::<Greet>(|greet| greet.name == "Ada").await;
//! // That it all runs, a day later:
//! sandbox.advance(std::time::Duration::from_secs(86_400)).await?;
//! let ends = sandbox.drain(Registry::new().with::<Greet>(())).await?;
//! assert_eq!(ends.finished, 1);
//! # Ok(()) }
//! ```

use std::time::{Duration, Instant};

use anyhow::{Context, bail};
use celeriac_process::stop::Stop;
use celeriac_queue::{
    Client, Connection, Envelope, Inspector, Job, JobContext, JobId, JobResult, Namespace, QueueName, RedisConfig, Registry, State, Tries,
    testing,
};
use sqlx::PgPool;
use tokio_util::sync::CancellationToken;

use crate::{Worker, WorkerConfig};

/// What has not ended by then never will.
const DRAIN_LONGEST: Duration = Duration::from_secs(60);
const LOOK_EVERY: Duration = Duration::from_millis(5);

/// An installation of its own: queues under a random prefix of a Redis that others may use too. What it leaves behind is dropped by
/// [`Sandbox::close`].
pub struct Sandbox {
    client: Client,
    database: Option<PgPool>,
}

/// How the jobs that a [`Sandbox::drain`] found came out, by what the queues had counted before.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Ends {
    pub finished: u64,
    pub dead: u64,
    pub cancelled: u64,
    pub expired: u64,
    /// Attempts that failed and are due again later: [`Sandbox::advance`] brings the moment.
    pub retried: u64,
    pub snoozed: u64,
}

impl Sandbox {
    /// # Errors
    /// When no Redis answers there.
    pub async fn open(redis_url: &str) -> anyhow::Result<Self> {
        let mut config = RedisConfig::new(redis_url);
        config.namespace = Namespace::parse(&format!("test-{}", &JobId::generate().as_str()[..34].replace('-', "")))?;
        let connection = Connection::open(&config).await.with_context(|| "no Redis answers for the sandbox")?;
        Ok(Self { client: Client::new(connection), database: None })
    }

    /// With a database, so that jobs that come through the outbox run too.
    #[must_use]
    pub fn with_database(self, pool: PgPool) -> Self {
        Self { database: Some(pool), ..self }
    }

    /// To enqueue with, or to hand to the code that is tested.
    pub fn client(&self) -> &Client {
        &self.client
    }

    pub fn inspector(&self) -> Inspector {
        Inspector::new(self.client.connection().clone())
    }

    /// Runs one body here and now, without a queue: its arguments go through JSON as they would, limits and retries do not apply.
    pub async fn run<J: Job>(&self, job: J, state: J::State) -> JobResult<J::Output> {
        let payload = serde_json::to_vec(&job)?;
        let policy = J::policy();
        let envelope = Envelope::new(J::NAME, payload, 0);
        let job: J = serde_json::from_slice(&envelope.payload)?;
        let context = JobContext::new(
            self.client.clone(),
            policy.queue,
            JobId::generate(),
            &envelope,
            Tries::default(),
            policy.max_attempts,
            CancellationToken::new(),
        );
        job.run(state, context).await
    }

    /// Runs whatever is ready in any queue, and what that enqueues in turn, with a real worker, until nothing is ready and nothing runs.
    /// What is due later stays.
    ///
    /// # Errors
    /// When it takes longer than a minute, or the worker fails.
    pub async fn drain(&self, registry: Registry) -> anyhow::Result<Ends> {
        let inspector = self.inspector();
        let before = self.ends().await?;
        let deadline = Instant::now() + DRAIN_LONGEST;
        loop {
            // A job may enqueue to a queue that nobody knew of: then another worker, with that queue, goes on.
            let queues = inspector.queue_names().await?;
            if self.is_quiet(&queues).await? {
                return Ok(self.ends().await?.since(before));
            }
            let stop = Stop::new();
            let config = WorkerConfig { queues: queues.clone(), ..WorkerConfig::default() };
            let worker = Worker::with(self.client.connection().clone(), self.database.clone(), registry.clone(), config);
            let working = tokio::spawn(worker.run(stop.clone()));
            while !self.is_quiet(&queues).await? {
                if Instant::now() > deadline {
                    stop.trigger();
                    bail!("the queues have not come to rest within {} s", DRAIN_LONGEST.as_secs());
                }
                if working.is_finished() {
                    break;
                }
                tokio::time::sleep(LOOK_EVERY).await;
            }
            stop.trigger();
            working.await.context("the worker panicked")??;
        }
    }

    async fn is_quiet(&self, queues: &[QueueName]) -> anyhow::Result<bool> {
        let now = self.client.connection().time_ms().await?;
        for queue in queues {
            let view = self.inspector().queue(queue).await?;
            let next = self.inspector().list(queue, State::Scheduled, 1).await?;
            let is_due = next.iter().any(|job| job.until.is_some_and(|due| due <= now));
            let is_paused = view.paused.is_some();
            if view.running > 0 || view.notices > 0 || view.transfers.waiting > 0 || is_due || (view.ready > 0 && !is_paused) {
                return Ok(false);
            }
        }
        Ok(true)
    }

    async fn ends(&self) -> anyhow::Result<Ends> {
        let mut ends = Ends::default();
        for queue in self.inspector().queues().await? {
            let of = |what: &str| queue.moves.get(what).copied().unwrap_or(0);
            ends.finished += of("finished");
            ends.dead += of("dead");
            ends.cancelled += of("cancelled");
            ends.expired += of("expired");
            ends.retried += of("retried");
            ends.snoozed += of("snoozed");
        }
        Ok(ends)
    }

    /// As if so much time had passed, in every queue: what was delayed or is to be tried again falls due.
    ///
    /// # Errors
    /// When Redis does not answer.
    pub async fn advance(&self, by: Duration) -> anyhow::Result<()> {
        for queue in self.inspector().queue_names().await? {
            testing::advance(&self.client, &queue, by).await?;
        }
        Ok(())
    }

    /// The jobs of that type that wait, in the queue of its policy.
    ///
    /// # Panics
    /// When Redis does not answer.
    pub async fn enqueued<J: Job>(&self) -> Vec<J> {
        let found = testing::enqueued::<J>(&self.client, &J::policy().queue).await;
        found.expect("the Redis of the sandbox answers").into_iter().map(|(_, job)| job).collect()
    }

    /// # Panics
    /// Unless a job of that type waits that is as described, with the arguments of those that do wait.
    #[track_caller]
    pub fn assert_enqueued<J: Job>(&self, is_meant: impl Fn(&J) -> bool) -> impl Future<Output = ()> {
        let at = std::panic::Location::caller();
        async move {
            let waiting = self.enqueued::<J>().await;
            if !waiting.iter().any(is_meant) {
                let arguments: Vec<String> = waiting.iter().filter_map(|job| serde_json::to_string(job).ok()).collect();
                panic!("{at}: no such {} waits; of that name there are {}: {}", J::NAME, waiting.len(), arguments.join(", "));
            }
        }
    }

    /// Drops everything under the sandbox's prefix.
    ///
    /// # Errors
    /// When Redis does not answer.
    pub async fn close(self) -> anyhow::Result<()> {
        for queue in self.inspector().queue_names().await? {
            testing::wipe(&self.client, &queue).await?;
        }
        Ok(())
    }
}

impl Ends {
    fn since(self, before: Self) -> Self {
        Self {
            finished: self.finished - before.finished,
            dead: self.dead - before.dead,
            cancelled: self.cancelled - before.cancelled,
            expired: self.expired - before.expired,
            retried: self.retried - before.retried,
            snoozed: self.snoozed - before.snoozed,
        }
    }
}
