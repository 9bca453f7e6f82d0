//! What these tests share: the schema in a PostgreSQL database of its own, and a Redis under a key prefix of its own.

use std::time::{Duration, Instant};

use celeriac_queue::{
    Client, Connection, Consumer, Inspector, JobId, JobView, LeaseConfig, Namespace, QueueName, RedisConfig, State, WorkerId,
};
use celeriac_scheduler::{Catalogue, FiringConfig, Heal, HealConfig, LeaderConfig, PruneConfig, Relay, RelayConfig, SchedulerConfig};
use chrono::{DateTime, Utc};
use sqlx::PgPool;

pub(crate) struct World {
    pub(crate) pool: PgPool,
    pub(crate) redis: Connection,
    url: String,
    prefix: String,
}

/// A row of the outbox.
#[derive(Debug, sqlx::FromRow)]
pub(crate) struct OutboxRow {
    pub(crate) queue: Option<String>,
    pub(crate) relayed_at: Option<DateTime<Utc>>,
    pub(crate) relayed_to: Option<String>,
    pub(crate) outcome: Option<String>,
    pub(crate) error: Option<String>,
}

impl World {
    pub(crate) async fn new(pool: PgPool) -> Self {
        let url = std::env::var("CELERIAC_TEST_REDIS_URL")
            .expect("CELERIAC_TEST_REDIS_URL is not set. These tests need a real Redis: run `make test`, which starts a private one");
        let prefix = format!("test-{:016x}", rand::random::<u64>());
        let mut config = RedisConfig::new(url.as_str());
        config.namespace = Namespace::parse(&prefix).unwrap();
        let redis = Connection::open(&config).await.unwrap_or_else(|error| panic!("no Redis answers: {error}"));
        Self { pool, redis, url, prefix }
    }

    pub(crate) fn relay(&self) -> Relay {
        let config = RelayConfig { sweep: Duration::from_secs(60) };
        Relay::new(config, self.pool.clone(), self.redis.clone(), Catalogue::shipped())
    }

    /// Looks at rows as soon as they are relayed.
    pub(crate) fn heal(&self) -> Heal {
        let config = HealConfig { every: Duration::from_millis(50), grace: Duration::ZERO };
        Heal::new(config, self.pool.clone(), self.redis.clone())
    }

    /// A scheduler that never looks by itself at the outbox within a test, and takes over quickly.
    pub(crate) fn config(&self) -> SchedulerConfig {
        SchedulerConfig {
            leader: LeaderConfig { lease: Duration::from_millis(600) },
            relay: RelayConfig { sweep: Duration::from_secs(600) },
            firing: FiringConfig { look: Duration::from_millis(50) },
            heal: HealConfig { every: Duration::from_millis(50), grace: Duration::ZERO },
            prune: PruneConfig::default(),
            catalogue: Catalogue::shipped(),
            schedules: None,
        }
    }

    pub(crate) fn client(&self) -> Client {
        Client::new(self.redis.clone())
    }

    /// As a web app: enqueues by SQL and commits.
    pub(crate) async fn enqueue(&self, job: &str, id: &str) {
        sqlx::query("select celeriac.enqueue($1, id => $2)").bind(job).bind(id).execute(&self.pool).await.unwrap();
    }

    pub(crate) async fn outbox(&self, id: &str) -> OutboxRow {
        let row = sqlx::query_as("select queue, relayed_at, relayed_to, outcome, error from celeriac.outbox where id = $1");
        row.bind(id).fetch_one(&self.pool).await.unwrap()
    }

    /// A number from the database.
    pub(crate) async fn count(&self, sql: &'static str) -> i64 {
        sqlx::query_scalar(sql).fetch_one(&self.pool).await.unwrap()
    }

    pub(crate) async fn execute(&self, sql: &'static str) {
        sqlx::raw_sql(sql).execute(&self.pool).await.unwrap();
    }

    /// Ids of the jobs that wait in a queue, sorted.
    pub(crate) async fn ready(&self, queue: &str) -> Vec<String> {
        let jobs = Inspector::new(self.redis.clone()).list(&name(queue), State::Ready, 1_000).await.unwrap();
        let mut ids: Vec<String> = jobs.into_iter().map(|job| job.id.to_string()).collect();
        ids.sort();
        ids
    }

    pub(crate) async fn job(&self, queue: &str, id: &str) -> JobView {
        Inspector::new(self.redis.clone()).job(&name(queue), &JobId::parse(id).unwrap()).await.unwrap()
    }

    /// As a worker: claims what is ready, confirms it in PostgreSQL and acknowledges it to Redis. Returns the ids.
    pub(crate) async fn work(&self, queue: &str) -> Vec<String> {
        let worker = Consumer::new(self.redis.clone(), name(queue), WorkerId::generate("test"), LeaseConfig::default());
        let claim = worker.claim(500, 0).await.unwrap();
        let ids: Vec<String> = claim.deliveries.iter().map(|delivery| delivery.id.to_string()).collect();
        let outcomes = vec!["finished"; ids.len()];
        let errors: Vec<Option<&str>> = vec![None; ids.len()];
        let confirm = sqlx::query("select celeriac.confirm($1, $2, $3)").bind(&ids).bind(outcomes).bind(errors);
        confirm.execute(&self.pool).await.unwrap();
        let completions: Vec<_> = claim
            .deliveries
            .iter()
            .map(|delivery| celeriac_queue::Completion {
                id: delivery.id.clone(),
                token: delivery.token.clone(),
                keep_ms: 0,
                remember_ms: 60_000,
                outcome: "{}".into(),
                next: None,
            })
            .collect();
        worker.complete(&completions).await.unwrap();
        ids
    }

    /// Loses everything that Redis has of this world.
    pub(crate) fn empty_redis(&self) {
        let mut line = redis::Client::open(self.url.as_str()).unwrap().get_connection().unwrap();
        let keys: Vec<String> = redis::cmd("KEYS").arg(format!("{}:*", self.prefix)).query(&mut line).unwrap();
        if !keys.is_empty() {
            redis::cmd("UNLINK").arg(keys).exec(&mut line).unwrap();
        }
    }

    /// Loses some jobs of a queue, as a Redis does that lost its last second.
    pub(crate) fn forget(&self, queue: &str, ids: &[String]) {
        let mut line = redis::Client::open(self.url.as_str()).unwrap().get_connection().unwrap();
        redis::cmd("HDEL").arg(format!("{}:{{{queue}}}:jobs", self.prefix)).arg(ids).exec(&mut line).unwrap();
    }

    /// Makes every change of a column fail, as if the process had been killed just before it.
    pub(crate) async fn fail_updates_of(&self, table: &str, column: &str) {
        let sql = format!(
            "create function killed() returns trigger language plpgsql as $$ begin raise exception 'killed' using errcode = '57P01'; end $$;
             create trigger killed before update of {column} on celeriac.{table} for each row execute function killed()"
        );
        sqlx::raw_sql(sqlx::AssertSqlSafe(sql)).execute(&self.pool).await.unwrap();
    }

    pub(crate) async fn stop_failing(&self) {
        self.execute("drop function killed cascade").await;
    }
}

impl Drop for World {
    fn drop(&mut self) {
        self.empty_redis();
    }
}

pub(crate) fn name(queue: &str) -> QueueName {
    QueueName::parse(queue).unwrap()
}

/// Polls until a condition holds; fails the test with these words when it does not within ten seconds.
pub(crate) async fn eventually<F: Future<Output = bool>>(what: &str, mut holds: impl FnMut() -> F) {
    let deadline = Instant::now() + Duration::from_secs(10);
    while !holds().await {
        assert!(Instant::now() < deadline, "not within ten seconds: {what}");
        tokio::time::sleep(Duration::from_millis(5)).await;
    }
}
