//! What the tests of the engine share: a queue of their own on a real Redis, and its whole state in words.

mod invariants;
mod private_redis;
mod snapshot;
mod text;

use std::time::{Duration, Instant};

use celeriac_queue::{
    Claim, Client, Company, Connection, Consumer, Delivery, EnqueueOptions, Enqueued, Inspector, JobId, LeaseConfig, Limits, Namespace,
    Policy, QueueName, RedisConfig, WorkerId,
};
use redis::FromRedisValue;
use redis::aio::MultiplexedConnection;

pub(crate) use private_redis::PrivateRedis;
pub(crate) use snapshot::Snapshot;
pub(crate) use text::State;

/// Every lease in these tests; long enough that none runs out by itself.
pub(crate) const LEASE: Duration = Duration::from_secs(60);
pub(crate) const MINUTE: Duration = Duration::from_secs(60);

/// The server that the tests share.
pub(crate) fn redis_url() -> String {
    std::env::var("CELERIAC_TEST_REDIS_URL").expect(
        "CELERIAC_TEST_REDIS_URL is not set. These tests need a real Redis: run `make test`, which starts a private one and sets it, \
         or name one yourself, as in redis://127.0.0.1:6379/0",
    )
}

/// A queue under a random key prefix; dropped with everything under that prefix.
pub(crate) struct TestQueue {
    pub(crate) client: Client,
    pub(crate) connection: Connection,
    pub(crate) name: QueueName,
    pub(crate) url: String,
    /// One a server: several in a cluster.
    lines: Vec<MultiplexedConnection>,
}

impl TestQueue {
    pub(crate) async fn new() -> Self {
        Self::on(redis_url()).await
    }

    pub(crate) async fn on(url: String) -> Self {
        let mut config = RedisConfig::new(url.as_str());
        config.namespace = Namespace::parse(&format!("test-{}", uuid::Uuid::new_v4().simple())).unwrap();
        let connection = Connection::open(&config).await.unwrap_or_else(|error| panic!("no Redis answers at {url}: {error}"));
        // Patient: it reads whole queues, beside everything else this machine does.
        let patience = redis::AsyncConnectionConfig::new().set_response_timeout(Some(MINUTE));
        let mut lines = Vec::new();
        for node in url.split(',') {
            let server = redis::Client::open(node).unwrap();
            lines.push(server.get_multiplexed_async_connection_with_config(&patience).await.unwrap());
        }
        Self { client: Client::new(connection.clone()), connection, name: QueueName::default(), url, lines }
    }

    /// A worker of this queue. Its label is what leases and histories show.
    pub(crate) fn worker(&self, label: &str) -> Consumer {
        self.worker_with(label, LeaseConfig { lease: LEASE, ..LeaseConfig::default() })
    }

    pub(crate) fn worker_with(&self, label: &str, config: LeaseConfig) -> Consumer {
        Consumer::new(self.connection.clone(), self.name.clone(), WorkerId::generate(label), config)
    }

    pub(crate) fn inspector(&self) -> Inspector {
        Inspector::new(self.connection.clone())
    }

    /// Enqueues a job `note {}` with this id.
    pub(crate) async fn put(&self, id: &str) -> Enqueued {
        self.put_with(id, EnqueueOptions::default()).await
    }

    pub(crate) async fn put_later(&self, id: &str, delay: Duration) -> Enqueued {
        self.put_with(id, EnqueueOptions { delay: Some(delay), ..EnqueueOptions::default() }).await
    }

    pub(crate) async fn put_first(&self, id: &str, priority: u8) -> Enqueued {
        self.put_with(id, EnqueueOptions { priority: Some(priority), ..EnqueueOptions::default() }).await
    }

    pub(crate) async fn put_keyed(&self, id: &str, key: &str) -> Enqueued {
        self.put_with(id, EnqueueOptions { key: Some(key.to_owned()), ..EnqueueOptions::default() }).await
    }

    /// Enqueues jobs `<name>-0`, `<name>-1` and so on, 500 a call.
    pub(crate) async fn put_many(&self, name: &str, count: usize, options: EnqueueOptions) {
        let all: Vec<usize> = (0..count).collect();
        for part in all.chunks(500) {
            let of = |number| EnqueueOptions { id: Some(job(&format!("{name}-{number}"))), ..options.clone() };
            let jobs = part.iter().map(|number| ("note".to_owned(), b"{}".to_vec(), of(number))).collect();
            self.client.enqueue_many(&self.name, jobs, &Policy::default()).await.unwrap();
        }
    }

    pub(crate) async fn limit(&self, limits: Limits) {
        self.client.set_limits(&self.name, &limits).await.unwrap();
    }

    pub(crate) async fn put_with(&self, id: &str, options: EnqueueOptions) -> Enqueued {
        let options = EnqueueOptions { id: Some(job(id)), ..options };
        self.client.enqueue_raw("note", b"{}".to_vec(), &Policy::default(), options).await.unwrap()
    }

    /// Enqueues and claims one job, so that it runs.
    pub(crate) async fn run(&self, worker: &Consumer, id: &str) -> Delivery {
        self.put(id).await;
        let delivery = claim_one(worker).await;
        assert_eq!(delivery.id, job(id), "another job stood in front of it");
        delivery
    }

    /// A command of one key of this queue, past the engine; `key` without its stem, as in `ready:5`.
    pub(crate) async fn raw<T: FromRedisValue>(&self, command: &str, key: &str, args: &[&str]) -> T {
        let key = format!("{}{key}", self.stem());
        redis::cmd(command).arg(key).arg(args).query_async(&mut self.line().await).await.unwrap()
    }

    /// Puts other bytes in the place of a job's envelope.
    pub(crate) async fn store_envelope(&self, id: &str, bytes: &[u8]) {
        let key = format!("{}jobs", self.stem());
        redis::cmd("HSET").arg(key).arg(id).arg(bytes).exec_async(&mut self.line().await).await.unwrap();
    }

    /// Puts other bytes in the place of what a step came to.
    pub(crate) async fn store_step(&self, id: &str, step: &str, record: &[u8]) {
        let key = format!("{}steps:{id}", self.stem());
        redis::cmd("HSET").arg(key).arg(step).arg(record).exec_async(&mut self.line().await).await.unwrap();
    }

    /// What a key of this queue takes by Redis' own account, bytes.
    pub(crate) async fn memory_of(&self, key: &str) -> u64 {
        let key = format!("{}{key}", self.stem());
        redis::cmd("MEMORY").arg("USAGE").arg(key).query_async(&mut self.line().await).await.unwrap()
    }

    /// As if a scheduled job's moment, or a running job's lease, had passed; of two the one with the lower number passed first.
    pub(crate) async fn put_in_the_past(&self, zset: &str, id: &str, moment: u32) {
        let changed: u64 = self.raw("ZADD", zset, &["XX", "CH", &moment.to_string(), id]).await;
        assert_eq!(changed, 1, "{id} is not {zset}");
    }

    /// As if the queue had been touched last so long ago (or, with a negative number, as if the clock had been set back).
    pub(crate) async fn set_touched_ago(&self, ms: i64) {
        let touched = self.connection.time_ms().await.unwrap().saturating_add_signed(-ms);
        let _: u64 = self.raw("HSET", "meta", &["touched", &touched.to_string()]).await;
    }

    /// Takes the wake token; false when there was none.
    pub(crate) async fn take_token(&self) -> bool {
        self.raw::<Option<String>>("LPOP", "wake", &[]).await.is_some()
    }

    pub(crate) async fn snapshot(&self) -> Snapshot {
        Snapshot::read(&mut self.line().await, self.connection.namespace().as_str(), &self.stem()).await
    }

    /// The whole state of the queue in words; fails when it is one that must never be.
    pub(crate) async fn state(&self) -> State {
        let snapshot = self.snapshot().await;
        snapshot.assert_sound();
        State::of(&snapshot)
    }

    /// To the server of this queue: the others of a cluster send elsewhere.
    async fn line(&self) -> MultiplexedConnection {
        for line in &self.lines {
            let here = redis::cmd("EXISTS").arg(format!("{}jobs", self.stem())).exec_async(&mut line.clone()).await;
            if here.is_ok() {
                return line.clone();
            }
        }
        panic!("no server serves {}", self.stem());
    }

    fn stem(&self) -> String {
        format!("{}:{{{}}}:", self.connection.namespace().as_str(), self.name)
    }
}

impl Drop for TestQueue {
    fn drop(&mut self) {
        for node in self.url.split(',') {
            let _ = unlink_all(node, &format!("{}:*", self.connection.namespace().as_str()));
        }
    }
}

fn unlink_all(node: &str, pattern: &str) -> redis::RedisResult<()> {
    let mut line = redis::Client::open(node)?.get_connection()?;
    let mut cursor = 0_u64;
    loop {
        let mut scan = redis::cmd("SCAN");
        let (next, keys): (u64, Vec<String>) = scan.arg(cursor).arg("MATCH").arg(pattern).arg("COUNT").arg(10_000).query(&mut line)?;
        // One by one: in a cluster they may be of several slots.
        let mut unlinks = redis::pipe();
        for key in &keys {
            unlinks.unlink(key).ignore();
        }
        if !keys.is_empty() {
            unlinks.exec(&mut line)?;
        }
        cursor = next;
        if cursor == 0 {
            return Ok(());
        }
    }
}

pub(crate) fn job(id: &str) -> JobId {
    JobId::parse(id).unwrap()
}

/// What [`TestQueue::state`] should say; indentation and empty lines do not matter.
pub(crate) fn expect(text: &str) -> State {
    State::expected(text)
}

/// Waits until something holds, at most ten seconds.
pub(crate) async fn eventually(what: &str, holds: impl AsyncFn() -> bool) {
    let deadline = Instant::now() + Duration::from_secs(10);
    while !holds().await {
        assert!(Instant::now() < deadline, "waited ten seconds in vain until {what}");
        tokio::time::sleep(Duration::from_millis(5)).await;
    }
}

pub(crate) async fn claim_one(worker: &Consumer) -> Delivery {
    let Claim { mut deliveries, .. } = worker.claim(1, 0).await.unwrap();
    deliveries.pop().expect("a job was ready")
}

/// Claims the suspect that is next, as a worker does that holds no job.
pub(crate) async fn claim_suspect(worker: &Consumer) -> Delivery {
    let Claim { mut deliveries, company, .. } = worker.claim_when_idle(5, 0).await.unwrap();
    assert_eq!((deliveries.len(), company), (1, Company::Alone));
    deliveries.remove(0)
}

/// Has every open notice handed out, and acknowledges it.
pub(crate) async fn tell_all(worker: &Consumer) {
    for notice in worker.claim(0, 500).await.unwrap().notices {
        worker.acknowledge(&notice).await.unwrap();
    }
}

pub(crate) fn ids(deliveries: &[Delivery]) -> Vec<&str> {
    deliveries.iter().map(|delivery| delivery.id.as_str()).collect()
}

/// How many of some deliveries have an id that begins so.
pub(crate) fn count_of(deliveries: &[Delivery], prefix: &str) -> usize {
    deliveries.iter().filter(|delivery| delivery.id.as_str().starts_with(prefix)).count()
}

/// The leases of some deliveries, as extend and release want them.
pub(crate) fn leases(deliveries: &[Delivery]) -> Vec<(JobId, String)> {
    deliveries.iter().map(|delivery| (delivery.id.clone(), delivery.token.clone())).collect()
}
