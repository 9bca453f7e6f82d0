//! `POST /api/v1/jobs` and `GET /api/v1/jobs/{id}`.

use axum::Router;
use axum::body::Body;
use axum::http::{Request, StatusCode};
use celeriac_queue::{JobId, QueueName};
use serde_json::{Value, json};
use sqlx::PgPool;

use crate::support::{Answer, Installation, send};

async fn post(router: &Router, key: &str, body: impl Into<Body>) -> Answer {
    let request = Request::post("/api/v1/jobs").header("authorization", format!("Bearer {key}")).header("content-type", "application/json");
    send(router, request.body(body.into()).unwrap()).await
}

async fn show(router: &Router, key: &str, id: &str) -> Answer {
    send(router, Request::get(format!("/api/v1/jobs/{id}")).header("x-api-key", key).body(Body::empty()).unwrap()).await
}

async fn outbox_rows(pool: &PgPool) -> i64 {
    sqlx::query_scalar("select count(*) from celeriac.outbox").fetch_one(pool).await.unwrap()
}

#[sqlx::test(migrator = "celeriac_migrations::MIGRATOR")]
async fn nothing_is_accepted_without_a_living_key(pool: PgPool) {
    let here = Installation::new(pool).await;
    let router = here.router();
    let key = here.key("web-app").await;
    let body = json!({ "job": "greet" }).to_string();

    let unsigned = Request::post("/api/v1/jobs").header("content-type", "application/json").body(Body::from(body.clone())).unwrap();
    let answer = send(&router, unsigned).await;
    assert_eq!(answer.status, StatusCode::UNAUTHORIZED);
    assert_eq!(answer.header("www-authenticate"), "Bearer");
    for wrong in ["", "cel_wrong", &key[..key.len() - 1]] {
        assert_eq!(post(&router, wrong, body.clone()).await.status, StatusCode::UNAUTHORIZED, "{wrong:?} was let in");
        assert_eq!(show(&router, wrong, "x").await.status, StatusCode::UNAUTHORIZED, "{wrong:?} was let in");
    }
    assert_eq!(outbox_rows(&here.pool).await, 0);

    assert_eq!(post(&router, &key, body.clone()).await.status, StatusCode::ACCEPTED);
    here.run(&["key", "revoke", "web-app"]).await;
    assert_eq!(post(&router, &key, body).await.status, StatusCode::UNAUTHORIZED, "a revoked key was let in");
    assert_eq!(outbox_rows(&here.pool).await, 1);
}

#[sqlx::test(migrator = "celeriac_migrations::MIGRATOR")]
async fn a_key_is_stored_only_as_its_hash(pool: PgPool) {
    let here = Installation::new(pool).await;
    let key = here.key("web-app").await;
    let rows: Vec<String> = sqlx::query_scalar("select k::text from celeriac.api_keys k").fetch_all(&here.pool).await.unwrap();
    assert!(rows.len() == 1 && !rows[0].contains(&key), "{rows:?}");
    assert!(!here.text(&["key", "list"]).await.contains(&key));
    assert!(here.refusal(&["key", "create", "web-app"]).await.contains("already"));
}

#[sqlx::test(migrator = "celeriac_migrations::MIGRATOR")]
async fn a_job_is_durable_unless_said_otherwise_and_its_id_counts_once(pool: PgPool) {
    let here = Installation::new(pool).await;
    let (router, key) = (here.router(), here.key("web-app").await);
    let body = json!({ "job": "process_document", "args": { "document_id": 7 }, "id": "upload-7" }).to_string();

    let first = post(&router, &key, body.clone()).await;
    assert_eq!(first.status, StatusCode::ACCEPTED);
    let expected =
        json!({ "id": "upload-7", "queue": "documents", "state": "ready", "duplicate": false, "replaced": false, "safety": "outbox" });
    assert_eq!(first.json(), expected);
    assert_eq!(post(&router, &key, body).await.json()["duplicate"], true);
    assert_eq!(outbox_rows(&here.pool).await, 1);

    let other = json!({ "job": "process_document", "args": { "document_id": 8 }, "id": "upload-7" }).to_string();
    let conflict = post(&router, &key, other).await;
    assert_eq!((conflict.status, conflict.json()["error"]["code"].as_str()), (StatusCode::CONFLICT, Some("conflict")));

    let shown = show(&router, &key, "upload-7").await;
    assert_eq!((shown.status, shown.json()["state"].as_str()), (StatusCode::OK, Some("in outbox")));
    assert_eq!(shown.json()["in_outbox"]["origin"], "http");
}

#[sqlx::test(migrator = "celeriac_migrations::MIGRATOR")]
async fn a_job_that_need_not_be_durable_is_in_redis_at_once_with_its_request_id(pool: PgPool) {
    let here = Installation::new(pool).await;
    let (router, key) = (here.router(), here.key("web-app").await);
    let body = r#"{"job": "greet", "args": {"n": 1.0}, "durable": false, "id": "a/b@c", "queue": "greetings", "priority": 2}"#;
    let request = Request::post("/api/v1/jobs")
        .header("x-api-key", &key)
        .header("content-type", "application/json")
        .header("x-request-id", "web-request-42")
        .body(Body::from(body))
        .unwrap();
    let answer = send(&router, request).await;
    assert_eq!((answer.status, answer.json()["safety"].as_str()), (StatusCode::ACCEPTED, Some("redis")));
    assert_eq!(answer.header("x-request-id"), "web-request-42");
    assert_eq!(outbox_rows(&here.pool).await, 0);

    let delivery = here.claim("greetings").await;
    let envelope = delivery.envelope.unwrap();
    assert_eq!(envelope.request_id.as_deref(), Some("web-request-42"));
    assert_eq!(envelope.payload, br#"{"n": 1.0}"#, "the arguments were rewritten");
    assert_eq!(show(&router, &key, "a%2Fb@c").await.json()["state"], "running");
    assert_eq!(post(&router, &key, body.replace("greet\"", "farewell\"")).await.status, StatusCode::CONFLICT);
}

#[sqlx::test(migrator = "celeriac_migrations::MIGRATOR")]
async fn a_delay_is_kept_on_both_ways(pool: PgPool) {
    let here = Installation::new(pool).await;
    let (router, key) = (here.router(), here.key("web-app").await);
    for durable in [true, false] {
        let body = json!({ "job": "greet", "delay_seconds": 3600, "id": format!("later-{durable}"), "durable": durable }).to_string();
        assert_eq!(post(&router, &key, body).await.json()["state"], "scheduled", "durable: {durable}");
    }
    let due: f64 =
        sqlx::query_scalar("select extract(epoch from run_at - now())::float8 from celeriac.outbox").fetch_one(&here.pool).await.unwrap();
    assert!((3590.0..=3600.0).contains(&due), "due in {due} s");
    let queue = QueueName::default();
    let view = celeriac_queue::Inspector::new(here.connection.clone()).job(&queue, &JobId::parse("later-false").unwrap()).await.unwrap();
    let due = view.until.unwrap() - here.connection.time_ms().await.unwrap();
    assert!((3_590_000..=3_600_000).contains(&due), "due in {due} ms");
}

#[sqlx::test(migrator = "celeriac_migrations::MIGRATOR")]
async fn each_mistake_has_its_status_and_enqueues_nothing(pool: PgPool) {
    let here = Installation::new(pool).await;
    let (router, key) = (here.router(), here.key("web-app").await);
    let mistakes: [(Value, StatusCode); 11] = [
        (json!({ "args": {} }), StatusCode::UNPROCESSABLE_ENTITY),
        (json!({ "job": "greet", "prioritty": 1 }), StatusCode::UNPROCESSABLE_ENTITY),
        (json!({ "job": "greet", "args": [1] }), StatusCode::UNPROCESSABLE_ENTITY),
        (json!({ "job": "Greet Me" }), StatusCode::UNPROCESSABLE_ENTITY),
        (json!({ "job": "greet", "queue": "a}b" }), StatusCode::UNPROCESSABLE_ENTITY),
        (json!({ "job": "greet", "priority": 10 }), StatusCode::UNPROCESSABLE_ENTITY),
        (json!({ "job": "greet", "id": "with space" }), StatusCode::UNPROCESSABLE_ENTITY),
        (json!({ "job": "greet", "run_at": "tomorrow" }), StatusCode::UNPROCESSABLE_ENTITY),
        (json!({ "job": "greet", "delay_seconds": -1 }), StatusCode::UNPROCESSABLE_ENTITY),
        (json!({ "job": "greet", "delay_seconds": 1, "run_at": "2030-01-01T00:00:00Z" }), StatusCode::UNPROCESSABLE_ENTITY),
        (json!({ "job": "greet", "args": { "text": "x".repeat(1_000_001) } }), StatusCode::PAYLOAD_TOO_LARGE),
    ];
    for durable in [true, false] {
        for (mistake, status) in &mistakes {
            let mut body = mistake.clone();
            body["durable"] = json!(durable);
            let answer = post(&router, &key, body.to_string()).await;
            let start: String = answer.text.chars().take(200).collect();
            assert_eq!(answer.status, *status, "{start} for {}", mistake.to_string().chars().take(100).collect::<String>());
            assert!(answer.json()["error"]["message"].as_str().is_some_and(|message| message.len() > 10), "{start}");
        }
    }
    // PostgreSQL's jsonb cannot hold it; Redis can.
    let nul = json!({ "job": "greet", "args": { "text": "a\u{0}b" } }).to_string();
    assert_eq!(post(&router, &key, nul).await.status, StatusCode::UNPROCESSABLE_ENTITY);
    assert_eq!(post(&router, &key, "{\"job\": ").await.status, StatusCode::BAD_REQUEST);
    assert_eq!(post(&router, &key, "x".repeat(1_100_001)).await.status, StatusCode::PAYLOAD_TOO_LARGE);
    let untyped = Request::post("/api/v1/jobs").header("x-api-key", &key).body(Body::from("{}")).unwrap();
    assert_eq!(send(&router, untyped).await.status, StatusCode::UNSUPPORTED_MEDIA_TYPE);
    assert_eq!(show(&router, &key, "nobody").await.status, StatusCode::NOT_FOUND);
    let wrong_method = Request::get("/api/v1/jobs").header("x-api-key", &key).body(Body::empty()).unwrap();
    assert_eq!(send(&router, wrong_method).await.status, StatusCode::METHOD_NOT_ALLOWED);

    assert_eq!(outbox_rows(&here.pool).await, 0);
    assert_eq!(here.run(&["inspect", "reserved"]).await.json, json!([]));
}

#[sqlx::test(migrator = "celeriac_migrations::MIGRATOR")]
async fn a_store_that_is_away_is_told_without_its_address(pool: PgPool) {
    let here = Installation::new(pool).await;
    let key = here.key("web-app").await;
    let url = crate::support::database_url(&here.pool);
    let away = crate::support::stores("redis://user:hunter2@127.0.0.1:1/0", "gone", &url, &[]);
    let router = celeriac_ops::http::router(away, crate::support::LOOPBACK).unwrap();
    let answer = post(&router, &key, json!({ "job": "greet", "durable": false }).to_string()).await;
    assert_eq!(answer.status, StatusCode::SERVICE_UNAVAILABLE);
    assert!(!answer.text.contains("hunter2") && !answer.text.contains("127.0.0.1"), "{}", answer.text);
    assert_eq!(post(&router, &key, json!({ "job": "greet" }).to_string()).await.status, StatusCode::ACCEPTED, "the outbox needs no Redis");
}
