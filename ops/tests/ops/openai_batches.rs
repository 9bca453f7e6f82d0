//! Batches at OpenAI as an operator sees them: `celeriac openai-batches`, `celeriac budget`, health and metrics.

use serde_json::{Value, json};
use sqlx::PgPool;

use crate::support::{Installation, get};

/// A batch that was created so many hours ago with one question, and what its last step came to.
async fn batch(pool: &PgPool, subject: i32, hours: i32, error: Option<&str>) {
    sqlx::query(
        "with call as (
             insert into celeriac.paid_calls (subject_kind, subject_id, step, prompt_version, model, request_hash, state, job_id, job, user_id)
             values ('document', $1, 'analyze', '1', 'gpt-4.1-mini', 'h', 'batched', 'j', 'process_document', 7) returning id),
         batch as (
             insert into celeriac.openai_batches (model, state, lines, provider_id, provider_status, error, created_at)
             values ('gpt-4.1-mini', 'running', 1, 'batch_abc', 'in_progress', $3, now() - make_interval(hours => $2)) returning id)
         insert into celeriac.batched_questions (call_id, number, batch_id, state, model, request_hash, request_bytes, ask_directly_at, queue,
                                                 job_id, may_cost_usd)
         select call.id, 1, batch.id, 'sent', 'gpt-4.1-mini', 'h', 10, now() + interval '1 hour', 'documents', 'j', 0.003 from call, batch",
    )
    .bind(subject)
    .bind(hours)
    .bind(error)
    .execute(pool)
    .await
    .unwrap();
}

async fn health(here: &Installation) -> Value {
    get(&here.router(), "/health/?full=1").await.json()["checks"]["openai_batches"].clone()
}

#[sqlx::test(migrator = "celeriac_migrations::MIGRATOR")]
async fn a_batch_that_should_be_done_with_is_told_with_what_went_wrong(pool: PgPool) {
    let here = Installation::new(pool).await;
    assert!(here.text(&["openai-batches"]).await.contains("No batch has been made yet."));
    batch(&here.pool, 1, 25, None).await;
    assert_eq!(health(&here).await["status"], "healthy", "the provider has a day, and an hour is granted");
    batch(&here.pool, 2, 27, Some("OpenAI answered 500")).await;
    let told = health(&here).await;
    assert_eq!((told["status"].as_str(), told["batches"].as_i64(), told["sent"].as_i64()), (Some("degraded"), Some(2), Some(2)), "{told}");
    let message = told["message"].as_str().unwrap();
    for part in ["a batch of questions to OpenAI is 1 d 3 h old", "OpenAI answered 500", "celeriac openai-batches"] {
        assert!(message.contains(part), "{part}: {message}");
    }

    let shown = here.run(&["openai-batches", "--limit", "1"]).await;
    let row = &shown.json["batches"][0];
    assert_eq!(
        (shown.json["batches"].as_array().unwrap().len(), &row["state"], &row["provider_status"]),
        (1, &json!("running"), &json!("in_progress"))
    );
    assert_eq!((&row["error"], &row["answered"], &row["not_answered"]), (&json!("OpenAI answered 500"), &json!(0), &json!(0)));
    let text = here.text(&["openai-batches"]).await;
    assert!(text.contains("OpenAI answered 500") && text.contains("0 questions wait for a batch."), "{text}");
    let metrics = get(&here.router(), "/metrics").await.text;
    for line in ["celeriac_openai_batches 2", "celeriac_openai_batched_questions{state=\"sent\"} 2"] {
        assert!(metrics.contains(line), "{line} in:\n{metrics}");
    }

    sqlx::query("update celeriac.batched_questions set state = 'answered', settled_at = now()").execute(&here.pool).await.unwrap();
    sqlx::query("update celeriac.openai_batches set state = 'cleaned'").execute(&here.pool).await.unwrap();
    assert_eq!(health(&here).await["status"], "healthy");
    assert_eq!(here.run(&["openai-batches"]).await.json["batches"][0]["answered"], 1);
}

#[sqlx::test(migrator = "celeriac_migrations::MIGRATOR")]
async fn a_question_that_nobody_puts_into_a_batch_is_told(pool: PgPool) {
    let here = Installation::new(pool).await;
    batch(&here.pool, 1, 0, None).await;
    let wait = async |minutes: i32| {
        sqlx::query(
            "update celeriac.batched_questions set state = 'waiting', batch_id = null, request = 'x', created_at = now() - make_interval(mins => $1)",
        )
        .bind(minutes)
        .execute(&here.pool)
        .await
        .unwrap();
        health(&here).await
    };
    assert_eq!(wait(14).await["status"], "healthy");
    let told = wait(16).await;
    assert_eq!((told["status"].as_str(), told["waiting"].as_i64()), (Some("degraded"), Some(1)));
    let message = told["message"].as_str().unwrap();
    assert!(message.contains("a question has waited 16 min for a batch") && message.contains("run_openai_batches"), "{message}");
    assert!(here.text(&["openai-batches"]).await.contains("1 question waits for a batch."));
}

#[sqlx::test(migrator = "celeriac_migrations::MIGRATOR")]
async fn what_batches_under_way_may_cost_is_told_with_the_budgets(pool: PgPool) {
    let here = Installation::new(pool).await;
    batch(&here.pool, 1, 1, None).await;
    batch(&here.pool, 2, 1, None).await;
    let in_batches = async || here.run(&["budget"]).await.json["in_batches_usd"].as_f64().unwrap();
    assert_eq!(in_batches().await, 0.006);
    assert!(here.text(&["budget"]).await.contains("may cost up to 0.0060 USD"));
    assert!(get(&here.router(), "/metrics").await.text.contains("celeriac_model_kept_back_usd{for=\"batches\"} 0.006"));
    // One that was withdrawn may be answered all the same until its batch has ended; one that was answered has its receipt.
    sqlx::query(
        "update celeriac.batched_questions set settled_at = now(), state = case when id = (select min(id) from celeriac.batched_questions)
         then 'withdrawn' else 'answered' end",
    )
    .execute(&here.pool)
    .await
    .unwrap();
    assert_eq!(in_batches().await, 0.003);
    sqlx::query("update celeriac.openai_batches set state = 'ended'").execute(&here.pool).await.unwrap();
    assert_eq!(in_batches().await, 0.0);
}
