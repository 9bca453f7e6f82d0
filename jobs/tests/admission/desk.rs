//! An admission of its own for each test: its own keys in Redis, and a clock.

use std::time::Duration;

use celeriac_jobs::admission::{Admission, Answer, Hold, Limits, Need};
use celeriac_queue::{Connection, Millis, Namespace, RedisConfig};
use sqlx::PgPool;

/// 2026-11-21 12:00 UTC.
pub(crate) const NOON: Millis = 1_795_262_400_000;
pub(crate) const MINUTE: Millis = 60_000;

pub(crate) async fn connection() -> Connection {
    let url = std::env::var("REDIS_URL").expect("REDIS_URL names a Redis for the tests; `make test` starts one");
    let mut config = RedisConfig::new(url);
    config.namespace = Namespace::parse(&format!("test-{}", uuid::Uuid::new_v4().simple())).unwrap();
    Connection::open(&config).await.unwrap()
}

/// Where no money is limited, PostgreSQL is never asked.
pub(crate) async fn admission(limits: Limits) -> Admission {
    let pool = PgPool::connect_lazy("postgres://nobody@127.0.0.1:1/nothing").unwrap();
    Admission::new(connection().await, pool, "gpt-4.1-mini", limits)
}

pub(crate) fn need(ticket: &str) -> Need<'_> {
    Need { ticket, user_id: None, tokens: 1_000, micro_usd: 1_000, longest: Duration::from_secs(130) }
}

pub(crate) async fn granted(admission: &Admission, need: &Need<'_>) -> Hold {
    match admission.admit(need).await.unwrap() {
        Answer::Granted(hold) => hold,
        other => panic!("not granted: {other:?}"),
    }
}

pub(crate) async fn wait(admission: &Admission, need: &Need<'_>) -> Duration {
    match admission.admit(need).await.unwrap() {
        Answer::Wait { wait, .. } => wait,
        other => panic!("it need not wait: {other:?}"),
    }
}
