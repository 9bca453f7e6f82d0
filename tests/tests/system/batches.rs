//! A worker is killed at each step of a batch at the provider: nothing that was answered or created is paid for twice, nothing is lost.

use std::time::{Duration, Instant};

use celeriac_jobs::batching::RunOpenaiBatches;
use celeriac_jobs::documents::ProcessDocument;
use celeriac_ops::standin::openai::{BatchLatency, Control};
use celeriac_queue::{EnqueueOptions, JobId, QueueName};
use celeriac_tests::{System, eventually, samples};
use chrono::{TimeDelta, Utc};

use crate::crash::{reached, worker_stopping_at};

const PATIENCE: Duration = Duration::from_secs(120);

/// An installation with a budget, so that money is kept back on the way.
async fn installation() -> System {
    let mut system = System::start().await;
    system.set("OPENAI_USD_PER_DAY", "1");
    system.set("OPENAI_BATCH_MARGIN", "1s");
    system.consent(1).await;
    system
}

/// A document that has three hours, whose question waits for a batch.
async fn waiting(system: &System) -> i64 {
    let path = system.media().join("documents/user_1/letter.pdf");
    std::fs::create_dir_all(path.parent().unwrap()).unwrap();
    std::fs::write(&path, samples::bytes("denial_letter.pdf")).unwrap();
    let insert = "insert into celeriac.documents (user_id, file_path) values (1, 'documents/user_1/letter.pdf') returning id";
    let id: i64 = sqlx::query_scalar(insert).fetch_one(&system.pool).await.unwrap();
    let job = ProcessDocument { document_id: id, deadline: Some(Utc::now() + TimeDelta::hours(3)) };
    let options = EnqueueOptions { id: Some(job_id(id)), ..EnqueueOptions::default() };
    system.client.enqueue_with(&job, options).await.unwrap();
    eventually("the question is put aside", || async {
        let state: Option<String> = question(system).await;
        if state.as_deref() == Some("waiting") { Ok(()) } else { Err(state) }
    })
    .await;
    id
}

fn job_id(document: i64) -> JobId {
    JobId::parse(&format!("document-{document}")).unwrap()
}

async fn question(system: &System) -> Option<String> {
    sqlx::query_scalar("select state from celeriac.batched_questions").fetch_optional(&system.pool).await.unwrap()
}

/// As the schedule does every minute. Returns when that run has ended.
async fn run_batches(system: &System) {
    let run = system.client.enqueue(&RunOpenaiBatches {}).await.unwrap();
    system.client.wait(&run.queue, &run.id, PATIENCE).await.unwrap();
}

async fn until_completed(system: &System, document: i64) {
    let began = Instant::now();
    loop {
        run_batches(system).await;
        let status: String =
            sqlx::query_scalar("select status from celeriac.documents where id = $1").bind(document).fetch_one(&system.pool).await.unwrap();
        if status == "completed" {
            return;
        }
        assert!(began.elapsed() < PATIENCE, "the document is still {status}");
    }
}

/// (times somebody began to create the batch, calls, unknown outcomes, receipts, of them from batches)
async fn counted(system: &System) -> (i32, i32, i32, i64, i64) {
    sqlx::query_as(
        "select (select sum(attempts)::int from celeriac.openai_batches), (select sum(calls)::int from celeriac.paid_calls),
                (select sum(unknown_outcomes)::int from celeriac.paid_calls),
                (select count(*) from celeriac.paid_answers), (select count(*) from celeriac.paid_answers where batched)",
    )
    .fetch_one(&system.pool)
    .await
    .unwrap()
}

/// Kills the worker at a step of the batch; others carry on. One batch is created, one question answered and paid for, once.
async fn killed_at(step: &str, attempts: i32) {
    let mut system = installation().await;
    let worker = worker_stopping_at(&mut system, step);
    let document = waiting(&system).await;
    // The first run sends what waits, the second fetches the answers; whichever comes to the step does not end.
    for _ in 0..2 {
        let run = system.client.enqueue(&RunOpenaiBatches {}).await.unwrap();
        let ended = system.client.wait(&run.queue, &run.id, PATIENCE);
        tokio::select! {
            outcome = ended => { outcome.unwrap(); }
            () = reached(&system, step) => break,
        }
    }
    reached(&system, step).await;
    worker.kill();

    let _other = system.worker();
    until_completed(&system, document).await;
    run_batches(&system).await;
    eventually("quiet", || system.is_quiet()).await;
    assert_eq!(counted(&system).await, (attempts, 1, 0, 1, 1), "attempts, calls, unknown outcomes, receipts, of them from batches");
    let counters = system.openai.counters();
    assert_eq!(
        (counters.batches, counters.batch_answers["document_analysis"], counters.requests),
        (1, 1, 0),
        "created, answered, asked directly"
    );
    assert_eq!(counters.files, 0, "health data is left at the provider");
    assert_eq!(system.leftovers().await, Vec::<String>::new());
    system.finish().await;
}

#[tokio::test]
async fn killed_after_the_upload_the_file_nobody_knows_of_is_deleted_and_the_second_upload_counted() {
    killed_at("batches.uploaded", 2).await;
}

#[tokio::test]
async fn killed_after_the_creation_the_batch_is_found_and_not_created_again() {
    killed_at("batches.created", 1).await;
}

#[tokio::test]
async fn killed_after_an_answer_is_settled_it_is_settled_once() {
    killed_at("batches.settled", 1).await;
}

#[tokio::test]
async fn killed_before_the_batch_is_ended_it_is_ended_by_the_next_run() {
    killed_at("batches.read", 1).await;
}

#[tokio::test]
async fn killed_after_a_withdrawal_the_question_is_asked_directly_once_and_its_late_answer_counted() {
    let mut system = installation().await;
    let step = "batches.withdrawn";
    system.openai.control(Control { batch_latency_ms: Some(BatchLatency::Never), ..Control::default() });
    let worker = worker_stopping_at(&mut system, step);
    let document = waiting(&system).await;
    run_batches(&system).await;
    assert_eq!(question(&system).await.as_deref(), Some("sent"));
    sqlx::query("update celeriac.batched_questions set ask_directly_at = now()").execute(&system.pool).await.unwrap();
    system.client.hasten(&QueueName::parse("documents").unwrap(), &job_id(document)).await.unwrap();
    reached(&system, step).await;
    worker.kill();

    let _other = system.worker();
    until_completed(&system, document).await;
    assert_eq!(system.openai.counters().requests, 1);
    system.openai.control(Control { batch_latency_ms: Some(BatchLatency::After(Duration::ZERO)), ..Control::default() });
    run_batches(&system).await;
    run_batches(&system).await;
    eventually("quiet", || system.is_quiet()).await;
    let (attempts, calls, unknown, receipts, batched) = counted(&system).await;
    assert_eq!((attempts, calls, unknown), (1, 2, 0));
    let answered = system.openai.counters().batch_answers.get("document_analysis").copied().unwrap_or_default();
    assert_eq!((receipts - batched, batched.unsigned_abs()), (1, answered), "every answer has its receipt");
    assert_eq!((system.openai.counters().requests, system.openai.counters().files), (1, 0));
    system.finish().await;
}
