//! When the job is over without a result, the row says so, whoever ended it.

use celeriac_queue::{Outcome, State};
use sqlx::PgPool;

use crate::desk::{Desk, shown};
use crate::files::text_pdf;

#[sqlx::test(migrator = "celeriac_migrations::MIGRATOR")]
async fn a_job_that_ended_without_a_handler_leaves_a_plain_sentence(pool: PgPool) {
    let desk = Desk::new(pool).await;
    let cases = [
        (
            Outcome::new(State::Dead, 0).because("poison", "SIGKILL ×3"),
            "Processing this document stopped the worker several times, so it was given up.",
        ),
        (
            Outcome::new(State::Dead, 0).because("undecodable", "missing field"),
            "A technical problem kept this document from being processed.",
        ),
        (Outcome::new(State::Cancelled, 0).because("cancelled", "by ops"), "Processing was cancelled."),
        (Outcome::new(State::Expired, 0), "Processing did not begin in time and was given up."),
    ];
    for (outcome, sentence) in cases {
        let id = desk.add(&text_pdf(&["never read"])).await;
        desk.on_terminal(id, outcome.clone()).await;
        let row = desk.row(id).await;
        assert_eq!((row.status.as_str(), row.error_message.as_deref()), ("failed", Some(sentence)), "{outcome:?}");
        desk.on_terminal(id, outcome).await;
        assert_eq!(desk.row(id).await, row, "the second call changed the row");
    }
}

#[sqlx::test(migrator = "celeriac_migrations::MIGRATOR")]
async fn the_last_attempts_own_sentence_is_kept_and_a_completed_document_stays_completed(pool: PgPool) {
    let desk = Desk::new(pool).await;
    let broken = desk.add(b"%PDF-1.7 broken").await;
    let (_, reason) = shown(desk.run(broken).await);
    desk.on_terminal(broken, Outcome::new(State::Dead, 0).because("refused", reason)).await;
    let row = desk.row(broken).await;
    assert_eq!((row.status.as_str(), row.error_message.as_deref()), ("failed", Some("The file is damaged and cannot be read as a PDF.")));

    let healthy = desk.add(&text_pdf(&["A page with more than eight words so that it is text."])).await;
    desk.run(healthy).await.unwrap();
    let completed = desk.row(healthy).await;
    desk.on_terminal(healthy, Outcome::new(State::Dead, 0).because("poison", "late notice")).await;
    assert_eq!(desk.row(healthy).await, completed);
}
