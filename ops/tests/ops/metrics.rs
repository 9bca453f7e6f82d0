//! `/metrics`.

use std::collections::BTreeMap;

use sqlx::PgPool;

use crate::support::{Installation, LOOPBACK, database_url, get, stores};

/// Sample → value; panics on a line that Prometheus would not read.
fn parse(text: &str) -> BTreeMap<String, f64> {
    let samples = text.lines().filter(|line| !line.is_empty() && !line.starts_with("# HELP ") && !line.starts_with("# TYPE "));
    let sample = |line: &str| {
        let (name, value) = line.rsplit_once(' ').unwrap_or_else(|| panic!("no value in {line:?}"));
        (name.to_owned(), value.parse().unwrap_or_else(|_| panic!("no number in {line:?}")))
    };
    samples.map(sample).collect()
}

#[sqlx::test(migrator = "celeriac_migrations::MIGRATOR")]
async fn a_scrape_tells_queues_schedules_and_documents_as_they_are(pool: PgPool) {
    let here = Installation::new(pool).await;
    here.run(&["enqueue", "greet"]).await;
    here.bury("default", "no").await;
    here.run(&["enqueue", "greet"]).await;
    here.run(&["enqueue", "greet", "--in", "1h"]).await;
    here.run(&["enqueue", "greet", "--durable"]).await;
    here.run(&["queue", "pause", "documents", "--reason", "a \"quoted\"\nreason"]).await;
    sqlx::query("insert into celeriac.documents (user_id, file_path, status, error_message, completed_at) values (1, 'x', 'failed', 'broken', now())")
        .execute(&here.pool)
        .await
        .unwrap();
    sqlx::query(
        "insert into celeriac.schedules (name, every_seconds, job, next_at) values ('late', 60, 'greet', now() - interval '10 min')",
    )
    .execute(&here.pool)
    .await
    .unwrap();

    let answer = get(&here.router(), "/metrics").await;
    assert_eq!(answer.header("content-type"), "text/plain; version=0.0.4; charset=utf-8");
    let samples = parse(&answer.text);
    let expected = [
        (r#"celeriac_store_up{store="redis"}"#, 1.0),
        (r#"celeriac_queue_jobs{queue="default",state="ready"}"#, 1.0),
        (r#"celeriac_queue_jobs{queue="default",state="scheduled"}"#, 1.0),
        (r#"celeriac_queue_jobs{queue="default",state="dead"}"#, 1.0),
        (r#"celeriac_queue_moves_total{queue="default",move="enqueued"}"#, 3.0),
        (r#"celeriac_queue_moves_total{queue="default",move="dead"}"#, 1.0),
        (r#"celeriac_queue_moves_total{queue="default",move="deleted"}"#, 0.0),
        (r#"celeriac_queue_notices{queue="default"}"#, 1.0),
        (r#"celeriac_queue_paused{queue="documents"}"#, 1.0),
        (r#"celeriac_queue_paused{queue="default"}"#, 0.0),
        ("celeriac_workers", 0.0),
        (r#"celeriac_documents{status="failed"}"#, 1.0),
        (r#"celeriac_outbox_rows{stage="unrelayed"}"#, 1.0),
        (r#"celeriac_schedule_enabled{schedule="late"}"#, 1.0),
    ];
    for (name, value) in expected {
        assert_eq!(samples.get(name), Some(&value), "{name} in:\n{}", answer.text);
    }
    assert!(samples[r#"celeriac_queue_memory_bytes{queue="default"}"#] > 0.0);
    assert!(samples["celeriac_redis_used_memory_bytes"] > samples[r#"celeriac_queue_memory_bytes{queue="default"}"#]);
    let overdue = samples[r#"celeriac_schedule_overdue_seconds{schedule="late"}"#];
    assert!((600.0..660.0).contains(&overdue), "overdue by {overdue} s");
}

#[sqlx::test(migrator = "celeriac_migrations::MIGRATOR")]
async fn a_store_that_is_away_leaves_only_its_own_metrics_out(pool: PgPool) {
    let away = stores("redis://127.0.0.1:1/0", "gone", &database_url(&pool), &[]);
    let samples = parse(&get(&celeriac_ops::http::router(away, LOOPBACK).unwrap(), "/metrics").await.text);
    assert_eq!(samples[r#"celeriac_store_up{store="redis"}"#], 0.0);
    assert_eq!(samples[r#"celeriac_store_up{store="postgres"}"#], 1.0);
    assert!(!samples.contains_key("celeriac_workers") && samples.contains_key(r#"celeriac_outbox_rows{stage="unrelayed"}"#));
}
