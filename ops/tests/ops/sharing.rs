//! Keys, limits and unique keys: through HTTP, the command line, the page and the metrics.

use axum::Router;
use axum::body::Body;
use axum::http::{Method, Request, StatusCode};
use serde_json::{Value, json};
use sqlx::PgPool;

use crate::support::{Answer, Installation, get, send};

async fn ask(router: &Router, key: &str, method: Method, path: &str, body: Option<Value>) -> Answer {
    let request = Request::builder().method(method).uri(path).header("authorization", format!("Bearer {key}"));
    let request = request.header("content-type", "application/json");
    send(router, request.body(body.map_or_else(Body::empty, |body| Body::from(body.to_string()))).unwrap()).await
}

async fn post(router: &Router, key: &str, body: Value) -> Answer {
    ask(router, key, Method::POST, "/api/v1/jobs", Some(body)).await
}

#[sqlx::test(migrator = "celeriac_migrations::MIGRATOR")]
async fn an_enqueue_whose_unique_key_is_taken_is_told_by_whom(pool: PgPool) {
    let here = Installation::new(pool).await;
    let (router, key) = (here.router(), here.key("web-app").await);
    let body = |id: &str, conflict: &str| json!({ "job": "greet", "id": id, "durable": false, "key": "tenant-1", "unique": { "key": "k", "conflict": conflict } });
    let first = post(&router, &key, body("first", "reject")).await;
    assert_eq!((first.status, &first.json()["duplicate"]), (StatusCode::ACCEPTED, &json!(false)));
    for (conflict, replaced) in [("reject", false), ("replace", true)] {
        let again = post(&router, &key, body("again", conflict)).await.json();
        assert_eq!((&again["id"], &again["duplicate"], &again["replaced"]), (&json!("first"), &json!(true), &json!(replaced)));
    }
    // Another job may well have the same unique key: that is no conflict of ids.
    let other = json!({ "job": "farewell", "durable": false, "unique": { "key": "k" } });
    assert_eq!(post(&router, &key, other).await.json()["id"], "first");
    let told = here.text(&["enqueue", "greet", "--unique=k"]).await;
    assert!(told.starts_with("Job first has the unique key; nothing was enqueued."), "{told}");
    let told = here.text(&["enqueue", "greet", "--unique=k", "--on-conflict", "keep-last"]).await;
    assert!(told.starts_with("Job first has the unique key and still waits: it has taken over"), "{told}");

    let shown = here.text(&["job", "show", "first"]).await;
    assert!(shown.contains("tenant-1") && shown.contains("k while running (reject)"), "{shown}");
}

#[sqlx::test(migrator = "celeriac_migrations::MIGRATOR")]
async fn what_cannot_be_shared_by_is_refused_on_both_ways_in_the_words_of_the_queue(pool: PgPool) {
    let here = Installation::new(pool).await;
    let (router, key) = (here.router(), here.key("web-app").await);
    let mistakes = [
        (json!({ "key": "two words" }), "is not a key"),
        (json!({ "units": 0 }), "is not a number of units"),
        (json!({ "unique": { "key": "" } }), "is not a unique key"),
        (json!({ "unique": { "scope": "always" } }), "queued, running or period"),
        (json!({ "unique": { "scope": "queued", "period_seconds": 5 } }), "is not a unique scope"),
        (json!({ "unique": { "period_seconds": -1 } }), "is not a period"),
        (json!({ "unique": { "conflict": "merge" } }), "reject, replace or keep_last"),
        (json!({ "unique": { "kee": "k" } }), "unknown field"),
    ];
    for durable in [true, false] {
        for (mistake, sentence) in &mistakes {
            let mut body = mistake.clone();
            body["job"] = json!("greet");
            body["durable"] = json!(durable);
            let answer = post(&router, &key, body).await;
            assert_eq!(answer.status, StatusCode::UNPROCESSABLE_ENTITY, "{mistake}: {}", answer.text);
            assert!(answer.json()["error"]["message"].as_str().unwrap().contains(sentence), "{mistake}: {}", answer.text);
        }
    }
    let rows: i64 = sqlx::query_scalar("select count(*) from celeriac.outbox").fetch_one(&here.pool).await.unwrap();
    assert_eq!(rows, 0);
    assert!(here.refusal(&["enqueue", "greet", "--unique-for", "always"]).await.contains("queued, running or period"));
}

#[sqlx::test(migrator = "celeriac_migrations::MIGRATOR")]
async fn key_and_unique_key_are_written_into_the_outbox(pool: PgPool) {
    let here = Installation::new(pool).await;
    let (router, key) = (here.router(), here.key("web-app").await);
    let unique = json!({ "key": "k", "period_seconds": 90.5, "conflict": "keep_last" });
    post(&router, &key, json!({ "job": "greet", "id": "http", "key": "tenant-1", "units": 3, "unique": unique })).await;
    here.run(&["enqueue", "greet", "--durable", "--id", "cli", "--key", "tenant-2", "--unique", "--unique-for", "queued"]).await;
    type Row = (String, Option<String>, Option<i32>, Option<String>, Option<String>, Option<f64>, Option<String>);
    let rows: Vec<Row> = sqlx::query_as(
        "select id, key, units, unique_key, unique_scope, extract(epoch from unique_period)::float8, unique_conflict from celeriac.outbox order by id",
    )
    .fetch_all(&here.pool)
    .await
    .unwrap();
    let text = |text: &str| Some(text.to_owned());
    assert_eq!(rows[0], ("cli".into(), text("tenant-2"), None, None, text("queued"), None, text("reject")));
    assert_eq!(rows[1], ("http".into(), text("tenant-1"), Some(3), text("k"), text("period"), Some(90.5), text("keep_last")));
}

#[sqlx::test(migrator = "celeriac_migrations::MIGRATOR")]
async fn limits_are_set_shown_and_lifted_over_http_and_each_change_is_in_the_audit_log(pool: PgPool) {
    let here = Installation::new(pool).await;
    let (router, key) = (here.router(), here.key("web-app").await);
    let path = "/api/v1/queues/reports/limits";
    let limits =
        json!({ "concurrency": 4, "key_rate": { "units": 300.0, "per_ms": 60_000, "burst": 10.0 }, "keys": { "big": { "weight": 2.0 } } });
    let put = ask(&router, &key, Method::PUT, path, Some(limits.clone())).await;
    assert_eq!((put.status, put.json()), (StatusCode::OK, json!({ "queue": "reports", "limits": limits })));
    assert_eq!(ask(&router, &key, Method::GET, path, None).await.json()["limits"], limits);
    for (mistake, sentence) in [
        (json!({ "concurrency": 0 }), "to stop a queue, pause it"),
        (json!({ "rate": { "units": -1.0, "per_ms": 1_000 } }), "as in 300/min"),
        (json!({ "konkurrency": 1 }), "unknown field"),
        (json!({ "keys": { "a b": { "weight": 1.0 } } }), "is not a key"),
    ] {
        let refused = ask(&router, &key, Method::PUT, path, Some(mistake)).await;
        assert_eq!(refused.status, StatusCode::UNPROCESSABLE_ENTITY);
        assert!(refused.json()["error"]["message"].as_str().unwrap().contains(sentence), "{}", refused.text);
    }
    assert_eq!(ask(&router, &key, Method::GET, path, None).await.json()["limits"], limits, "a refused change was kept");
    assert_eq!(ask(&router, &key, Method::DELETE, path, None).await.json()["limits"], json!({}));
    assert_eq!(ask(&router, "wrong", Method::PUT, path, Some(limits)).await.status, StatusCode::UNAUTHORIZED);
    assert_eq!(ask(&router, &key, Method::GET, "/api/v1/queues/No%20Queue/limits", None).await.status, StatusCode::UNPROCESSABLE_ENTITY);
    let audit: Vec<(String, String)> =
        sqlx::query_as("select actor, target from celeriac.audit_log where action = 'limit'").fetch_all(&here.pool).await.unwrap();
    assert_eq!(audit.len(), 2, "{audit:?}");
    assert!(audit.iter().all(|(actor, target)| actor.contains("web-app") && target == "reports"), "{audit:?}");
}

#[sqlx::test(migrator = "celeriac_migrations::MIGRATOR")]
async fn a_queue_is_paused_for_a_time_and_resumed_over_http(pool: PgPool) {
    let here = Installation::new(pool).await;
    let (router, key) = (here.router(), here.key("web-app").await);
    let path = "/api/v1/queues/reports/pause";
    for (mistake, sentence) in [
        (json!({ "reason": " " }), "needs a reason"),
        (json!({ "reason": "why", "for_seconds": -1 }), "from 0 to 320000000"),
        (json!({ "reason": "why", "for_minutes": 1 }), "unknown field"),
    ] {
        let refused = ask(&router, &key, Method::PUT, path, Some(mistake)).await;
        assert_eq!(refused.status, StatusCode::UNPROCESSABLE_ENTITY);
        assert!(refused.text.contains(sentence), "{}", refused.text);
    }
    let paused = ask(&router, &key, Method::PUT, path, Some(json!({ "reason": "it is moved", "for_seconds": 1_800 }))).await.json();
    assert_eq!((&paused["changed"], &paused["paused"]["reason"]), (&json!(true), &json!("it is moved")));
    let moment = |name: &str| paused["paused"][name].as_str().unwrap().parse::<chrono::DateTime<chrono::Utc>>().unwrap();
    assert_eq!((moment("resume_at") - moment("at")).num_minutes(), 30);
    let again = ask(&router, &key, Method::PUT, path, Some(json!({ "reason": "another" }))).await.json();
    assert_eq!((&again["changed"], &again["paused"]["reason"]), (&json!(false), &json!("it is moved")));
    assert_eq!(ask(&router, "wrong", Method::DELETE, path, None).await.status, StatusCode::UNAUTHORIZED);
    assert_eq!(ask(&router, &key, Method::DELETE, path, None).await.json()["changed"], true);
    assert_eq!(ask(&router, &key, Method::DELETE, path, None).await.json()["changed"], false);
}

#[sqlx::test(migrator = "celeriac_migrations::MIGRATOR")]
async fn the_limit_command_changes_what_it_names_and_leaves_the_rest(pool: PgPool) {
    let here = Installation::new(pool).await;
    let limit = ["queue", "limit", "default"];
    let with = |more: &[&'static str]| limit.iter().copied().chain(more.iter().copied()).collect::<Vec<_>>();
    assert_eq!(here.text(&limit).await, "default has no limits.");
    assert!(here.refusal(&with(&["--burst", "5"])).await.contains("--rate"));
    here.run(&with(&["--concurrency", "7", "--rate", "300/min", "--weight", "a=b=2", "--key-limit", "a=b=3", "--weight", "c=9"])).await;
    here.run(&with(&["--burst", "20", "--key-concurrency", "1", "--weight", "c=none"])).await;
    insta::assert_snapshot!(here.text(&limit).await, @"
    default: at most 7 at once, 300/min burst 20; of a key at most 1 at once; 1 key by name.

    KEY  WEIGHT  AT ONCE
    a=b  2       3
    ");
    here.run(&with(&["--concurrency", "none"])).await;
    assert_eq!(here.run(&limit).await.json["limits"]["concurrency"], Value::Null);
    assert!(here.refusal(&with(&["--concurrency", "0"])).await.contains("to stop a queue, pause it"));
    assert_eq!(
        here.run(&with(&["--clear", "--key-rate", "10/s"])).await.json["limits"],
        json!({ "key_rate": { "units": 10.0, "per_ms": 1000, "burst": 10.0 } })
    );
    here.run(&with(&["--clear"])).await;
    assert_eq!(here.run(&limit).await.json["limits"], json!({}));
}

#[sqlx::test(migrator = "celeriac_migrations::MIGRATOR")]
async fn what_is_held_back_is_said_by_commands_page_api_and_metrics(pool: PgPool) {
    let here = Installation::new(pool).await;
    let (router, key) = (here.router(), here.key("web-app").await);
    here.run(&["queue", "limit", "default", "--concurrency", "2", "--key-concurrency", "1", "--rate", "60/min", "--burst", "100"]).await;
    for id in ["a1", "a2", "a3"] {
        here.run(&["enqueue", "greet", "--id", id, "--key", "<a>"]).await;
    }
    assert_eq!(here.consumer("default").claim(4, 0).await.unwrap().deliveries.len(), 1, "the key has only one job at once");
    assert!(here.run(&["queue", "list"]).await.json[0]["held_back"].is_null(), "other keys may go on");
    here.run(&["enqueue", "greet", "--id", "b1", "--key", "b"]).await;
    assert_eq!(here.consumer("default").claim(4, 0).await.unwrap().deliveries[0].id.as_str(), "b1");

    let list = here.run(&["queue", "list"]).await.json;
    assert_eq!((&list[0]["held_back"], &list[0]["keys_held_back"]), (&json!({ "limit": "concurrency" }), &json!(1)));
    let list = here.text(&["queue", "list"]).await;
    assert!(list.contains("held back") && list.contains("as many run as may at once. 1 key is at a limit"), "{list}");
    insta::assert_snapshot!(here.text(&["queue", "keys", "default"]).await, @"
    KEY  READY  RUNNING  WEIGHT  STATE
    <a>  2      1        1       held back until one of its jobs ends
    b    0      1        1       open
    ");
    let keys = ask(&router, &key, Method::GET, "/api/v1/queues/default/keys?limit=1", None).await.json();
    assert_eq!(keys["keys"], json!([{ "key": "<a>", "ready": 2, "running": 1, "weight": 1.0, "held_back": true }]));

    let page = get(&router, "/").await.text;
    for part in ["&#60;a&#62;", "held back", "at most 2 at once, 60/min burst 100; of a key at most 1 at once"] {
        assert!(page.contains(part), "{part} is not on the page:\n{page}");
    }
    let metrics = get(&router, "/metrics").await.text;
    for sample in [
        r#"celeriac_queue_held_back{queue="default"} 1"#,
        r#"celeriac_queue_keys_held_back{queue="default"} 1"#,
        r#"celeriac_queue_suspects{queue="default"} 0"#,
        r#"celeriac_queue_limit_concurrency{queue="default"} 2"#,
        r#"celeriac_queue_limit_units_per_second{queue="default"} 1"#,
        r#"celeriac_queue_limit_key_concurrency{queue="default"} 1"#,
        "celeriac_outbox_duplicates 0",
    ] {
        assert!(metrics.lines().any(|line| line == sample), "{sample} is not in:\n{metrics}");
    }
    assert!(!metrics.contains("key=\"") && !metrics.contains("celeriac_queue_limit_key_units_per_second{"), "{metrics}");
}

#[sqlx::test(migrator = "celeriac_migrations::MIGRATOR")]
async fn a_job_whose_worker_died_is_shown_as_a_suspect(pool: PgPool) {
    let here = Installation::new(pool).await;
    here.run(&["enqueue", "greet", "--id", "deadly"]).await;
    let short = celeriac_queue::LeaseConfig { lease: std::time::Duration::from_millis(50), ..celeriac_queue::LeaseConfig::default() };
    let queue = celeriac_queue::QueueName::default();
    let dying = celeriac_queue::Consumer::new(here.connection.clone(), queue.clone(), celeriac_queue::WorkerId::generate("dies"), short);
    assert_eq!(dying.claim(1, 0).await.unwrap().deliveries.len(), 1);
    // Another worker finds the lease run out; it has no free slot itself.
    crate::support::eventually("the lease runs out", || async {
        here.consumer("default").claim(0, 0).await.unwrap();
        here.run(&["job", "show", "deadly"]).await.json["state"] == "ready"
    })
    .await;
    assert!(here.text(&["job", "show", "deadly"]).await.contains("it is run alone"));
    assert!(here.text(&["queue", "list"]).await.contains("1 job waits to be run alone"));
    assert!(get(&here.router(), "/").await.text.contains("1 to be run alone, as a worker died while running it"));
    assert!(get(&here.router(), "/metrics").await.text.contains(r#"celeriac_queue_suspects{queue="default"} 1"#));
}
