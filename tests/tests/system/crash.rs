//! A worker is killed, or put to sleep, at each step of a document; another finishes it, once.

use celeriac_queue::{JobId, QueueName, State};
use celeriac_tests::{Process, Signal, System, SystemOptions, eventually, samples};

/// Every checkpoint of `process_document`, in its order, and those of the batches that its question may go into.
const CHECKPOINTS: [&str; 14] = [
    "documents.after_begin",
    "documents.page_recognized",
    "documents.page_stored",
    "documents.after_extract",
    "model.before_call",
    "model.after_answer",
    "model.after_call",
    "documents.before_commit",
    "documents.after_commit",
    "batches.uploaded",
    "batches.created",
    "batches.settled",
    "batches.read",
    "batches.withdrawn",
];

/// A worker that stops at `step` and waits there.
pub(crate) fn worker_stopping_at(system: &mut System, step: &str) -> Process {
    let folder = system.folder().join("checkpoints");
    for name in CHECKPOINTS {
        let go = folder.join(format!("{name}.go"));
        if name == step {
            let _ = std::fs::remove_file(go);
        } else {
            std::fs::write(go, b"").unwrap();
        }
    }
    let _ = std::fs::remove_file(folder.join(format!("{step}.reached")));
    system.set("CELERIAC_CHECKPOINT_DIR", folder.display().to_string());
    let worker = system.worker();
    system.environment.remove("CELERIAC_CHECKPOINT_DIR");
    worker
}

pub(crate) async fn reached(system: &System, step: &str) {
    let file = system.folder().join("checkpoints").join(format!("{step}.reached"));
    eventually(&format!("the worker at {step}"), || async { if file.exists() { Ok(()) } else { Err("not there") } }).await;
}

#[derive(Debug, PartialEq, sqlx::FromRow)]
struct Row {
    status: String,
    ai_summary: Option<String>,
    ai_tokens_used: Option<i32>,
    fence: i64,
    completed_at: Option<chrono::DateTime<chrono::Utc>>,
    error_message: Option<String>,
}

async fn row(system: &System, id: i64) -> Row {
    sqlx::query_as("select status, ai_summary, ai_tokens_used, fence, completed_at, error_message from celeriac.documents where id = $1")
        .bind(id)
        .fetch_one(&system.pool)
        .await
        .unwrap()
}

async fn in_status(system: &System, id: i64, status: &str) -> Row {
    eventually(&format!("document {id} {status}"), || async {
        let row = row(system, id).await;
        if row.status == status { Ok(row) } else { Err(row) }
    })
    .await
}

/// (documents counted as used, provider calls under the ledger key, of them unknown)
async fn counted(system: &System) -> (i64, i32, i32) {
    let used =
        sqlx::query_scalar("select used from celeriac.usage_counters where kind = 'documents'").fetch_one(&system.pool).await.unwrap();
    let sums = "select sum(calls)::int, sum(unknown_outcomes)::int from celeriac.paid_calls";
    let (calls, unknown) = sqlx::query_as(sums).fetch_one(&system.pool).await.unwrap();
    (used, calls, unknown)
}

/// Kills the worker at `step`, starts another, and checks that the document was completed once and that OpenAI was asked `requests` times.
async fn killed_at(step: &str, requests: u64, unknown: i32) {
    killed_over("denial_letter.pdf", step, requests, unknown).await;
}

async fn killed_over(sample: &str, step: &str, requests: u64, unknown: i32) {
    let mut system = System::start().await;
    let _scheduler = system.scheduler();
    system.consent(1).await;
    let worker = worker_stopping_at(&mut system, step);
    let id = system.upload(1, sample, &samples::bytes(sample)).await;
    reached(&system, step).await;
    worker.kill();
    let left = row(&system, id).await;
    assert_eq!(left.status == "completed", left.ai_summary.is_some(), "the crash left {left:?}");

    let _other = system.worker();
    in_status(&system, id, "completed").await;
    eventually("quiet", || system.is_quiet()).await;
    assert_eq!(system.openai.counters().requests, requests, "requests to OpenAI");
    let (used, calls, seen_unknown) = counted(&system).await;
    assert_eq!((used, seen_unknown), (1, unknown), "documents counted, unknown outcomes; {calls} calls");
    assert_eq!(system.leftovers().await, Vec::<String>::new());
    system.finish().await;
}

#[tokio::test]
async fn killed_after_the_claim_it_is_completed_once() {
    killed_at("documents.after_begin", 1, 0).await;
}

/// A photo is one page: one call reads it, one asks about it.
#[tokio::test]
async fn killed_before_a_recognized_page_is_stored_its_answer_is_found_in_the_ledger() {
    killed_over("letter_photo.jpg", "documents.page_recognized", 2, 0).await;
}

#[tokio::test]
async fn killed_after_a_recognized_page_is_stored_it_is_not_read_again() {
    killed_over("letter_photo.jpg", "documents.page_stored", 2, 0).await;
}

#[tokio::test]
async fn killed_after_extraction_it_is_completed_once() {
    killed_at("documents.after_extract", 1, 0).await;
}

#[tokio::test]
async fn killed_between_ledger_and_call_the_unknown_outcome_is_repeated_once() {
    killed_at("model.before_call", 1, 1).await;
}

#[tokio::test]
async fn killed_before_the_answer_is_committed_the_unknown_outcome_is_repeated_once() {
    killed_at("model.after_answer", 2, 1).await;
}

#[tokio::test]
async fn killed_after_the_answer_is_committed_nobody_pays_again() {
    killed_at("model.after_call", 1, 0).await;
}

#[tokio::test]
async fn killed_just_before_the_commit_nobody_pays_again() {
    killed_at("documents.before_commit", 1, 0).await;
}

#[tokio::test]
async fn killed_between_commit_and_acknowledgement_nothing_is_done_again() {
    killed_at("documents.after_commit", 1, 0).await;
}

#[tokio::test]
async fn killed_during_the_call_it_is_completed_once_and_counted_as_unknown() {
    let mut system = System::start().await;
    let _scheduler = system.scheduler();
    system.consent(1).await;
    system.openai.control(celeriac_ops::standin::openai::Control { latency_ms: Some(60_000), ..Default::default() });
    let worker = system.worker();
    let id = system.upload(1, "letter.pdf", &samples::bytes("denial_letter.pdf")).await;
    eventually("the call under way", || async { if system.openai.counters().in_flight == 1 { Ok(()) } else { Err("no call") } }).await;
    worker.kill();
    system.openai.control(celeriac_ops::standin::openai::Control { latency_ms: Some(0), ..Default::default() });

    let _other = system.worker();
    in_status(&system, id, "completed").await;
    eventually("quiet", || system.is_quiet()).await;
    assert_eq!(system.openai.counters().requests, 2);
    assert_eq!(counted(&system).await, (1, 2, 1));
    assert_eq!(system.leftovers().await, Vec::<String>::new());
    system.finish().await;
}

#[tokio::test]
async fn a_worker_that_slept_past_its_lease_writes_nothing_when_it_wakes() {
    let mut system = System::start().await;
    let _scheduler = system.scheduler();
    system.consent(1).await;
    let step = "documents.before_commit";
    let sleeper = worker_stopping_at(&mut system, step);
    let id = system.upload(1, "letter.pdf", &samples::bytes("denial_letter.pdf")).await;
    reached(&system, step).await;
    sleeper.signal(Signal::STOP);

    let _other = system.worker();
    let finished = in_status(&system, id, "completed").await;
    eventually("quiet", || system.is_quiet()).await;
    std::fs::write(system.folder().join("checkpoints").join(format!("{step}.go")), b"").unwrap();
    sleeper.signal(Signal::CONT);
    // Its end in good order is proof that whatever it would still write, it has written.
    sleeper.stop().await;
    assert_eq!(row(&system, id).await, finished, "the sleeper changed the row");
    assert_eq!(counted(&system).await.0, 1, "the document was counted twice");
    assert_eq!(system.openai.counters().requests, 1);
    assert_eq!(system.leftovers().await, Vec::<String>::new());
    system.finish().await;
}

#[tokio::test]
async fn a_document_that_kills_every_worker_is_failed_in_plain_words() {
    let mut system = System::with(SystemOptions::default()).await;
    let _scheduler = system.scheduler();
    system.consent(1).await;
    let id = system.upload(1, "letter.pdf", &samples::bytes("denial_letter.pdf")).await;
    let step = "documents.after_begin";
    for _ in 0..3 {
        let worker = worker_stopping_at(&mut system, step);
        reached(&system, step).await;
        worker.kill();
    }
    let _last = system.worker();
    let failed = in_status(&system, id, "failed").await;
    assert!(!failed.error_message.as_deref().unwrap_or_default().is_empty());
    eventually("quiet", || system.is_quiet()).await;
    let job =
        system.inspector().job(&QueueName::parse("documents").unwrap(), &JobId::parse(&format!("document-{id}")).unwrap()).await.unwrap();
    assert_eq!((job.state, job.outcome.unwrap().kind.as_deref()), (State::Dead, Some("poison")));
    assert_eq!(system.openai.counters().requests, 0);
    system.finish().await;
}
