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

#[sqlx::test(migrator = "celeriac_migrations::MIGRATOR")]
async fn the_seconds_of_todays_documents_are_told_by_job_and_stage_and_their_pages_by_who_read_them(pool: PgPool) {
    let here = Installation::new(pool).await;
    for (id, asking_ms, completed) in [(1, 400, "now()"), (2, 500, "now()"), (3, 600_000, "now()"), (4, 1_000, "now() - interval '25 h'")] {
        let statement = format!(
            "insert into celeriac.documents (id, user_id, file_path, status, ai_summary, ai_model_used, ai_tokens_used, page_count, text_length,
                                             processing_ms, completed_at, stage_ms)
             values ({id}, 1, 'x', 'completed', 's', 'm', 1, 2, 1, 1, {completed}, '{{\"reading\": 20, \"asking\": {asking_ms}}}')"
        );
        sqlx::query(sqlx::AssertSqlSafe(statement)).execute(&here.pool).await.unwrap();
    }
    sqlx::query(
        "insert into celeriac.denial_letters (document_id, status, details, conditions, model_used, tokens_used, page_count, processing_ms,
                                              completed_at, stage_ms)
         values (1, 'completed', 'd', 0, 'm', 1, 1, 1, now(), '{\"asking\": 50}')",
    )
    .execute(&here.pool)
    .await
    .unwrap();
    sqlx::query(
        "insert into celeriac.document_pages (subject_kind, document_id, page, file_version, source) values
         ('document', 1, 1, 'v', 'native'), ('document', 1, 2, 'v', 'tesseract'), ('document', 2, 1, 'v', 'native'),
         ('document', 4, 1, 'v', 'vision'), ('denial_letter', 1, 1, 'v', 'vision')",
    )
    .execute(&here.pool)
    .await
    .unwrap();
    let text = get(&here.router(), "/metrics").await.text;
    let samples = parse(&text);
    let asking = |rest: &str| format!(r#"celeriac_document_stage_seconds{rest}"#);
    for (name, value) in [
        (asking(r#"_bucket{job="process_document",stage="asking",le="0.25"}"#), 0.0),
        (asking(r#"_bucket{job="process_document",stage="asking",le="0.5"}"#), 2.0),
        (asking(r#"_bucket{job="process_document",stage="asking",le="300"}"#), 2.0),
        (asking(r#"_bucket{job="process_document",stage="asking",le="+Inf"}"#), 3.0),
        (asking(r#"_count{job="process_document",stage="asking"}"#), 3.0),
        (asking(r#"_count{job="process_document",stage="reading"}"#), 3.0),
        (asking(r#"_bucket{job="decode_denial_letter",stage="asking",le="0.05"}"#), 1.0),
        (r#"celeriac_document_pages_total{job="process_document",source="native"}"#.to_owned(), 2.0),
        (r#"celeriac_document_pages_total{job="process_document",source="tesseract"}"#.to_owned(), 1.0),
        (r#"celeriac_document_pages_total{job="decode_denial_letter",source="vision"}"#.to_owned(), 1.0),
    ] {
        assert_eq!(samples.get(&name), Some(&value), "{name} in:\n{text}");
    }
    let sum = samples[r#"celeriac_document_stage_seconds_sum{job="process_document",stage="asking"}"#];
    assert!((sum - 600.9).abs() < 1e-6, "{sum}");
    assert!(
        !samples.contains_key(r#"celeriac_document_pages_total{job="process_document",source="vision"}"#),
        "yesterday's pages are told"
    );
}
