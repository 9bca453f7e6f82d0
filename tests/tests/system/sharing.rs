//! Keys, limits and unique keys across processes: SQL and HTTP in, several workers out.

use std::time::Duration;

use celeriac_queue::{EnqueueOptions, Policy};
use celeriac_tests::{Process, System, eventually};
use celeriac_worker::{Job, JobContext, JobResult, Registry, Worker};
use serde::{Deserialize, Serialize};
use serde_json::{Value, json};
use sqlx::PgPool;

/// Writes down when it ran, by the clock of PostgreSQL, and in which process.
#[derive(Serialize, Deserialize)]
struct Record {
    whose: String,
    hold_ms: u64,
}

impl Job for Record {
    const NAME: &'static str = "record";
    type State = PgPool;
    type Output = ();

    async fn run(self, pool: PgPool, _: JobContext) -> JobResult {
        let begin = sqlx::query_scalar("insert into runs (whose, process) values ($1, $2) returning id");
        let id: i64 = begin.bind(&self.whose).bind(i64::from(std::process::id())).fetch_one(&pool).await?;
        tokio::time::sleep(Duration::from_millis(self.hold_ms)).await;
        sqlx::query("update runs set ended = clock_timestamp() where id = $1").bind(id).execute(&pool).await?;
        Ok(())
    }
}

const WORKER_MARK: &str = "RECORDING_WORKER";

/// Not a test: the process that [`recording_worker`] starts.
#[tokio::test]
#[ignore = "it is started by the tests of this file, as a worker process"]
async fn worker_process() {
    if std::env::var_os(WORKER_MARK).is_none() {
        return;
    }
    let settings = celeriac_worker::settings().unwrap();
    let pool = PgPool::connect(&std::env::var("DATABASE_URL").unwrap()).await.unwrap();
    Worker::new(Registry::new().with::<Record>(pool), settings).run_until_stopped().await.unwrap();
}

fn recording_worker(system: &mut System) -> Process {
    system.set(WORKER_MARK, "yes");
    system.this_test("sharing::worker_process")
}

async fn system_with_runs() -> System {
    let mut system = System::start().await;
    system.set("WORKER_CONCURRENCY", "8");
    sqlx::raw_sql(
        "create table runs (id bigint generated always as identity, whose text, process bigint, begun timestamptz default clock_timestamp(), ended timestamptz)",
    )
    .execute(&system.pool)
    .await
    .unwrap();
    system
}

async fn runs_ended(system: &System, count: i64) {
    eventually(&format!("{count} runs"), || async {
        let ended: i64 = sqlx::query_scalar("select count(*) from runs where ended is not null").fetch_one(&system.pool).await.unwrap();
        if ended >= count { Ok(()) } else { Err(ended) }
    })
    .await;
}

#[tokio::test]
async fn limits_set_by_the_command_hold_over_two_worker_processes() {
    let mut system = system_with_runs().await;
    let words = ["queue", "limit", "default", "--rate", "20/s", "--burst", "1", "--key-concurrency", "1", "--key-limit", "big=2"];
    let (set, said, complaint) = system.celeriac(&words).await;
    assert!(set, "{said}{complaint}");

    let begun: f64 = sqlx::query_scalar("select extract(epoch from clock_timestamp())::float8").fetch_one(&system.pool).await.unwrap();
    let jobs = ["a", "b", "big"].into_iter().cycle().take(48).map(|whose| {
        let options = EnqueueOptions { key: Some(whose.to_owned()), ..EnqueueOptions::default() };
        ("record".to_owned(), json!({ "whose": whose, "hold_ms": 120 }).to_string().into_bytes(), options)
    });
    system.client.enqueue_many(&Policy::default().queue, jobs.collect(), &Policy::default()).await.unwrap();
    let workers = [recording_worker(&mut system), recording_worker(&mut system)];
    runs_ended(&system, 48).await;

    let most: Vec<(String, i64)> = sqlx::query_as(
        "select whose, max(beside) from (select r.whose, (select count(*) from runs o where o.whose = r.whose and o.begun <= r.begun and o.ended > r.begun) as beside
         from runs r) as counted group by whose order by whose",
    )
    .fetch_all(&system.pool)
    .await
    .unwrap();
    for ((whose, beside), allowed) in most.iter().zip([1, 1, 2]) {
        assert!(*beside <= allowed, "{beside} jobs of {whose} ran at once, {allowed} are allowed");
    }
    // One may begin at once, the other 47 in 20 a second: none can have begun earlier, however slow the machine.
    let last: f64 = sqlx::query_scalar("select extract(epoch from max(begun))::float8 from runs").fetch_one(&system.pool).await.unwrap();
    assert!(last - begun >= 47.0 / 20.0, "48 jobs began within {} s", last - begun);
    let processes: i64 = sqlx::query_scalar("select count(distinct process) from runs").fetch_one(&system.pool).await.unwrap();
    assert_eq!(processes, 2, "only one worker had work");
    for worker in workers {
        assert!(worker.stop().await.success());
    }
    system.finish().await;
}

#[tokio::test]
async fn a_unique_key_in_two_transactions_runs_once_and_http_carries_a_key() {
    let mut system = system_with_runs().await;
    let (mut first, mut second) = (system.pool.begin().await.unwrap(), system.pool.begin().await.unwrap());
    for (transaction, id) in [(&mut first, "first"), (&mut second, "second")] {
        sqlx::query(
            "select celeriac.enqueue('record', '{\"whose\": \"sql\", \"hold_ms\": 0}', id => $1, key => 'tenant-1', unique_key => 'report-7')",
        )
        .bind(id)
        .execute(&mut **transaction)
        .await
        .unwrap();
    }
    first.commit().await.unwrap();
    second.commit().await.unwrap();
    let _scheduler = system.scheduler();
    eventually("the end of the second", || async {
        let row: (Option<String>, Option<String>) =
            sqlx::query_as("select outcome, duplicate_of from celeriac.outbox where id = 'second'").fetch_one(&system.pool).await.unwrap();
        if row == (Some("duplicate".to_owned()), Some("first".to_owned())) { Ok(()) } else { Err(row) }
    })
    .await;

    let console = format!("127.0.0.1:{}", system.free_port());
    system.set("BIND", console.clone());
    let _console = system.process("celeriac", &["serve"]);
    let url = format!("http://{console}");
    eventually("the console", || async { reqwest::get(format!("{url}/healthz/")).await?.error_for_status() }).await;
    let (_, created, _) = system.celeriac(&["key", "create", "web", "--json"]).await;
    let api_key = serde_json::from_str::<Value>(&created).unwrap()["key"].as_str().unwrap().to_owned();
    let body = json!({
        "job": "record", "args": { "whose": "http", "hold_ms": 0 }, "id": "third", "key": "tenant-2", "units": 3, "unique": { "scope": "queued" },
    });
    let http = reqwest::Client::new();
    let answer = http.post(format!("{url}/api/v1/jobs")).bearer_auth(&api_key).json(&body).send().await.unwrap();
    assert_eq!(answer.status(), 202, "{}", answer.text().await.unwrap());
    let third = eventually("the third job in its queue", || async {
        let answer = http.get(format!("{url}/api/v1/jobs/third")).bearer_auth(&api_key).send().await.unwrap();
        let found: Value = answer.json().await.unwrap();
        if found["state"] == "ready" { Ok(found) } else { Err(found) }
    })
    .await;
    let told = &third["in_queue"];
    assert_eq!((&told["key"], &told["units"], &told["unique"]["scope"]), (&json!("tenant-2"), &json!(3), &json!("queued")), "{told}");

    let _worker = recording_worker(&mut system);
    eventually("quiet", || system.is_quiet()).await;
    let runs: Vec<String> = sqlx::query_scalar("select whose from runs order by whose").fetch_all(&system.pool).await.unwrap();
    assert_eq!(runs, ["http", "sql"]);
    system.finish().await;
}
