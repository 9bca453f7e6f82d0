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

/// A page in hand, the file's piece under way, and what the allocator keeps of them. The harmful files ask for hundreds of times that.
#[cfg(target_os = "linux")]
const WORKER_GROWTH_KB_MAX: u64 = 24_000;

#[cfg(target_os = "linux")]
#[tokio::test]
async fn files_made_to_do_harm_end_by_themselves_and_the_worker_does_not_grow() {
    let mut system = System::start().await;
    for (name, value) in [("WORKER_CONCURRENCY", "2"), ("DOCUMENT_CHILD_MEMORY", "192000000"), ("DOCUMENT_BYTES_MAX", "2000000000")] {
        system.set(name, value);
    }
    let (_scheduler, mut worker) = (system.scheduler(), system.worker());
    system.consent(1).await;
    // What the first documents of a worker take once for all is not what the harmful ones take.
    for name in ["denial_letter.pdf", "scanned_letter.pdf"] {
        let id = system.upload(1, name, &samples::bytes(name)).await;
        assert_eq!(system.document_ended(id).await.0, "completed");
    }
    let (paused, _, said) = system.celeriac(&["queue", "pause", "documents", "--reason", "the files are being made"]).await;
    assert!(paused, "{said}");
    let expected = [
        ("corpus/flate_bomb.pdf", "failed", "unpacks to more than 512 MB; at most 128 MB"),
        ("corpus/page_loop.pdf", "completed", ""),
        ("corpus/vast_page.pdf", "completed", ""),
        ("corpus/huge.tiff", "failed", "The picture is 60000 × 60000 pixels large"),
        // Made 1 GB long below.
        ("corpus/loop.tiff", "failed", "needs more than the 192 MB of memory"),
    ];
    let mut ids = Vec::new();
    for (name, _, _) in expected {
        ids.push(system.upload(1, name, &samples::bytes(name)).await);
    }
    let path: String =
        sqlx::query_scalar("select file_path from celeriac.documents where id = $1").bind(ids[4]).fetch_one(&system.pool).await.unwrap();
    std::fs::File::options().write(true).open(system.media().join(path)).unwrap().set_len(1_000_000_000).unwrap();

    // From here on the most memory that the worker has is counted anew.
    std::fs::write(format!("/proc/{}/clear_refs", worker.id()), "5").unwrap();
    let before = peak_kb(worker.id());
    let (resumed, _, said) = system.celeriac(&["queue", "resume", "documents"]).await;
    assert!(resumed, "{said}");
    for ((name, status, words), id) in expected.into_iter().zip(ids) {
        let (seen, message) = system.document_ended(id).await;
        assert_eq!(seen, status, "{name}: {message:?}");
        assert!(message.as_deref().unwrap_or_default().contains(words), "{name}: {message:?}");
    }
    let grown = peak_kb(worker.id()).saturating_sub(before);
    assert!(grown < WORKER_GROWTH_KB_MAX, "the worker grew by {grown} kB from {before} kB");
    assert!(worker.has_ended().is_none(), "the worker ended");
    let next = system.upload(1, "denial_letter.pdf", &samples::bytes("denial_letter.pdf")).await;
    assert_eq!(system.document_ended(next).await.0, "completed");
    system.finish().await;
}

/// The most memory that a process has had.
#[cfg(target_os = "linux")]
fn peak_kb(id: u32) -> u64 {
    let status = std::fs::read_to_string(format!("/proc/{id}/status")).unwrap();
    let peak = status.lines().find_map(|line| line.strip_prefix("VmHWM:")).unwrap();
    peak.trim().trim_end_matches(" kB").parse().unwrap()
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
