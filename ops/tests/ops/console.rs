//! The page at `/`.

use axum::body::Body;
use axum::http::{Request, StatusCode};
use celeriac_ops::http;
use sqlx::PgPool;

use crate::support::{Installation, LOOPBACK, get, send};

#[sqlx::test(migrator = "celeriac_migrations::MIGRATOR")]
async fn the_page_shows_pause_failure_and_progress_and_runs_nobodys_markup(pool: PgPool) {
    let here = Installation::new(pool).await;
    here.run(&["enqueue", "greet", "--id", "broken-1"]).await;
    here.bury("default", "<script>alert('x')</script> & co").await;
    let groups = here.run(&["dead", "groups"]).await.json;
    let cause = groups[0]["fingerprint"].as_str().unwrap();
    here.run(&["enqueue", "process_document", "--id", "running-1"]).await;
    let running = here.claim("documents").await;
    here.run(&["queue", "pause", "documents", "--reason", "OpenAI refused the key (401)"]).await;

    let page = get(&here.router(), "/").await;
    assert_eq!((page.status, page.header("content-type")), (StatusCode::OK, "text/html; charset=utf-8"));
    for part in ["broken-1", cause, running.id.as_str(), "OpenAI refused the key (401)", "celeriac queue resume documents"] {
        assert!(page.text.contains(part), "{part} is not on the page:\n{}", page.text);
    }
    assert!(!page.text.contains("-0.0000"), "nothing spent is shown as less than nothing");
    assert!(!page.text.contains("<script>alert"), "a job's error text became markup");
    assert!(page.text.contains("&#60;script&#62;alert"));
}

#[sqlx::test(migrator = "celeriac_migrations::MIGRATOR")]
async fn the_page_shows_what_the_model_has_cost_beside_its_budget(pool: PgPool) {
    sqlx::query(
        "insert into celeriac.paid_answers (number, model, state, input_tokens, output_tokens, cost_usd) values (1, 'm', 'answered', 1, 1, 1.25)",
    )
    .execute(&pool)
    .await
    .unwrap();
    let here = Installation::with(pool, &[("OPENAI_USD_PER_DAY", "2.5"), ("OPENAI_RPM", "300")]).await;
    let page = get(&here.router(), "/").await.text;
    for part in ["$1.2500 <span class=\"faint\">of $2.50", "0 <span class=\"faint\">of 300"] {
        assert!(page.contains(part), "{part} is not on the page:\n{page}");
    }
}

#[sqlx::test(migrator = "celeriac_migrations::MIGRATOR")]
async fn the_page_asks_nobody_else_for_anything(pool: PgPool) {
    let here = Installation::new(pool).await;
    let router = here.router();
    let page = get(&router, "/").await;
    assert!(page.header("content-security-policy").starts_with("default-src 'self';"));
    assert!(!page.text.contains("://"), "an address outside is on the page");
    for forbidden in ["style=\"", " onclick", "<script>"] {
        assert!(!page.text.contains(forbidden), "{forbidden} would be refused by the content policy");
    }
    for asset in ["/assets/console.css", "/assets/console.js", "/favicon.svg"] {
        assert!(page.text.contains(asset));
        assert_eq!(get(&router, asset).await.status, StatusCode::OK, "{asset}");
    }
}

#[sqlx::test(migrator = "celeriac_migrations::MIGRATOR")]
async fn who_may_see_it(pool: PgPool) {
    let open = Installation::new(pool.clone()).await;
    let strange = Request::get("/").header("host", "evil.example").body(Body::empty()).unwrap();
    assert_eq!(send(&open.router(), strange).await.status, StatusCode::FORBIDDEN, "a name rebound to loopback reads the console");

    let locked = Installation::with(pool, &[("CONSOLE_PASSWORD", "correct horse battery")]).await;
    let router = http::router(locked.stores.clone(), "0.0.0.0:5555".parse().unwrap()).unwrap();
    let asked = get(&router, "/").await;
    assert_eq!(asked.status, StatusCode::UNAUTHORIZED);
    assert!(asked.header("www-authenticate").starts_with("Basic "));
    // "ops:correct horse battery"
    let known = Request::get("/").header("authorization", "Basic b3BzOmNvcnJlY3QgaG9yc2UgYmF0dGVyeQ==").body(Body::empty()).unwrap();
    assert_eq!(send(&router, known).await.status, StatusCode::OK);
    assert_eq!(get(&router, "/healthz/").await.status, StatusCode::OK, "a monitor needs no password");
    assert!(http::router(open.stores.clone(), "0.0.0.0:5555".parse().unwrap()).is_err(), "an open address without a password was served");
    assert!(http::router(open.stores.clone(), LOOPBACK).is_ok());
}
