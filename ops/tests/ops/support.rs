//! One installation a test: its own database (made by `sqlx::test`), its own Redis prefix, removed at the end.

use std::net::SocketAddr;
use std::time::{Duration, Instant};

use axum::Router;
use axum::body::{Body, to_bytes};
use axum::http::{HeaderMap, Request, StatusCode};
use celeriac_ops::audit::Actor;
use celeriac_ops::out::{Look, render};
use celeriac_ops::reply::Reply;
use celeriac_ops::stores::Stores;
use celeriac_ops::{cli, http};
use celeriac_process::{Process, Settings};
use celeriac_queue::{Connection, Consumer, Delivery, LeaseConfig, Namespace, QueueName, RedisConfig, WorkerId};
use serde_json::Value;
use sqlx::{ConnectOptions, PgPool};
use tower::ServiceExt;

pub(crate) const LOOPBACK: SocketAddr = SocketAddr::new(std::net::IpAddr::V4(std::net::Ipv4Addr::LOCALHOST), 5555);

pub(crate) struct Installation {
    pub(crate) stores: Stores,
    pub(crate) pool: PgPool,
    pub(crate) connection: Connection,
    pub(crate) prefix: String,
    pub(crate) redis_url: String,
}

/// An answer of the HTTP side.
pub(crate) struct Answer {
    pub(crate) status: StatusCode,
    pub(crate) headers: HeaderMap,
    pub(crate) text: String,
}

impl Installation {
    pub(crate) async fn new(pool: PgPool) -> Self {
        Self::with(pool, &[]).await
    }

    /// With more settings than the two stores.
    pub(crate) async fn with(pool: PgPool, extra: &[(&str, &str)]) -> Self {
        let redis_url = redis_url();
        let prefix = format!("ops-{}", uuid::Uuid::new_v4().simple());
        let mut config = RedisConfig::new(&redis_url);
        config.namespace = Namespace::parse(&prefix).unwrap();
        let connection = Connection::open(&config).await.unwrap_or_else(|error| panic!("no Redis answers at {redis_url}: {error}"));
        let stores = stores(&redis_url, &prefix, database_url(&pool).as_str(), extra);
        Self { stores, pool, connection, prefix, redis_url }
    }

    pub(crate) fn router(&self) -> Router {
        http::router(self.stores.clone(), LOOPBACK).unwrap()
    }

    /// Runs a command as the shell would.
    pub(crate) async fn try_run(&self, words: &[&str]) -> anyhow::Result<Reply> {
        cli::answer_words(words, &self.stores, &Actor::at_the_shell()).await
    }

    pub(crate) async fn run(&self, words: &[&str]) -> Reply {
        self.try_run(words).await.unwrap_or_else(|error| panic!("celeriac {}: {error:#}", words.join(" ")))
    }

    /// What the command prints into a pipe.
    pub(crate) async fn text(&self, words: &[&str]) -> String {
        plain(&self.run(words).await)
    }

    pub(crate) async fn refusal(&self, words: &[&str]) -> String {
        match self.try_run(words).await {
            Ok(reply) => panic!("celeriac {} was done: {}", words.join(" "), reply.json),
            Err(error) => format!("{error:#}"),
        }
    }

    /// A fresh API key.
    pub(crate) async fn key(&self, name: &str) -> String {
        let reply = self.run(&["key", "create", name]).await;
        reply.json["key"].as_str().unwrap().to_owned()
    }

    pub(crate) fn consumer(&self, queue: &str) -> Consumer {
        let config = LeaseConfig { lease: Duration::from_secs(60), ..LeaseConfig::default() };
        Consumer::new(self.connection.clone(), QueueName::parse(queue).unwrap(), WorkerId::generate("test"), config)
    }

    /// Claims the one job that is ready.
    pub(crate) async fn claim(&self, queue: &str) -> Delivery {
        let mut claim = self.consumer(queue).claim(1, 0).await.unwrap();
        claim.deliveries.pop().unwrap_or_else(|| panic!("nothing is ready in {queue}"))
    }

    /// Buries the one job that is ready.
    pub(crate) async fn bury(&self, queue: &str, reason: &str) {
        let delivery = self.claim(queue).await;
        self.consumer(queue).bury(&delivery.id, &delivery.token, "refused", reason).await.unwrap();
    }
}

impl Drop for Installation {
    fn drop(&mut self) {
        let clear = || -> redis::RedisResult<()> {
            let mut line = redis::Client::open(self.redis_url.as_str())?.get_connection()?;
            let keys: Vec<String> = redis::cmd("KEYS").arg(format!("{}:*", self.prefix)).query(&mut line)?;
            if keys.is_empty() { Ok(()) } else { redis::cmd("DEL").arg(keys).exec(&mut line) }
        };
        // Keys left behind hurt nobody: the prefix is never used again.
        let _ = clear();
    }
}

pub(crate) fn redis_url() -> String {
    std::env::var("CELERIAC_TEST_REDIS_URL").expect("CELERIAC_TEST_REDIS_URL is not set: run `make test`, which starts a private Redis")
}

pub(crate) fn database_url(pool: &PgPool) -> String {
    pool.connect_options().to_url_lossy().to_string()
}

pub(crate) fn stores(redis_url: &str, prefix: &str, database_url: &str, extra: &[(&str, &str)]) -> Stores {
    let stores = [("REDIS_URL", redis_url), ("REDIS_PREFIX", prefix), ("DATABASE_URL", database_url)];
    let pairs = stores.iter().chain(extra).map(|(name, value)| ((*name).to_owned(), (*value).to_owned()));
    Stores::new(Settings::from_pairs(Process::Ops, pairs).unwrap())
}

pub(crate) fn plain(reply: &Reply) -> String {
    render(reply, Look { colour: false, width: None })
}

pub(crate) async fn send(router: &Router, request: Request<Body>) -> Answer {
    let response = router.clone().oneshot(request).await.unwrap();
    let (parts, body) = response.into_parts();
    let bytes = to_bytes(body, 10_000_000).await.unwrap();
    Answer { status: parts.status, headers: parts.headers, text: String::from_utf8(bytes.to_vec()).unwrap() }
}

/// From this machine, as a browser or a monitor would ask.
pub(crate) async fn get(router: &Router, path: &str) -> Answer {
    send(router, Request::get(path).header("host", "localhost:5555").body(Body::empty()).unwrap()).await
}

impl Answer {
    pub(crate) fn json(&self) -> Value {
        serde_json::from_str(&self.text).unwrap_or_else(|error| panic!("no JSON ({error}): {}", self.text))
    }

    pub(crate) fn header(&self, name: &str) -> &str {
        self.headers.get(name).map_or("", |value| value.to_str().unwrap())
    }
}

/// Asks until the answer is yes; panics with `what` after ten seconds.
pub(crate) async fn eventually<F: Future<Output = bool>>(what: &str, mut ask: impl FnMut() -> F) {
    let deadline = Instant::now() + Duration::from_secs(10);
    while !ask().await {
        assert!(Instant::now() < deadline, "not within 10 s: {what}");
        tokio::time::sleep(Duration::from_millis(20)).await;
    }
}
