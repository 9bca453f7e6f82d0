//! A job's own log, as people read it: by the command, by the API, and live.

use std::time::Duration;

use axum::body::Body;
use axum::http::{Request, StatusCode};
use celeriac_queue::{Client, Delivery, JobContext, Outcome, State};
use sqlx::PgPool;
use tokio_util::sync::CancellationToken;

use crate::support::{Installation, send};

/// A running job and what its body is handed.
async fn running(here: &Installation) -> (Delivery, JobContext) {
    here.run(&["enqueue", "greet", "--id", "a", "--queue", "greetings"]).await;
    let delivery = here.claim("greetings").await;
    let envelope = delivery.envelope.as_ref().unwrap();
    let client = Client::new(here.connection.clone());
    let (queue, id) = (delivery.queue.clone(), delivery.id.clone());
    let context = JobContext::new(client, queue, id, envelope, delivery.tries, 3, CancellationToken::new());
    (delivery, context)
}

async fn finish(here: &Installation, delivery: &Delivery) {
    let outcome = serde_json::to_string(&Outcome::new(State::Finished, 1)).unwrap();
    let completion = celeriac_queue::Completion {
        id: delivery.id.clone(),
        token: delivery.token.clone(),
        keep_ms: Duration::from_secs(60).as_millis() as u64,
        remember_ms: 0,
        outcome,
        next: None,
    };
    here.consumer("greetings").complete(&[completion]).await.unwrap();
}

#[sqlx::test(migrator = "celeriac_migrations::MIGRATOR")]
async fn the_command_shows_what_a_job_said_and_follows_it_to_its_end(pool: PgPool) {
    let here = Installation::new(pool).await;
    let (delivery, context) = running(&here).await;
    context.log("hello from the job").await;
    assert!(here.text(&["job", "log", "a"]).await.contains("hello from the job"));
    let following = here.run(&["job", "log", "a", "--follow"]);
    let (reply, ()) = tokio::join!(following, async {
        context.log("and good-bye").await;
        finish(&here, &delivery).await;
    });
    assert_eq!(reply.json["state"], "finished");
    assert!(here.text(&["job", "log", "a"]).await.contains("and good-bye"));
    assert!(here.refusal(&["job", "log", "nobody"]).await.contains("there is no job nobody"));
}

#[sqlx::test(migrator = "celeriac_migrations::MIGRATOR")]
async fn the_api_streams_the_log_to_the_end_of_the_job_and_only_to_who_has_a_key(pool: PgPool) {
    let here = Installation::new(pool).await;
    let (router, key) = (here.router(), here.key("web-app").await);
    let (delivery, context) = running(&here).await;
    context.log("before").await;
    let get = |path: &str, key: &str| Request::get(path).header("x-api-key", key).body(Body::empty()).unwrap();
    let lines = send(&router, get("/api/v1/jobs/a/log", &key)).await;
    assert_eq!((lines.status, lines.json()[0]["message"].as_str()), (StatusCode::OK, Some("before")));
    assert_eq!(send(&router, get("/api/v1/jobs/a/log", "ck_wrong")).await.status, StatusCode::UNAUTHORIZED);
    assert_eq!(send(&router, get("/api/v1/jobs/b/log", &key)).await.status, StatusCode::NOT_FOUND);

    let (live, ()) = tokio::join!(send(&router, get("/api/v1/jobs/a/log?follow=true", &key)), async {
        context.progress_of("extract", 50.0, "page 2").await;
        finish(&here, &delivery).await;
    });
    assert_eq!(live.header("content-type"), "text/event-stream");
    let (first, last) = (live.text.find("event: log").unwrap(), live.text.find("event: ended").unwrap());
    assert!(first < last && live.text.contains("before"), "{}", live.text);
}
