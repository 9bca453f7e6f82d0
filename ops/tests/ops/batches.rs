//! `POST /api/v1/batches`, `GET /api/v1/batches/{home}/{id}`, `celeriac batch`, and what metrics and health say of transfers.

use axum::Router;
use axum::body::Body;
use axum::http::{Request, StatusCode};
use celeriac_queue::{Client, QueueName, Transfers};
use serde_json::{Value, json};
use sqlx::PgPool;

use crate::support::{Answer, Installation, get, send};

async fn post(router: &Router, key: &str, body: &Value) -> Answer {
    let request = Request::post("/api/v1/batches").header("x-api-key", key).header("content-type", "application/json");
    send(router, request.body(body.to_string().into()).unwrap()).await
}

async fn show(router: &Router, key: &str, path: &str) -> Answer {
    send(router, Request::get(format!("/api/v1/batches/{path}")).header("x-api-key", key).body(Body::empty()).unwrap()).await
}

fn import() -> Value {
    json!({
        "id": "import-7",
        "jobs": [{ "job": "read_row", "args": { "row": 1 } }, { "job": "read_row", "args": { "row": 2 }, "queue": "slow", "priority": 2 }],
        "on_done": { "job": "report", "queue": "reports" },
        "on_failure": { "job": "alarm", "queue": "reports", "args": { "to": "ops" } },
    })
}

#[sqlx::test(migrator = "celeriac_migrations::MIGRATOR")]
async fn a_batch_is_made_once_shown_with_its_counts_and_calls_back_when_a_member_dies(pool: PgPool) {
    let here = Installation::new(pool).await;
    let (router, key) = (here.router(), here.key("web-app").await);
    assert_eq!(post(&router, "cel_wrong", &import()).await.status, StatusCode::UNAUTHORIZED);

    let made = post(&router, &key, &import()).await;
    assert_eq!(made.status, StatusCode::ACCEPTED, "{}", made.text);
    assert_eq!(made.json(), json!({ "id": "import-7", "home": "reports", "members": 2, "rejected": 0, "duplicate": false }));
    assert_eq!(post(&router, &key, &import()).await.json()["duplicate"], true);

    here.bury("default", "no such row").await;
    let client = Client::new(here.connection.clone());
    Transfers::new(client, QueueName::default()).move_once().await.unwrap();
    let shown = show(&router, &key, "reports/import-7").await.json();
    assert_eq!((&shown["state"], &shown["pending"], &shown["dead"]), (&json!("running"), &json!(1), &json!(1)));
    assert_eq!(shown["pending_jobs"], json!([{ "queue": "slow", "id": "import-7.1" }]));
    assert!(shown["callbacks"][1]["called_at"].is_string(), "{shown}");
    assert_eq!(show(&router, &key, "reports/import-8").await.json()["error"]["code"], "no_such_batch");
    assert_eq!(show(&router, "cel_wrong", "reports/import-7").await.status, StatusCode::UNAUTHORIZED);

    let text = here.text(&["batch", "show", "import-7"]).await;
    for words in ["2: 1 pending, 0 finished, 1 failed", "1 dead", "report, not called", "alarm, enqueued", "import-7.1"] {
        assert!(text.contains(words), "{words:?} is not in\n{text}");
    }
    assert!(here.text(&["batch", "list"]).await.contains("import-7"));
    assert!(here.text(&["job", "show", "import-7.1"]).await.contains("import-7 (of queue reports)"));
    assert!(here.refusal(&["batch", "show", "import-8"]).await.contains("no batch import-8"));
    assert!(get(&router, "/metrics").await.text.contains("celeriac_queue_open_batches{queue=\"reports\"} 1"));
}

#[sqlx::test(migrator = "celeriac_migrations::MIGRATOR")]
async fn a_chain_and_a_batch_are_enqueued_once_over_http_or_by_command(pool: PgPool) {
    let here = Installation::new(pool).await;
    let (router, key) = (here.router(), here.key("web-app").await);
    let chain = json!({ "id": "letter-7", "jobs": [{ "job": "fetch", "args": { "page": 1 } }, { "job": "print", "queue": "slow" }] });
    let ask = async |key: &str, body: &Value| {
        let request = Request::post("/api/v1/chains").header("x-api-key", key).header("content-type", "application/json");
        send(&router, request.body(body.to_string().into()).unwrap()).await
    };
    assert_eq!(ask("cel_wrong", &chain).await.status, StatusCode::UNAUTHORIZED);
    let begun = ask(&key, &chain).await;
    assert_eq!(begun.status, StatusCode::ACCEPTED, "{}", begun.text);
    assert_eq!(begun.json()["links"], json!([["default", "letter-7"], ["slow", "letter-7+1"]]));
    let again = here.text(&["chain", &chain.to_string()]).await;
    assert!(again.contains("letter-7+1") && again.contains("nothing was enqueued"), "{again}");
    assert!(here.refusal(&["chain", r#"{"jobs": []}"#]).await.contains("0 links"));
    assert!(here.refusal(&["chain", r#"{"jobs": [}"#]).await.contains("not JSON"));

    assert!(here.text(&["batch", "enqueue", &import().to_string()]).await.contains("celeriac batch show import-7"));
    assert_eq!(post(&router, &key, &import()).await.json()["duplicate"], true);
    assert!(here.refusal(&["batch", "enqueue", r#"{"jobbs": []}"#]).await.contains("jobbs"));
    let moves = here.run(&["inspect", "stats"]).await.json["queues"].as_array().unwrap().clone();
    let enqueued: u64 = moves.iter().filter_map(|queue| queue["moves"]["enqueued"].as_u64()).sum();
    assert_eq!(enqueued, 3, "the first link, and two members");
}

#[sqlx::test(migrator = "celeriac_migrations::MIGRATOR")]
async fn what_cannot_be_kept_is_refused_in_words_and_nothing_is_enqueued(pool: PgPool) {
    let here = Installation::new(pool).await;
    let (router, key) = (here.router(), here.key("web-app").await);
    let job = json!({ "job": "read_row" });
    for (body, words) in [
        (json!({ "jobs": [{ "job": "read_row", "args": [1] }] }), "JSON object"),
        (json!({ "jobs": [{ "job": "read_row", "args": {}, "prioritty": 1 }] }), "prioritty"),
        (json!({ "jobs": [job], "on_done": { "job": "a", "queue": "one" }, "on_success": { "job": "b", "queue": "two" } }), "one queue"),
        (json!({ "jobs": [{ "job": "Read Row" }] }), "job name"),
    ] {
        let refused = post(&router, &key, &body).await;
        assert_eq!(refused.status, StatusCode::UNPROCESSABLE_ENTITY, "{}", refused.text);
        assert!(refused.text.contains(words), "{words:?} is not in {}", refused.text);
    }
    assert!(here.run(&["inspect", "stats"]).await.json["queues"].as_array().unwrap().is_empty());
}

#[sqlx::test(migrator = "celeriac_migrations::MIGRATOR")]
async fn an_end_that_nobody_moves_for_a_minute_is_seen_in_health_and_metrics(pool: PgPool) {
    let here = Installation::new(pool).await;
    let (router, key) = (here.router(), here.key("web-app").await);
    post(&router, &key, &import()).await;
    here.bury("default", "no such row").await;
    // As if that had been an hour ago.
    let keys = format!("{}:{{default}}:transfers", here.prefix);
    let mut line = redis::Client::open(here.redis_url.as_str()).unwrap().get_connection().unwrap();
    let entry: String = redis::cmd("HGET").arg(&keys).arg("end import-7.0").query(&mut line).unwrap();
    let mut head: Value = serde_json::from_str(entry.trim_end()).unwrap();
    head["at"] = json!(head["at"].as_f64().unwrap() - 3_600_000.0);
    redis::cmd("HSET").arg(&keys).arg("end import-7.0").arg(format!("{head}\n")).exec(&mut line).unwrap();

    let report = get(&router, "/health/?full=1").await.json();
    let queues = &report["checks"]["queues"];
    assert_eq!(queues["transfers"], 1, "{queues}");
    assert!(queues.to_string().contains("1 end of a job has waited for"), "{queues}");
    assert!(get(&router, "/metrics").await.text.contains("celeriac_queue_oldest_transfer_seconds{queue=\"default\"} 36"));
}
