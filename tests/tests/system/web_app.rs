//! A web app in Python uses the doors that the guide shows.

use std::collections::BTreeMap;
use std::path::Path;

use celeriac_tests::{System, eventually, samples};
use serde_json::Value;

async fn python(system: &System, arguments: &[&str], more: &BTreeMap<&str, String>) -> Value {
    let root = Path::new(env!("CARGO_MANIFEST_DIR")).join("..");
    let output = tokio::process::Command::new(root.join(".dev/python"))
        .arg(Path::new(env!("CARGO_MANIFEST_DIR")).join("python/web_app.py"))
        .args(arguments)
        .envs(&system.environment)
        .envs(more)
        .output()
        .await
        .expect(".dev/python is there: `make test` makes it");
    assert!(output.status.success(), "the web app failed:\n{}", String::from_utf8_lossy(&output.stderr));
    serde_json::from_slice(&output.stdout).expect("the web app prints JSON")
}

#[tokio::test]
async fn a_commit_runs_the_job_once_a_rollback_never_and_python_reads_the_result() {
    let mut system = System::start().await;
    let console = format!("127.0.0.1:{}", system.free_port());
    system.set("BIND", console.clone());
    let (_worker, _scheduler, _console) = (system.worker(), system.scheduler(), system.process("celeriac", &["serve"]));
    let url = format!("http://{console}/");
    eventually("the console", || async { reqwest::get(format!("{url}healthz/")).await?.error_for_status() }).await;
    let (created, key, said) = system.celeriac(&["key", "create", "web", "--json"]).await;
    assert!(created, "{said}");
    let key = serde_json::from_str::<Value>(&key).unwrap()["key"].as_str().unwrap().to_owned();

    let more = BTreeMap::from([("CONSOLE", url), ("API_KEY", key)]);
    let file = samples::path("denial_letter.pdf").display().to_string();
    let done = python(&system, &["enqueue", &file], &more).await;
    assert_eq!(done["first"][0], 202, "{done}");
    assert_eq!(done["first"][1]["safety"], "outbox", "{done}");
    assert_eq!((&done["second"][1]["duplicate"], &done["stranger"]), (&true.into(), &401.into()), "{done}");

    eventually("both documents completed", || async {
        let statuses: Vec<String> = sqlx::query_scalar("select status from celeriac.documents").fetch_all(&system.pool).await.unwrap();
        if statuses == ["completed", "completed"] { Ok(()) } else { Err(statuses) }
    })
    .await;
    eventually("quiet", || system.is_quiet()).await;
    let runs: Vec<(String, Option<String>)> =
        sqlx::query_as("select id, outcome from celeriac.outbox order by created_at").fetch_all(&system.pool).await.unwrap();
    assert_eq!(runs.len(), 2, "{runs:?}");
    assert!(!runs.iter().any(|(id, _)| id == done["rolled_back_job"].as_str().unwrap()), "the rolled back job ran");

    let read = python(&system, &["read"], &more).await;
    assert_eq!(read.as_object().unwrap().len(), 2);
    let summary = read[done["committed"].to_string()]["summary"].as_str().unwrap();
    assert!(!summary.is_empty());
    system.finish().await;
}
