//! A Redis of the test's own, as far as it can see, and a worker in this process.

use std::collections::BTreeSet;
use std::time::{Duration, Instant};

use celeriac_queue::{
    Client, Connection, EnqueueOptions, Enqueued, Inspector, Job, JobId, JobView, LeaseConfig, Namespace, Outcome, QueueName, RedisConfig,
    Registry, State,
};
use celeriac_worker::{Sharing, Stop, Worker, WorkerConfig};
use sqlx::PgPool;
use tokio::task::JoinHandle;

/// What has not come true by then will not.
const LONGEST: Duration = Duration::from_secs(20);

pub(crate) struct Stage {
    pub(crate) connection: Connection,
    pub(crate) client: Client,
    pub(crate) inspector: Inspector,
    pub(crate) queue: QueueName,
    url: String,
    prefix: String,
}

pub(crate) fn redis_url() -> String {
    std::env::var("CELERIAC_TEST_REDIS_URL")
        .expect("CELERIAC_TEST_REDIS_URL is not set: run `make test`, or name a Redis to test on, as in redis://127.0.0.1:6379/0")
}

impl Stage {
    pub(crate) async fn new() -> Self {
        Self::at(redis_url()).await
    }

    pub(crate) async fn at(url: String) -> Self {
        let prefix = format!("t-{}", JobId::generate());
        let mut config = RedisConfig::new(&url);
        config.namespace = Namespace::parse(&prefix).unwrap();
        let connection = Connection::open(&config).await.expect("the Redis of CELERIAC_TEST_REDIS_URL must answer");
        let (client, inspector) = (Client::new(connection.clone()), Inspector::new(connection.clone()));
        Self { connection, client, inspector, queue: QueueName::default(), url, prefix }
    }

    /// A key of the default queue, spelled out: the test looks from outside.
    pub(crate) fn key(&self, name: &str) -> String {
        format!("{}:{{default}}:{name}", self.prefix)
    }

    pub(crate) fn redis(&self) -> redis::Connection {
        redis::Client::open(self.url.as_str()).unwrap().get_connection().unwrap()
    }

    /// The names of all keys of this test, without the prefix.
    pub(crate) fn keys(&self) -> BTreeSet<String> {
        let keys: Vec<String> = redis::cmd("KEYS").arg(format!("{}:*", self.prefix)).query(&mut self.redis()).unwrap();
        keys.into_iter().map(|key| key[self.prefix.len() + 1..].to_owned()).collect()
    }

    pub(crate) async fn enqueue<J: Job>(&self, job: &J) -> Enqueued {
        self.client.enqueue(job).await.unwrap()
    }

    pub(crate) async fn enqueue_with<J: Job>(&self, job: &J, options: EnqueueOptions) -> Enqueued {
        self.client.enqueue_with(job, options).await.unwrap()
    }

    pub(crate) async fn job(&self, enqueued: &Enqueued) -> JobView {
        self.inspector.job(&enqueued.queue, &enqueued.id).await.unwrap()
    }

    pub(crate) async fn in_state(&self, enqueued: &Enqueued, state: State) -> JobView {
        eventually(&format!("job {} is {state}", enqueued.id), async || {
            self.inspector.job(&enqueued.queue, &enqueued.id).await.ok().filter(|view| view.state == state)
        })
        .await
    }

    pub(crate) async fn outcome(&self, enqueued: &Enqueued) -> Outcome {
        self.client.wait(&enqueued.queue, &enqueued.id, LONGEST).await.unwrap()
    }

    pub(crate) fn config(&self) -> WorkerConfig {
        WorkerConfig {
            queues: vec![self.queue.clone()],
            sharing: Sharing::Strict,
            concurrency: 4,
            lease: LeaseConfig { lease: Duration::from_secs(1), ..LeaseConfig::default() },
            grace: Duration::from_secs(10),
            host: "test".to_owned(),
        }
    }

    pub(crate) fn start(&self, registry: Registry) -> Running {
        self.start_with(registry, self.config())
    }

    pub(crate) fn start_with(&self, registry: Registry, config: WorkerConfig) -> Running {
        self.spawn(None, registry, config)
    }

    pub(crate) fn start_on(&self, database: Option<PgPool>, registry: Registry) -> Running {
        self.spawn(database, registry, self.config())
    }

    fn spawn(&self, database: Option<PgPool>, registry: Registry, config: WorkerConfig) -> Running {
        let stop = Stop::new();
        let worker = Worker::with(self.connection.clone(), database, registry, config);
        Running { task: tokio::spawn(worker.run(stop.clone())), stop }
    }
}

impl Drop for Stage {
    fn drop(&mut self) {
        let mut redis = self.redis();
        for key in self.keys() {
            let _ = redis::cmd("UNLINK").arg(format!("{}:{key}", self.prefix)).exec(&mut redis);
        }
    }
}

/// A worker of this process.
pub(crate) struct Running {
    pub(crate) stop: Stop,
    task: JoinHandle<anyhow::Result<()>>,
}

impl Running {
    pub(crate) async fn stop(self) {
        self.stop.trigger();
        self.stopped().await;
    }

    pub(crate) async fn stopped(self) {
        self.result().await.expect("it stops in order");
    }

    /// What it said at its end.
    pub(crate) async fn result(self) -> anyhow::Result<()> {
        tokio::time::timeout(LONGEST, self.task).await.expect("the worker stops").expect("it does not panic")
    }
}

/// Looks again and again until there is something to see.
pub(crate) async fn eventually<T>(what: &str, mut look: impl AsyncFnMut() -> Option<T>) -> T {
    let deadline = Instant::now() + LONGEST;
    loop {
        if let Some(seen) = look().await {
            return seen;
        }
        assert!(Instant::now() < deadline, "it did not come true within {} s that {what}", LONGEST.as_secs());
        tokio::time::sleep(Duration::from_millis(5)).await;
    }
}

/// Declares a job type without arguments whose body is a function of its state and context.
#[macro_export]
macro_rules! job {
    ($name:ident, $wire:literal, $state:ty, $policy:expr, $run:expr) => {
        #[derive(serde::Serialize, serde::Deserialize)]
        struct $name;

        impl celeriac_queue::Job for $name {
            const NAME: &'static str = $wire;
            type State = $state;
            type Output = ();

            fn policy() -> celeriac_queue::Policy {
                $policy
            }

            async fn run(self, state: $state, ctx: celeriac_queue::JobContext) -> celeriac_queue::JobResult {
                let body: fn($state, celeriac_queue::JobContext) -> _ = $run;
                body(state, ctx).await
            }
        }
    };
}
