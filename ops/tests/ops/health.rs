//! `/healthz/`, `/health/` and `/health/?full=1`, also while a store is away.

use std::time::{Duration, Instant};

use axum::http::StatusCode;
use celeriac_ops::audit::Actor;
use celeriac_ops::devstack::{RedisOptions, RedisServer};
use celeriac_ops::http;
use celeriac_process::stop::Stop;
use sqlx::PgPool;
use tokio::net::TcpListener;

use crate::support::{Installation, LOOPBACK, database_url, eventually, get, redis_url, stores};

#[sqlx::test(migrator = "celeriac_migrations::MIGRATOR")]
async fn work_without_a_worker_is_unhealthy(pool: PgPool) {
    let here = Installation::new(pool).await;
    let router = here.router();
    let full = get(&router, "/health/?full=1").await;
    assert_eq!(full.status, StatusCode::OK, "{}", full.text);
    let report = full.json();
    assert_eq!(report["status"], "degraded", "an idle system without a worker");
    for check in [
        "database",
        "redis",
        "workers",
        "document_processing",
        "deleted_documents",
        "mail",
        "failures",
        "schedules",
        "backups",
        "queues",
        "model",
    ] {
        assert!(report["checks"][check]["status"].is_string(), "{check} is missing in {report}");
    }
    assert!(report["timestamp"].as_str().is_some_and(|at| at.ends_with('Z')));
    assert_eq!(get(&router, "/health/").await.json(), serde_json::json!({ "status": "ok" }));

    here.run(&["enqueue", "greet"]).await;
    eventually("the report turns unhealthy", || async { get(&router, "/health/").await.status == StatusCode::SERVICE_UNAVAILABLE }).await;
    let workers = get(&router, "/health/?full=1").await.json()["checks"]["workers"].clone();
    assert_eq!((workers["status"].as_str(), workers["queue_length"].as_u64()), (Some("unhealthy"), Some(1)), "{workers}");
    assert_eq!(get(&router, "/healthz/").await.status, StatusCode::OK, "the process itself is alive");
}

#[sqlx::test(migrator = "celeriac_migrations::MIGRATOR")]
async fn a_paused_queue_and_a_dead_job_are_told(pool: PgPool) {
    let here = Installation::new(pool).await;
    here.run(&["enqueue", "greet"]).await;
    here.bury("default", "no").await;
    here.run(&["queue", "pause", "documents", "--reason", "OpenAI refused the key (401)"]).await;
    let report = get(&here.router(), "/health/?full=1").await.json();
    assert_eq!(report["checks"]["queues"]["paused"][0]["reason"], "OpenAI refused the key (401)");
    assert_eq!(report["checks"]["queues"]["status"], "degraded");
    assert_eq!(report["checks"]["failures"]["dead_24h"], 1);
}

#[sqlx::test(migrator = "celeriac_migrations::MIGRATOR")]
async fn redis_going_and_coming_back_shows_in_health(pool: PgPool) {
    let mut redis = RedisServer::start(RedisOptions::default()).await.unwrap();
    let stores = stores(&redis.url(), "celeriac", &database_url(&pool), &[]);
    let router = http::router(stores, LOOPBACK).unwrap();
    let redis_status = async || get(&router, "/health/?full=1").await.json()["checks"]["redis"]["status"].clone();
    assert_eq!(redis_status().await, "healthy");
    redis.kill().await.unwrap();
    eventually("health notices that Redis is gone", || async { redis_status().await == "unhealthy" }).await;
    assert_eq!(get(&router, "/health/").await.status, StatusCode::SERVICE_UNAVAILABLE);
    assert!(get(&router, "/").await.text.contains("Redis does not answer"), "the console stands while Redis is away");
    redis.restart().await.unwrap();
    eventually("health notices that Redis is back", || async { redis_status().await == "healthy" }).await;
}

#[sqlx::test(migrator = "celeriac_migrations::MIGRATOR")]
async fn a_store_that_hangs_makes_health_unhealthy_and_not_late(pool: PgPool) {
    let silent = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let port = silent.local_addr().unwrap().port();
    let cases = [
        ("redis", stores(&format!("redis://127.0.0.1:{port}/0"), "celeriac", &database_url(&pool), &[])),
        ("database", stores(&redis_url(), "hangs", &format!("postgres://nobody@127.0.0.1:{port}/none"), &[])),
    ];
    for (check, stores) in cases {
        let router = http::router(stores, LOOPBACK).unwrap();
        let begun = Instant::now();
        let answer = get(&router, "/health/?full=1").await;
        assert!(begun.elapsed() < Duration::from_secs(4), "{check}: it took {:?}", begun.elapsed());
        assert_eq!(answer.status, StatusCode::SERVICE_UNAVAILABLE);
        assert_eq!(answer.json()["checks"][check]["status"], "unhealthy", "{}", answer.text);
    }
}

/// An older schema than this version needs.
#[sqlx::test(migrations = false)]
async fn a_database_without_the_schema_is_unhealthy_with_what_to_do(pool: PgPool) {
    let here = Installation::new(pool).await;
    let report = get(&here.router(), "/health/?full=1").await.json();
    let database = &report["checks"]["database"];
    assert_eq!(database["status"], "unhealthy");
    assert!(database["message"].as_str().is_some_and(|message| message.contains("celeriac migrate up")), "{database}");
}

#[sqlx::test(migrator = "celeriac_migrations::MIGRATOR")]
async fn the_shell_tells_the_same_and_the_probe_asks_only_the_process(pool: PgPool) {
    let here = Installation::new(pool.clone()).await;
    assert_eq!(here.run(&["health"]).await.exit_code, 0, "degraded is no failure");
    here.run(&["enqueue", "greet"]).await;
    let unhealthy = here.run(&["health"]).await;
    assert_eq!((unhealthy.exit_code, unhealthy.json["checks"]["workers"]["status"].as_str()), (1, Some("unhealthy")));

    let bind = format!("127.0.0.1:{}", std::net::TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap().port());
    let served = stores("redis://127.0.0.1:1/0", "gone", &database_url(&pool), &[("BIND", &bind)]);
    let probe = async || celeriac_ops::cli::answer_words(&["health", "--ping"], &served, &Actor::at_the_shell()).await;
    assert!(probe().await.is_err(), "nobody listens yet");
    let stop = Stop::new();
    let serving = tokio::spawn({
        let (served, stop) = (served.clone(), stop.clone());
        async move { http::serve(served, &stop).await }
    });
    eventually("the probe is answered while Redis is away", || async { probe().await.is_ok() }).await;
    stop.trigger();
    serving.await.unwrap().unwrap();
    assert!(probe().await.is_err(), "it went on listening");
}
