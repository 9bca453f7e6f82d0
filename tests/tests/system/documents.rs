//! Documents from upload to their end, through every process.

use celeriac_queue::{JobId, QueueName};
use celeriac_tests::{System, eventually, samples};

fn documents() -> QueueName {
    QueueName::parse("documents").unwrap()
}

#[tokio::test]
async fn every_sample_ends_as_it_should_and_a_hopeless_one_is_tried_once() {
    let mut system = System::start().await;
    let (_scheduler, _worker) = (system.scheduler(), system.worker());
    system.consent(1).await;
    let expected = [
        ("denial_letter.pdf", "completed", ""),
        ("scanned_letter.pdf", "completed", ""),
        ("letter_photo.jpg", "completed", ""),
        ("statement.png", "completed", ""),
        ("fax.tiff", "completed", ""),
        ("broken.pdf", "failed", "damaged"),
        ("encrypted.pdf", "failed", "password"),
    ];
    let mut ids = Vec::new();
    for (name, _, _) in expected {
        ids.push(system.upload(1, name, &samples::bytes(name)).await);
    }
    for ((name, status, word), id) in expected.into_iter().zip(&ids) {
        let (seen, message) = system.document_ended(*id).await;
        assert_eq!(seen, status, "{name}: {message:?}");
        assert!(message.as_deref().unwrap_or_default().contains(word), "{name}: {message:?}");
    }
    eventually("quiet", || system.is_quiet()).await;
    for id in &ids[5..] {
        let job = system.inspector().job(&documents(), &JobId::parse(&format!("document-{id}")).unwrap()).await.unwrap();
        assert_eq!((job.tries.attempts, job.history.len()), (0, 1), "{job:?}");
    }
    // A scanned page has the text that the model read on it, and no text is kept.
    let lengths: Vec<(i32, i32)> =
        sqlx::query_as("select page_count, text_length from celeriac.documents where status = 'completed' order by id")
            .fetch_all(&system.pool)
            .await
            .unwrap();
    assert!(lengths[0].1 > 1_000, "{lengths:?}");
    assert!(lengths[1..].iter().all(|(pages, length)| *pages >= 1 && *length > 0), "{lengths:?}");
    let kept: i64 =
        sqlx::query_scalar("select count(*) from celeriac.document_pages where text is not null").fetch_one(&system.pool).await.unwrap();
    assert_eq!(kept, 0);
    assert_eq!(lengths[4].0, 3, "the TIFF has three pages");
    system.finish().await;
}

#[tokio::test]
async fn without_consent_a_document_is_failed_at_once_and_nobody_is_asked() {
    let mut system = System::start().await;
    let (_scheduler, _worker) = (system.scheduler(), system.worker());
    let id = system.upload(2, "letter.pdf", &samples::bytes("denial_letter.pdf")).await;
    let (status, message) = system.document_ended(id).await;
    assert_eq!(status, "failed");
    assert!(message.unwrap().to_lowercase().contains("agree"));
    assert_eq!(system.openai.counters().requests, 0);
    system.finish().await;
}

#[tokio::test]
async fn a_cancelled_document_stops_within_moments_and_says_so() {
    let mut system = System::start().await;
    let (_scheduler, _worker) = (system.scheduler(), system.worker());
    system.consent(1).await;
    system.openai.control(celeriac_ops::standin::openai::Control { latency_ms: Some(60_000), ..Default::default() });
    let id = system.upload(1, "letter.pdf", &samples::bytes("denial_letter.pdf")).await;
    eventually("the call under way", || async { if system.openai.counters().in_flight == 1 { Ok(()) } else { Err("no call") } }).await;
    let status: String =
        sqlx::query_scalar("select status from celeriac.documents where id = $1").bind(id).fetch_one(&system.pool).await.unwrap();
    assert_eq!(status, "analyzing");

    let (done, out, said) = system.celeriac(&["job", "cancel", &format!("document-{id}")]).await;
    assert!(done, "{out}{said}");
    let (status, message) = system.document_ended(id).await;
    assert_eq!(status, "failed");
    assert!(message.unwrap().to_lowercase().contains("cancel"));
    eventually("the call given up", || async { if system.openai.counters().in_flight == 0 { Ok(()) } else { Err("under way") } }).await;
    eventually("quiet", || system.is_quiet()).await;
    system.finish().await;
}

#[tokio::test]
async fn a_document_whose_deadline_passed_unrun_is_failed_unread() {
    let mut system = System::start().await;
    let _scheduler = system.scheduler();
    system.consent(1).await;
    sqlx::query("insert into celeriac.documents (id, user_id, file_path) values (1, 1, 'documents/user_1/gone.pdf')")
        .execute(&system.pool)
        .await
        .unwrap();
    sqlx::query("select celeriac.enqueue('process_document', '{\"document_id\": 1}', expires_at => now() - interval '1 second')")
        .execute(&system.pool)
        .await
        .unwrap();
    let _worker = system.worker();
    assert_eq!(system.document_ended(1).await.0, "failed");
    eventually("quiet", || system.is_quiet()).await;
    let outcome: Option<String> = sqlx::query_scalar("select outcome from celeriac.outbox").fetch_one(&system.pool).await.unwrap();
    assert_eq!(outcome.as_deref(), Some("expired"));
    system.finish().await;
}

#[tokio::test]
async fn the_command_line_adds_a_document_as_the_web_app_does() {
    let mut system = System::start().await;
    let (_scheduler, _worker) = (system.scheduler(), system.worker());
    let file = samples::path("denial_letter.pdf").display().to_string();
    let (done, out, said) = system.celeriac(&["document", "add", &file, "--user", "3", "--consent", "--json"]).await;
    assert!(done, "{said}");
    let id = serde_json::from_str::<serde_json::Value>(&out).unwrap()["document_id"].as_i64().unwrap_or_else(|| panic!("{out}"));
    assert_eq!(system.document_ended(id).await.0, "completed");
    let (_, shown, _) = system.celeriac(&["document", "show", &id.to_string()]).await;
    assert!(shown.contains("completed"), "{shown}");
    system.finish().await;
}
