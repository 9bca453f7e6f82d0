//! Dead jobs from the shell and over HTTP: causes, replay at a rate, deletion.

use axum::Router;
use axum::body::Body;
use axum::http::{Method, Request, StatusCode};
use celeriac_queue::{Inspector, JobId, QueueName, State};
use serde_json::{Value, json};
use sqlx::PgPool;

use crate::support::{Answer, Installation, send};

const DEAD: &str = "/api/v1/queues/default/dead";

impl Installation {
    async fn dead(&self, id: &str, reason: &str) {
        self.run(&["enqueue", "greet", "--id", id]).await;
        self.bury("default", reason).await;
    }

    /// As a worker would that runs every open `on_terminal`.
    async fn tell_all(&self) {
        let worker = self.consumer("default");
        for notice in worker.claim(0, 500).await.unwrap().notices {
            worker.acknowledge(&notice).await.unwrap();
        }
    }

    async fn state(&self, id: &str) -> String {
        self.run(&["job", "show", id]).await.json["state"].as_str().unwrap().to_owned()
    }

    async fn due_in_ms(&self, id: &str) -> u64 {
        let view = Inspector::new(self.connection.clone()).job(&QueueName::default(), &JobId::parse(id).unwrap()).await.unwrap();
        assert_eq!(view.state, State::Scheduled, "{id}");
        view.until.unwrap().saturating_sub(self.connection.time_ms().await.unwrap())
    }
}

async fn call(router: &Router, key: &str, method: Method, path: &str, body: Option<Value>) -> Answer {
    let request = Request::builder().method(method).uri(path).header("x-api-key", key).header("content-type", "application/json");
    send(router, request.body(body.map_or(Body::empty(), |body| Body::from(body.to_string()))).unwrap()).await
}

async fn log(pool: &PgPool) -> Vec<(String, String, String, Value)> {
    let rows =
        sqlx::query_as("select actor, action, target, detail from celeriac.audit_log where action in ('replay', 'delete') order by id");
    rows.fetch_all(pool).await.unwrap()
}

#[sqlx::test(migrator = "celeriac_migrations::MIGRATOR")]
async fn dead_jobs_are_shown_by_cause(pool: PgPool) {
    let here = Installation::new(pool).await;
    assert_eq!(here.text(&["dead", "groups"]).await, "No job is dead.");
    here.dead("a", "timed out after 30s on document 17").await;
    here.dead("b", "the key was refused").await;
    here.dead("c", "timed out after 31s on document 4711").await;

    let groups = here.run(&["dead", "groups", "--queue", "default"]).await.json;
    assert_eq!(groups.as_array().unwrap().len(), 2, "{groups}");
    let slow = &groups[0];
    assert_eq!(
        (&slow["count"], &slow["job"], &slow["kind"], &slow["example"]),
        (&json!(2), &json!("greet"), &json!("refused"), &json!("c"))
    );
    let cause = slow["fingerprint"].as_str().unwrap();
    let listed = here.run(&["dead", "list", "--group", cause]).await.json;
    let ids: Vec<&str> = listed.as_array().unwrap().iter().map(|row| row["id"].as_str().unwrap()).collect();
    assert_eq!(ids, ["c", "a"]);
    assert_eq!(listed[0]["fingerprint"], cause);

    let shown = here.text(&["dead", "show", "a"]).await;
    assert!(
        shown.contains("timed out after 30s on document 17") && shown.contains(cause) && shown.contains("2 jobs of its queue"),
        "{shown}"
    );
    here.run(&["enqueue", "greet", "--id", "alive"]).await;
    assert!(here.refusal(&["dead", "show", "alive"]).await.contains("it is ready"));
    assert!(here.refusal(&["dead", "list", "--group", "nonsense"]).await.contains("12 hexadecimal digits"));
}

#[sqlx::test(migrator = "celeriac_migrations::MIGRATOR")]
async fn a_group_is_replayed_at_a_rate_after_a_canary(pool: PgPool) {
    let here = Installation::new(pool).await;
    for number in 1..=4 {
        here.dead(&format!("slow-{number}"), &format!("timed out after {number}s")).await;
    }
    here.dead("other", "the key was refused").await;
    let groups = here.run(&["dead", "groups"]).await.json;
    let cause = groups[0]["fingerprint"].as_str().unwrap();

    let dry = here.run(&["dead", "replay", "--group", cause, "--rate", "2/min", "--dry-run"]).await.json;
    assert_eq!((&dry["dry_run"], &dry["replayed"], &dry["last_due_in_seconds"]), (&json!(true), &json!(4), &json!(90.0)));
    assert_eq!(here.run(&["dead", "list"]).await.json.as_array().unwrap().len(), 5, "a dry run changed something");

    let canary = here.text(&["dead", "replay", "--group", cause, "--limit", "1"]).await;
    assert_eq!(canary, "1 job is ready again.\n3 more are left as they are.");
    assert_eq!(here.state("slow-1").await, "ready", "the oldest goes first");
    let rest = here.text(&["dead", "replay", "--group", cause, "--rate", "2/min"]).await;
    assert_eq!(rest, "3 jobs are scheduled, the first for now, the last for 1 min from now.");
    assert_eq!(here.state("slow-2").await, "ready");
    assert!((20_000..=30_000).contains(&here.due_in_ms("slow-3").await));
    assert!((50_000..=60_000).contains(&here.due_in_ms("slow-4").await));
    assert_eq!(here.state("other").await, "dead");
    assert_eq!(here.text(&["dead", "replay", "--group", cause]).await, "No job was dead; nothing was replayed.");

    let log = log(&here.pool).await;
    let targets: Vec<&str> = log.iter().map(|(_, _, target, _)| target.as_str()).collect();
    assert_eq!(targets, ["slow-1", "slow-2", "slow-3", "slow-4"]);
    assert_eq!(log[3].3, json!({ "queue": "default", "group": cause, "one_every_ms": 30_000 }));
}

#[sqlx::test(migrator = "celeriac_migrations::MIGRATOR")]
async fn more_than_some_hundred_are_not_replayed_at_once_by_accident(pool: PgPool) {
    let here = Installation::new(pool).await;
    let client = celeriac_queue::Client::new(here.connection.clone());
    let worker = here.consumer("default");
    for _ in 0..2 {
        let jobs = (0..260).map(|_| ("greet".to_owned(), b"{}".to_vec(), celeriac_queue::EnqueueOptions::default())).collect();
        client.enqueue_many(&QueueName::default(), jobs, &celeriac_queue::Policy::default()).await.unwrap();
        for delivery in worker.claim(260, 0).await.unwrap().deliveries {
            worker.bury(&delivery.id, &delivery.token, "failed", "no luck").await.unwrap();
        }
    }
    let refused = here.refusal(&["dead", "replay", "--all"]).await;
    assert!(refused.starts_with("520 jobs are more than the 500"), "{refused}");
    assert!(log(&here.pool).await.is_empty());
    let report = here.run(&["dead", "replay", "--all", "--rate", "100/s"]).await.json;
    assert_eq!((&report["replayed"], &report["last_due_in_seconds"]), (&json!(520), &json!(5.19)));
    assert_eq!(here.run(&["dead", "list"]).await.json, json!([]));
    assert_eq!(log(&here.pool).await.len(), 520);
}

#[sqlx::test(migrator = "celeriac_migrations::MIGRATOR")]
async fn dead_jobs_are_deleted_for_good_but_for_whom_a_worker_has_still_to_tell(pool: PgPool) {
    let here = Installation::new(pool).await;
    for id in ["a", "b", "c"] {
        here.dead(id, "no").await;
    }
    let early = here.run(&["dead", "delete", "a"]).await;
    assert_eq!((early.exit_code, &early.json["deleted"], &early.json["notice_open"]), (1, &json!(0), &json!(1)));
    here.tell_all().await;
    let unsure = here.refusal(&["dead", "delete", "--all"]).await;
    assert!(unsure.contains("3 dead jobs") && unsure.contains("--yes"), "{unsure}");
    assert_eq!(here.run(&["dead", "delete", "--all", "--dry-run"]).await.json["deleted"], 3);
    assert_eq!(here.run(&["dead", "list"]).await.json.as_array().unwrap().len(), 3, "something was deleted unasked");

    assert_eq!(here.text(&["dead", "delete", "a"]).await, "1 job is deleted.");
    assert!(here.refusal(&["job", "show", "a"]).await.contains("there is no job a"));
    assert_eq!(here.text(&["dead", "delete", "--all", "--yes", "--limit", "1"]).await, "1 job is deleted.\n1 more is left as they are.");
    here.run(&["enqueue", "greet", "--id", "alive"]).await;
    assert!(here.refusal(&["dead", "delete", "alive"]).await.contains("it is ready"));
    assert_eq!(here.run(&["stats"]).await.json["queues"][0]["moves"]["deleted"], 2);
    let log = log(&here.pool).await;
    let told: Vec<(&str, &str)> = log.iter().map(|(_, action, target, _)| (action.as_str(), target.as_str())).collect();
    assert_eq!(told, [("delete", "a"), ("delete", "b")]);
}

#[sqlx::test(migrator = "celeriac_migrations::MIGRATOR")]
async fn the_api_lists_replays_and_deletes_what_is_dead(pool: PgPool) {
    let here = Installation::new(pool).await;
    let (router, key) = (here.router(), here.key("web-app").await);
    for (id, reason) in [("a", "timed out after 1s"), ("b", "timed out after 2s"), ("c", "the key was refused"), ("d", "no")] {
        here.dead(id, reason).await;
    }
    here.tell_all().await;
    let listed = call(&router, &key, Method::GET, &format!("{DEAD}?limit=2"), None).await.json();
    assert_eq!((listed.as_array().unwrap().len(), &listed[0]["id"]), (2, &json!("d")));
    let groups = call(&router, &key, Method::GET, &format!("{DEAD}/groups"), None).await.json();
    let cause = groups[0]["fingerprint"].as_str().unwrap().to_owned();
    assert_eq!((groups.as_array().unwrap().len(), &groups[0]["count"]), (3, &json!(2)));
    assert_eq!(call(&router, &key, Method::GET, &format!("{DEAD}?group={cause}"), None).await.json()[0]["id"], "b");

    let replay = format!("{DEAD}/replay");
    let dry = json!({ "group": cause, "rate": "1/min", "dry_run": true });
    assert_eq!(call(&router, &key, Method::POST, &replay, Some(dry)).await.json()["last_due_in_seconds"], 60.0);
    let done = call(&router, &key, Method::POST, &replay, Some(json!({ "group": cause, "rate": "1/min" }))).await;
    assert_eq!((done.status, &done.json()["replayed"]), (StatusCode::OK, &json!(2)), "{}", done.text);
    assert_eq!((here.state("a").await.as_str(), here.state("b").await.as_str()), ("ready", "scheduled"));
    let again = call(&router, &key, Method::POST, &replay, Some(json!({ "id": "a" }))).await;
    assert_eq!((again.status, again.json()["error"]["code"].as_str()), (StatusCode::CONFLICT, Some("conflict")));

    let deleted = call(&router, &key, Method::DELETE, &format!("{DEAD}?id=c"), None).await;
    assert_eq!((deleted.status, &deleted.json()["deleted"]), (StatusCode::OK, &json!(1)), "{}", deleted.text);
    assert_eq!(call(&router, &key, Method::DELETE, &format!("{DEAD}?all=true"), None).await.json()["deleted"], 1);
    let log = log(&here.pool).await;
    let told: Vec<String> = log.iter().map(|(actor, action, target, _)| format!("{actor} {action} {target}")).collect();
    assert_eq!(told, ["key:web-app replay a", "key:web-app replay b", "key:web-app delete c", "key:web-app delete d"]);
}

#[sqlx::test(migrator = "celeriac_migrations::MIGRATOR")]
async fn each_mistake_of_a_caller_has_its_status_and_changes_nothing(pool: PgPool) {
    let here = Installation::new(pool).await;
    let (router, key) = (here.router(), here.key("web-app").await);
    here.dead("a", "no").await;
    here.tell_all().await;
    let replay = format!("{DEAD}/replay");
    let bodies = [
        json!({}),
        json!({ "all": true, "id": "a" }),
        json!({ "all": true, "rate": "fast" }),
        json!({ "group": "x" }),
        json!({ "al": true }),
    ];
    for body in bodies {
        let answer = call(&router, &key, Method::POST, &replay, Some(body.clone())).await;
        assert_eq!(answer.status, StatusCode::UNPROCESSABLE_ENTITY, "{body}: {}", answer.text);
    }
    assert_eq!(call(&router, &key, Method::DELETE, DEAD, None).await.status, StatusCode::UNPROCESSABLE_ENTITY, "nothing was named");
    assert_eq!(call(&router, &key, Method::DELETE, &format!("{DEAD}?al=true"), None).await.status, StatusCode::BAD_REQUEST);
    assert_eq!(call(&router, &key, Method::DELETE, &format!("{DEAD}?id=nobody"), None).await.status, StatusCode::NOT_FOUND);
    for (method, path) in [
        (Method::GET, "/api/v1/queues/defualt/dead"),
        (Method::GET, "/api/v1/queues/defualt/dead/groups"),
        (Method::GET, "/api/v1/queues/defualt/stats"),
        (Method::DELETE, "/api/v1/queues/defualt/dead?all=true"),
    ] {
        let answer = call(&router, &key, method.clone(), path, None).await;
        assert_eq!(
            (answer.status, answer.json()["error"]["code"].as_str()),
            (StatusCode::NOT_FOUND, Some("no_such_queue")),
            "{method} {path}"
        );
    }
    for (method, path) in [(Method::GET, DEAD), (Method::DELETE, "/api/v1/queues/default/dead?all=true"), (Method::GET, "/api/v1/stats")] {
        assert_eq!(call(&router, "cel_wrong", method.clone(), path, None).await.status, StatusCode::UNAUTHORIZED, "{method} {path}");
    }
    assert_eq!(call(&router, "cel_wrong", Method::POST, &replay, Some(json!({ "all": true }))).await.status, StatusCode::UNAUTHORIZED);
    assert_eq!(here.state("a").await, "dead");
    assert!(log(&here.pool).await.is_empty());
}
