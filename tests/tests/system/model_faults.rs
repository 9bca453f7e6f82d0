//! What the model's provider does wrong, seen from outside.

use celeriac_ops::standin::openai::{Control, Fault};
use celeriac_tests::{System, eventually, samples};

/// Uploads one document, lets the provider misbehave as scripted, and returns (status, message, requests made).
async fn one_document(faults: Vec<Fault>) -> (String, Option<String>, u64) {
    let mut system = System::start().await;
    system.openai.control(Control { next: faults, ..Control::default() });
    let (_scheduler, _worker) = (system.scheduler(), system.worker());
    system.consent(1).await;
    let id = system.upload(1, "letter.pdf", &samples::bytes("denial_letter.pdf")).await;
    let (status, message) = system.document_ended(id).await;
    eventually("quiet", || system.is_quiet()).await;
    let requests = system.openai.counters().requests;
    system.finish().await;
    (status, message, requests)
}

#[tokio::test]
async fn too_many_requests_and_server_errors_are_tried_again_until_they_are_over() {
    let faults = vec![Fault::RateLimited { retry_after: Some("1".into()) }, Fault::RateLimited { retry_after: None }, Fault::ServerError];
    let (status, message, requests) = one_document(faults).await;
    assert_eq!((status.as_str(), message, requests), ("completed", None, 4));
}

#[tokio::test]
async fn a_refusal_an_incomplete_answer_and_nonsense_end_in_sentences_of_their_own() {
    let ends = futures::future::join_all([
        one_document(vec![Fault::Refusal]),
        one_document(vec![Fault::Incomplete]),
        one_document(vec![Fault::InvalidJson; 4]),
    ])
    .await;
    let sentences: Vec<String> = ends.iter().map(|(_, message, _)| message.clone().unwrap_or_default()).collect();
    assert!(ends.iter().all(|(status, _, _)| status == "failed"), "{ends:?}");
    assert!(sentences.iter().all(|sentence| sentence.len() > 20), "{sentences:?}");
    assert!(sentences[0] != sentences[1] && sentences[1] != sentences[2] && sentences[0] != sentences[2], "{sentences:?}");
    assert_eq!((ends[0].2, ends[1].2), (1, 1), "a refusal or a cut answer was paid for again");
    assert!(ends[2].2 <= 2, "nonsense was bought {} times", ends[2].2);
}

/// How the queue of documents is paused, as soon as it is.
async fn paused(system: &System) -> serde_json::Value {
    eventually("the queue paused", || async {
        let (_, out, said) = system.celeriac(&["queue", "list", "--json"]).await;
        let queues: serde_json::Value = serde_json::from_str(&out).map_err(|_| said)?;
        let documents = queues.as_array().into_iter().flatten().find(|queue| queue["queue"] == "documents").cloned().unwrap_or_default();
        if documents["paused"].is_object() { Ok(documents["paused"].clone()) } else { Err(out) }
    })
    .await
}

#[tokio::test]
async fn a_refused_key_pauses_the_queue_until_a_worker_comes_with_another_and_burns_nothing() {
    let mut system = System::start().await;
    system.set("OPENAI_API_KEY", "sk-invalid");
    system.set("WORKER_CONCURRENCY", "2");
    let _scheduler = system.scheduler();
    let worker = system.worker();
    system.consent(1).await;
    for _ in 0..10 {
        system.upload(1, "letter.pdf", &samples::bytes("denial_letter.pdf")).await;
    }
    let paused = paused(&system).await;
    let reason = paused["reason"].as_str().unwrap();
    assert!(reason.contains("OPENAI_API_KEY"), "{reason}");
    assert!(!reason.contains("sk-invalid"), "the key was shown: {reason}");
    let asked = system.openai.counters().requests;
    assert!(asked <= 2, "{asked} calls for one wrong key");
    let (_, stats, _) = system.celeriac(&["inspect", "stats"]).await;
    assert!(stats.contains("OPENAI_API_KEY"), "inspect does not tell the reason:\n{stats}");
    worker.stop().await;

    system.set("OPENAI_API_KEY", "sk-good");
    // That is all: a worker that comes with another key lifts the pause.
    let _worker = system.worker();
    eventually("all completed", || async {
        let left: i64 = sqlx::query_scalar("select count(*) from celeriac.documents where status <> 'completed'")
            .fetch_one(&system.pool)
            .await
            .unwrap();
        if left == 0 { Ok(()) } else { Err(left) }
    })
    .await;
    system.finish().await;
}

#[tokio::test]
async fn a_spent_budget_pauses_the_queue_until_a_worker_comes_with_a_larger_one() {
    let mut system = System::start().await;
    system.set("OPENAI_USD_PER_DAY", "0.01");
    let _scheduler = system.scheduler();
    let worker = system.worker();
    system.consent(1).await;
    for _ in 0..10 {
        system.upload(1, "letter.pdf", &samples::bytes("denial_letter.pdf")).await;
    }
    let paused = paused(&system).await;
    let reason = paused["reason"].as_str().unwrap();
    assert!(reason.contains("OPENAI_USD_PER_DAY allows 0.01 USD a day"), "{reason}");
    assert!(paused["resume_at"].is_string(), "it does not resume with the next day: {paused}");
    let spent: f64 =
        sqlx::query_scalar("select coalesce(sum(cost_usd), 0)::float8 from celeriac.paid_answers").fetch_one(&system.pool).await.unwrap();
    assert!(spent <= 0.01, "{spent} USD were spent");
    worker.stop().await;

    system.set("OPENAI_USD_PER_DAY", "5");
    let _worker = system.worker();
    eventually("all completed", || async {
        let left: i64 = sqlx::query_scalar("select count(*) from celeriac.documents where status <> 'completed'")
            .fetch_one(&system.pool)
            .await
            .unwrap();
        if left == 0 { Ok(()) } else { Err(left) }
    })
    .await;
    system.finish().await;
}
