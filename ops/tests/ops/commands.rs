//! The commands as a person at the shell sees them.

use axum::body::Body;
use axum::http::{Request, StatusCode};
use celeriac_queue::{Completion, Outcome, State};
use chrono::{SecondsFormat, TimeDelta, Utc};
use serde_json::json;
use sqlx::PgPool;

use crate::support::{Installation, plain, send};

#[sqlx::test(migrator = "celeriac_migrations::MIGRATOR")]
async fn queues_are_told_with_the_reason_of_a_pause(pool: PgPool) {
    let here = Installation::new(pool).await;
    here.run(&["enqueue", "process_document", "--args", r#"{"document_id": 1}"#, "--id", "a", "--at", "2100-01-01T00:00:00Z"]).await;
    here.run(&["enqueue", "process_document", "--args", r#"{"document_id": 2}"#, "--id", "b", "--in", "1h"]).await;
    assert!(here.text(&["queue", "pause", "documents", "--reason", "the key is refused"]).await.starts_with("documents is paused."));
    assert!(
        here.text(&["queue", "pause", "documents", "--reason", "another"]).await.contains("the key is refused"),
        "the first reason stands"
    );
    let list = here.text(&["queue", "list"]).await;
    insta::assert_snapshot!(without_moment(&list), @r"
    QUEUE      READY  OLDEST  SCHEDULED  RUNNING  DEAD  FINISHED  RETRIED  RECOVERED  STATE
    documents  0      –       2          0        0     0         0        0          paused

    documents is paused: the key is refused (by … at …). Resume it with: celeriac queue resume documents
    ");
    assert_eq!(here.run(&["inspect", "stats"]).await.json["queues"][0]["paused"]["reason"], "the key is refused");
    here.run(&["queue", "resume", "documents"]).await;
    let paused = here.text(&["queue", "pause", "documents", "--reason", "a short one", "--for", "30m"]).await;
    assert!(paused.starts_with("documents is paused until "), "{paused}");
    assert!(here.text(&["queue", "list"]).await.contains("It resumes by itself at "));
    assert!(here.text(&["inspect", "active"]).await.contains("a short one"), "whoever wonders why nothing runs is told");
    let stats = here.run(&["inspect", "stats"]).await.json;
    assert_eq!((stats["workers"].as_u64(), stats["queues"][0]["moves"]["enqueued"].as_u64()), (Some(0), Some(2)));
}

/// `(by …, 2026-…)` and ages differ from run to run.
fn without_moment(text: &str) -> String {
    let lines = text.lines().map(|line| match (line.find(" (by "), line.find("). Resume")) {
        (Some(from), Some(to)) => format!("{} (by … at …{}", &line[..from], &line[to..]),
        _ => line.to_owned(),
    });
    lines.collect::<Vec<_>>().join("\n")
}

#[sqlx::test(migrator = "celeriac_migrations::MIGRATOR")]
async fn a_dead_job_is_listed_shown_and_replayed(pool: PgPool) {
    let here = Installation::new(pool).await;
    assert_eq!(here.text(&["dead", "list"]).await, "No job is dead.");
    here.run(&["enqueue", "greet", "--id", "a"]).await;
    assert!(here.refusal(&["dead", "replay", "a"]).await.contains("it is ready"));
    here.bury("default", "The PDF is encrypted.").await;
    let dead = here.run(&["dead", "list"]).await.json;
    assert_eq!(
        (dead[0]["id"].as_str(), dead[0]["kind"].as_str(), dead[0]["reason"].as_str()),
        (Some("a"), Some("refused"), Some("The PDF is encrypted."))
    );
    assert!(here.text(&["job", "show", "a"]).await.contains("The PDF is encrypted."));
    assert_eq!(here.run(&["dead", "replay", "a"]).await.json["replayed"], 1);
    assert_eq!(here.run(&["job", "show", "a"]).await.json["state"], "ready");
    let again = here.run(&["job", "retry", "a"]).await;
    assert_eq!((again.exit_code, again.json["requeued"].as_bool()), (1, Some(false)), "a job that has not ended was repeated");
}

#[sqlx::test(migrator = "celeriac_migrations::MIGRATOR")]
async fn replaying_a_durable_job_opens_its_outbox_row_and_its_run_again(pool: PgPool) {
    let here = Installation::new(pool).await;
    sqlx::query("insert into celeriac.schedules (name, every_seconds, job) values ('nightly', 86400, 'greet')")
        .execute(&here.pool)
        .await
        .unwrap();
    let job_id = here.run(&["schedule", "run", "nightly"]).await.json["job_id"].as_str().unwrap().to_owned();
    // As the relay and a worker would: into Redis, dead, confirmed.
    here.run(&["enqueue", "greet", "--id", &job_id]).await;
    here.bury("default", "no").await;
    sqlx::query("select celeriac.confirm(array[$1], array['dead'], array['no'])").bind(&job_id).execute(&here.pool).await.unwrap();
    let open = async || -> (bool, bool) {
        sqlx::query_as(
            "select o.done_at is null, r.finished_at is null from celeriac.outbox o join celeriac.schedule_runs r on r.job_id = o.id",
        )
        .fetch_one(&here.pool)
        .await
        .unwrap()
    };
    assert_eq!(open().await, (false, false));
    here.run(&["dead", "replay", &job_id]).await;
    assert_eq!(open().await, (true, true));
}

#[sqlx::test(migrator = "celeriac_migrations::MIGRATOR")]
async fn waiting_returns_the_end_and_its_exit_code(pool: PgPool) {
    let here = Installation::new(pool).await;
    let worker = async |state: State| loop {
        let consumer = here.consumer("default");
        let Some(delivery) = consumer.claim(1, 0).await.unwrap().deliveries.pop() else {
            tokio::task::yield_now().await;
            continue;
        };
        match state {
            State::Finished => {
                let mut outcome = Outcome::new(State::Finished, 0);
                outcome.output = Some(json!("hello"));
                let outcome = serde_json::to_string(&outcome).unwrap();
                let done = Completion { id: delivery.id, token: delivery.token, keep_ms: 60_000, remember_ms: 0, outcome, next: None };
                consumer.complete(&[done]).await.unwrap();
            }
            _ => {
                consumer.bury(&delivery.id, &delivery.token, "refused", "no greeting today").await.unwrap();
            }
        }
        break;
    };
    let wait = ["enqueue", "greet", "--wait", "--timeout", "10s"];
    let (reply, ()) = tokio::join!(here.run(&wait), worker(State::Finished));
    assert_eq!((reply.exit_code, &reply.json["end"]["output"]), (0, &json!("hello")));
    let (reply, ()) = tokio::join!(here.run(&wait), worker(State::Dead));
    assert_eq!((reply.exit_code, reply.json["end"]["reason"].as_str()), (1, Some("no greeting today")));
    let late = here.refusal(&["enqueue", "greet", "--wait", "--timeout", "50ms"]).await;
    assert!(late.contains("has not ended"), "{late}");
}

#[sqlx::test(migrator = "celeriac_migrations::MIGRATOR")]
async fn waiting_for_a_durable_job_hears_its_confirmation(pool: PgPool) {
    let here = Installation::new(pool).await;
    let confirm = async {
        crate::support::eventually("the row is there", || async {
            let confirmed = sqlx::query("select celeriac.confirm(array[id], array['finished'], array[null]) from celeriac.outbox");
            confirmed.execute(&here.pool).await.unwrap().rows_affected() == 1
        })
        .await;
    };
    let (reply, ()) = tokio::join!(here.run(&["enqueue", "greet", "--durable", "--wait", "--timeout", "10s"]), confirm);
    assert_eq!(
        (reply.exit_code, reply.json["end"]["state"].as_str(), reply.json["safety"].as_str()),
        (0, Some("finished"), Some("outbox"))
    );
}

#[sqlx::test(migrator = "celeriac_migrations::MIGRATOR")]
async fn a_mistyped_job_is_enqueued_with_a_remark(pool: PgPool) {
    let here = Installation::new(pool).await;
    let reply = here.run(&["enqueue", "proces_document", "--id", "a"]).await;
    assert_eq!((plain(&reply).as_str(), reply.exit_code), ("Job a is ready in queue default.", 0));
    assert!(reply.notes.iter().any(|note| note.contains("did you mean process_document?")), "{:?}", reply.notes);
    assert!(here.run(&["enqueue", "process_document"]).await.notes.is_empty());
}

#[sqlx::test(migrator = "celeriac_migrations::MIGRATOR")]
async fn a_schedule_is_fired_by_hand_once_a_call_and_switched(pool: PgPool) {
    let here = Installation::new(pool).await;
    sqlx::query("insert into celeriac.schedules (name, cron, time_zone, job, next_at) values ('renewals', '0 3 * * *', 'America/New_York', 'process_renewals', now())")
        .execute(&here.pool)
        .await
        .unwrap();
    here.run(&["schedule", "run", "renewals"]).await;
    here.run(&["schedule", "run", "renewals"]).await;
    let runs = here.run(&["schedule", "history", "renewals"]).await.json;
    assert_eq!(runs.as_array().unwrap().len(), 2);
    assert_eq!((runs[0]["reason"].as_str(), runs[0]["outcome"].as_str()), (Some("by_hand"), None));
    let jobs: i64 =
        sqlx::query_scalar("select count(*) from celeriac.outbox where job = 'process_renewals'").fetch_one(&here.pool).await.unwrap();
    assert_eq!(jobs, 2);

    here.run(&["schedule", "disable", "renewals"]).await;
    let listed = here.run(&["schedule", "list"]).await;
    assert_eq!(
        (listed.json[0]["enabled"].as_bool(), listed.json[0]["source"].as_str(), listed.json[0]["next_at"].as_str()),
        (Some(false), Some("person"), None)
    );
    assert!(plain(&listed).contains("disabled") && plain(&listed).contains("0 3 * * * America/New_York"));
    assert!(here.refusal(&["schedule", "run", "renewal"]).await.contains("did you mean renewals?"));
}

#[sqlx::test(migrator = "celeriac_migrations::MIGRATOR")]
async fn migrations_are_listed_undone_and_applied(pool: PgPool) {
    let here = Installation::new(pool).await;
    let status = here.run(&["migrate", "status"]).await;
    assert_eq!(status.exit_code, 0);
    let count = status.json.as_array().unwrap().len();
    here.run(&["migrate", "down", "2"]).await;
    let behind = here.run(&["migrate", "status"]).await;
    let applied = behind.json.as_array().unwrap().iter().filter(|row| !row["applied_at"].is_null()).count();
    assert_eq!((behind.exit_code, applied), (1, count - 2));
    here.run(&["migrate", "up"]).await;
    assert_eq!(here.run(&["migrate", "status"]).await.exit_code, 0);
}

#[sqlx::test(migrator = "celeriac_migrations::MIGRATOR")]
async fn costs_are_summed_by_what_is_asked_for(pool: PgPool) {
    let here = Installation::new(pool).await;
    for (subject, user, job, cost) in
        [(1, 7, "process_document", 0.25), (2, 8, "decode_denial_letter", 0.5), (3, 7, "decode_denial_letter", 0.1)]
    {
        sqlx::query(
            "with call as (
                 insert into celeriac.paid_calls (subject_kind, subject_id, step, prompt_version, model, request_hash, state, job_id, job,
                        user_id, answer, input_tokens, output_tokens, cost_usd, settled_at, started_at)
                 values ('document', $1, 'analyze', '1', 'a-model', 'h', 'answered', 'j', $2, $3, 'a', 100, 10, $4::float8::numeric, now(),
                         now() - make_interval(days => case when $1 = 3 then 60 else 0 end))
                 returning *)
             insert into celeriac.paid_answers (call_id, number, paid_at, job, user_id, model, state, input_tokens, output_tokens, cost_usd)
             select id, 1, started_at, job, user_id, model, 'answered', input_tokens, output_tokens, cost_usd from call",
        )
        .bind(subject)
        .bind(job)
        .bind(user)
        .bind(cost)
        .execute(&here.pool)
        .await
        .unwrap();
    }
    let costs = here.run(&["costs"]).await;
    assert_eq!(
        (costs.json[0]["calls"].as_i64(), costs.json[0]["input_tokens"].as_i64(), costs.json[0]["cost_usd"].as_f64()),
        (Some(2), Some(200), Some(0.75))
    );
    assert!(plain(&costs).ends_with("Total: 0.7500 USD"));
    let by_user = here.run(&["costs", "--by", "user"]).await.json;
    assert_eq!((by_user[0]["user_id"].as_i64(), by_user[0]["cost_usd"].as_f64()), (Some(8), Some(0.5)), "the most expensive first");
    assert_eq!((by_user[1]["user_id"].as_i64(), by_user[1]["cost_usd"].as_f64()), (Some(7), Some(0.25)));
    let by_job = here.run(&["costs", "--by", "job", "--days", "90"]).await.json;
    assert_eq!((by_job[0]["job"].as_str(), by_job[0]["cost_usd"].as_f64()), (Some("decode_denial_letter"), Some(0.6)));
    let by_model = here.run(&["costs", "--by", "model", "--days", "90"]).await.json;
    assert_eq!(
        (by_model[0]["model"].as_str(), by_model[0]["calls"].as_i64(), by_model.as_array().unwrap().len()),
        (Some("a-model"), Some(3), 1)
    );

    let (router, key) = (here.router(), here.key("monitor").await);
    let asked = async |query: &str| {
        let request = Request::get(format!("/api/v1/costs{query}")).header("x-api-key", &key).body(Body::empty()).unwrap();
        send(&router, request).await
    };
    let week = asked("").await.json();
    assert_eq!(
        (&week["by"], week["cost_usd"].as_f64(), &week["rows"]),
        (&json!("day"), Some(0.75), &costs.json),
        "as the command tells it"
    );
    let all = asked("?by=job&since=2020-01-01").await.json();
    assert_eq!((all["cost_usd"].as_f64(), &all["rows"], &all["since"]), (Some(0.85), &by_job, &json!("2020-01-01T00:00:00Z")));
    let hour =
        asked(&format!("?by=user&since={}", (Utc::now() + TimeDelta::hours(1)).to_rfc3339_opts(SecondsFormat::Secs, true))).await.json();
    assert_eq!((hour["cost_usd"].as_f64(), &hour["rows"]), (Some(0.0), &json!([])), "what was before that moment");
    for (query, status, told) in [
        ("?since=yesterday", StatusCode::UNPROCESSABLE_ENTITY, "2026-11-01"),
        ("?by=colour", StatusCode::BAD_REQUEST, "colour"),
        ("?days=3", StatusCode::BAD_REQUEST, "days"),
    ] {
        let answer = asked(query).await;
        assert_eq!(answer.status, status, "{query}");
        assert!(answer.text.contains(told), "{}", answer.text);
    }
    let unsigned = send(&router, Request::get("/api/v1/costs").body(Body::empty()).unwrap()).await;
    assert_eq!(unsigned.status, StatusCode::UNAUTHORIZED);
}

#[sqlx::test(migrator = "celeriac_migrations::MIGRATOR")]
async fn a_spent_budget_shows_in_budget_costs_health_and_metrics(pool: PgPool) {
    let here = Installation::with(pool, &[("OPENAI_USD_PER_DAY", "0.50"), ("OPENAI_RPM", "300")]).await;
    let fresh = here.run(&["budget"]).await.json;
    assert_eq!((fresh["limits"]["rpm"].as_u64(), fresh["budgets"][0]["spent_usd"].as_f64()), (Some(300), Some(0.0)), "{fresh}");
    let model = async || crate::support::get(&here.router(), "/health/?full=1").await.json()["checks"]["model"].clone();
    assert_eq!(model().await["status"], "healthy");
    sqlx::query(
        "insert into celeriac.paid_answers (number, model, state, input_tokens, output_tokens, cost_usd)
         values (1, 'gpt-4.1-mini', 'answered', 1, 1, 0.625)",
    )
    .execute(&here.pool)
    .await
    .unwrap();
    let view = here.run(&["budget"]).await;
    assert_eq!(view.json["spent_today_usd"].as_f64(), Some(0.625));
    assert!(plain(&view).contains("OPENAI_USD_PER_DAY"), "{}", plain(&view));
    assert!(here.text(&["costs"]).await.contains("OPENAI_USD_PER_DAY: 0.6250 of 0.50 USD, renews "));
    let told = model().await;
    assert_eq!(
        (told["status"].as_str(), told["message"].as_str()),
        (Some("degraded"), Some("OPENAI_USD_PER_DAY is spent: it allows 0.50 USD"))
    );
    let metrics = crate::support::get(&here.router(), "/metrics").await.text;
    for line in [
        "celeriac_model_spent_usd{period=\"day\"} 0.625",
        "celeriac_model_budget_usd{period=\"day\"} 0.5",
        "celeriac_model_limit_rpm{model=\"gpt-4.1-mini\"} 300",
    ] {
        assert!(metrics.contains(line), "{line} in:\n{metrics}");
    }
}

#[sqlx::test(migrator = "celeriac_migrations::MIGRATOR")]
async fn finished_steps_are_listed_with_their_size_and_not_what_they_came_to(pool: PgPool) {
    let here = Installation::new(pool).await;
    here.run(&["enqueue", "greet", "--id", "a"]).await;
    let delivery = here.claim("default").await;
    let client = celeriac_queue::Client::new(here.connection.clone());
    let envelope = delivery.envelope.as_ref().unwrap();
    let (queue, stop) = (delivery.queue.clone(), tokio_util::sync::CancellationToken::new());
    let context = celeriac_queue::JobContext::new(client, queue, delivery.id.clone(), envelope, delivery.tries, 3, stop);
    let context = context.holding(&delivery.token);
    context.step("extract", async || Ok("the words of a letter".to_owned())).await.unwrap();
    let shown = here.text(&["job", "show", "a"]).await;
    assert!(shown.contains("FINISHED STEP") && shown.contains("extract") && shown.contains("23 B"), "{shown}");
    assert!(!shown.contains("letter"), "{shown}");
    let steps = &here.run(&["job", "show", "a"]).await.json["in_queue"]["steps"];
    assert_eq!((&steps[0]["name"], &steps[0]["bytes"], steps.as_array().unwrap().len()), (&json!("extract"), &json!(23), 1));
}
