//! `celeriac stats`, and the same over HTTP.

use axum::body::Body;
use axum::http::Request;
use serde_json::{Value, json};
use sqlx::PgPool;

use crate::support::{Installation, send};

#[sqlx::test(migrator = "celeriac_migrations::MIGRATOR")]
async fn counts_moves_and_memory_are_told_for_each_queue(pool: PgPool) {
    let here = Installation::new(pool).await;
    assert!(here.text(&["stats"]).await.starts_with("No queue has been used yet."));
    let args = json!({ "text": "x".repeat(5_000) }).to_string();
    here.run(&["enqueue", "greet", "--id", "a", "--args", &args]).await;
    here.run(&["enqueue", "process_document", "--args", r#"{"document_id": 1}"#]).await;
    here.bury("default", "no").await;

    let stats = here.run(&["stats"]).await.json;
    let row = |name: &str| stats["queues"].as_array().unwrap().iter().find(|row| row["queue"] == name).unwrap().clone();
    let (default, documents) = (row("default"), row("documents"));
    assert_eq!((&default["dead"], &default["moves"]["dead"], &documents["ready"]), (&json!(1), &json!(1), &json!(1)));
    let memory = &default["memory"];
    assert_eq!((memory["payload_bytes"].as_u64(), memory["jobs"].as_u64()), (Some(args.len() as u64), Some(1)));
    let number = |value: &Value| value.as_u64().unwrap();
    assert_eq!(number(&memory["total_bytes"]), number(&memory["payload_bytes"]) + number(&memory["overhead_bytes"]));
    assert!(number(&memory["own_keys_bytes"]) > 0, "the history of the dead job was not counted: {memory}");
    assert!(number(&stats["redis"]["used_bytes"]) > number(&memory["total_bytes"]));
    assert!(default.get("per_second").is_none(), "a rate was told without having been watched");

    let one = here.text(&["stats", "default"]).await;
    assert!(one.contains("jobs") && one.contains("5.0 kB") && one.contains("Redis uses") && !one.contains("documents"), "{one}");
    assert!(here.refusal(&["stats", "defualt"]).await.contains("did you mean default?"));
}

#[sqlx::test(migrator = "celeriac_migrations::MIGRATOR")]
async fn rates_are_those_of_the_time_that_was_watched(pool: PgPool) {
    let here = Installation::new(pool).await;
    here.run(&["enqueue", "greet", "--id", "a"]).await;
    here.bury("default", "no").await;
    let busy = async {
        loop {
            here.run(&["enqueue", "greet"]).await;
        }
    };
    let stats = tokio::select! {
        stats = here.run(&["stats", "--over", "300ms"]) => stats.json,
        () = busy => unreachable!("it never ends"),
    };
    let row = &stats["queues"][0];
    assert!(row["per_second"]["enqueued"].as_f64().unwrap() > 0.0, "{row}");
    assert_eq!((&row["per_second"]["dead"], &row["moves"]["dead"]), (&json!(0.0), &json!(1)), "what was before was counted");
    assert!(here.refusal(&["stats", "--over", "1d"]).await.contains("at most 10m"));
}

#[sqlx::test(migrator = "celeriac_migrations::MIGRATOR")]
async fn the_api_tells_the_same_numbers(pool: PgPool) {
    let here = Installation::new(pool).await;
    let (router, key) = (here.router(), here.key("monitor").await);
    here.run(&["enqueue", "greet"]).await;
    here.run(&["enqueue", "process_document", "--args", r#"{"document_id": 1}"#]).await;
    for (path, queues) in [("/api/v1/stats", 2), ("/api/v1/queues/documents/stats", 1)] {
        let answer = send(&router, Request::get(path).header("x-api-key", &key).body(Body::empty()).unwrap()).await.json();
        assert_eq!(answer["queues"].as_array().unwrap().len(), queues, "{path}: {answer}");
        assert!(answer["queues"][0]["memory"]["total_bytes"].as_u64().unwrap() > 0);
    }
}
