//! A worker is killed at each step of the mail that a completed document leads to: nobody is written to twice.

use celeriac_ops::standin::smtp::{Options, SmtpStub};
use celeriac_tests::{System, eventually, samples};

/// Every checkpoint of a document and its mail.
const CHECKPOINTS: [&str; 10] = [
    "documents.after_begin",
    "documents.after_extract",
    "model.before_call",
    "model.after_answer",
    "model.after_call",
    "documents.before_commit",
    "documents.after_commit",
    "mail.before_row",
    "mail.before_text",
    "mail.after_text",
];

async fn with_mail() -> (System, SmtpStub) {
    let mut system = System::start().await;
    let mail = SmtpStub::start(Options::default()).await.unwrap();
    for (name, value) in [
        ("EMAIL_HOST", "127.0.0.1"),
        ("EMAIL_PORT", mail.port().to_string().as_str()),
        ("DEFAULT_FROM_EMAIL", "no-reply@example.org"),
        ("SITE_URL", "https://app.example"),
    ] {
        system.set(name, value);
    }
    system.consent(1).await;
    sqlx::query("insert into celeriac.recipients (user_id, email) values (1, 'ada@example.org')").execute(&system.pool).await.unwrap();
    (system, mail)
}

/// Kills the worker at `step`, starts another, and checks what became of the mail: its state, and how often the server was given it.
async fn killed_at(step: &str, state: &str, given: usize) {
    let (mut system, mail) = with_mail().await;
    let folder = system.folder().join("checkpoints");
    std::fs::create_dir_all(&folder).unwrap();
    for name in CHECKPOINTS.iter().filter(|name| **name != step) {
        std::fs::write(folder.join(format!("{name}.go")), b"").unwrap();
    }
    let _scheduler = system.scheduler();
    system.set("CELERIAC_CHECKPOINT_DIR", folder.display().to_string());
    let worker = system.worker();
    system.environment.remove("CELERIAC_CHECKPOINT_DIR");
    system.upload(1, "letter.pdf", &samples::bytes("denial_letter.pdf")).await;
    let reached = folder.join(format!("{step}.reached"));
    eventually(&format!("the worker at {step}"), || async { if reached.exists() { Ok(()) } else { Err("not there") } }).await;
    worker.kill();

    let _other = system.worker();
    eventually("quiet", || system.is_quiet()).await;
    let states: Vec<String> = sqlx::query_scalar("select state from celeriac.sent_mails").fetch_all(&system.pool).await.unwrap();
    assert_eq!((states, mail.counters().mails.len()), (vec![state.to_owned()], given), "{step}");
    system.finish().await;
}

#[tokio::test]
async fn killed_before_its_row_is_committed_the_mail_is_sent_by_the_next_worker() {
    killed_at("mail.before_row", "sent", 1).await;
}

#[tokio::test]
async fn killed_before_the_text_the_mail_is_not_sent_as_nobody_can_know() {
    killed_at("mail.before_text", "unknown", 0).await;
}

#[tokio::test]
async fn killed_after_the_text_the_mail_is_not_sent_again() {
    killed_at("mail.after_text", "unknown", 1).await;
}
