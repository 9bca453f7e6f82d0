//! The rarer ways a call can end, each told apart in the queue, for the user and in the ledger.

use std::time::Duration;

use celeriac_jobs::admission::{Admission, Limits};
use celeriac_jobs::crypt::FieldKeys;
use celeriac_jobs::gateway::Gateway;
use celeriac_jobs::ledger::Ledger;
use celeriac_jobs::openai::{OpenAi, OpenAiConfig, Prices};
use celeriac_ops::standin::openai::{Control, Fault};
use sqlx::PgPool;

use crate::desk::{Desk, MODEL, shown};
use crate::files::text_pdf;

const BUSY: Option<&str> = Some("The AI service could not be reached or is busy.");

async fn add(desk: &Desk) -> i64 {
    desk.add(&text_pdf(&["A page with more than eight words so that it is text."])).await
}

#[sqlx::test(migrator = "celeriac_migrations::MIGRATOR")]
async fn refusals_that_pass_are_tried_again_and_those_that_stay_are_not(pool: PgPool) {
    let desk = Desk::new(pool).await;
    for (fault, next, sentence, state) in [
        (Fault::RequestTimeout, "retry", BUSY, "failed"),
        (Fault::Conflict, "retry", BUSY, "failed"),
        (Fault::Unavailable, "retry", BUSY, "failed"),
        (Fault::Overloaded, "retry", BUSY, "failed"),
        (Fault::Failed, "retry", BUSY, "failed"),
        (Fault::BadRequest, "bury", Some("The AI service did not accept this document."), "failed"),
        (Fault::ContentFilter, "bury", Some("The AI service's content filter stopped the analysis of this document."), "failed"),
    ] {
        let id = add(&desk).await;
        desk.next(std::slice::from_ref(&fault));
        let (did, told) = shown(desk.run(id).await);
        assert_eq!(did, next, "{fault:?}: {told}");
        assert_eq!(desk.row(id).await.error_message.as_deref(), sentence, "{fault:?}");
        assert_eq!(desk.ledger().await.pop().unwrap().state, state, "{fault:?}");
    }
}

#[sqlx::test(migrator = "celeriac_migrations::MIGRATOR")]
async fn a_question_larger_than_a_minute_allows_is_not_asked_again_and_pauses_nobody(pool: PgPool) {
    let desk = Desk::new(pool).await;
    desk.stub.control(Control { tokens_per_minute: Some(1_000), ..Control::default() });
    let id = add(&desk).await;
    assert_eq!(shown(desk.run(id).await).0, "bury");
    assert_eq!(desk.row(id).await.error_message.as_deref(), Some("The document is larger than the AI service takes at once."));
    desk.stub.control(Control { tokens_per_minute: Some(0), ..Control::default() });
    desk.run(id).await.unwrap();
}

#[sqlx::test(migrator = "celeriac_migrations::MIGRATOR")]
async fn an_answer_that_does_not_begin_is_given_up_before_one_that_does_not_end(pool: PgPool) {
    let mut desk = Desk::new(pool).await;
    let openai = OpenAi::new(OpenAiConfig {
        base_url: desk.stub.url().to_owned(),
        api_key: "sk-test".to_owned().into(),
        model: MODEL.to_owned(),
        first_byte_timeout: Duration::from_millis(300),
        timeout: Duration::from_secs(3),
        prices: Prices::default(),
    });
    let keys = FieldKeys::new(&["Y2VsZXJpYWMtZXhhbXBsZS1rZXktMzItYnl0ZXMhISE="]).unwrap();
    let admission = Admission::new(desk.client.connection().clone(), desk.pool.clone(), MODEL, Limits::default());
    desk.documents.gateway = Gateway::new(openai.unwrap(), Ledger::new(desk.pool.clone(), keys), admission);
    for (fault, name) in [(Fault::Hang, "no_first_byte"), (Fault::Stall, "timeout")] {
        let id = add(&desk).await;
        desk.next(std::slice::from_ref(&fault));
        assert_eq!(shown(desk.run(id).await).0, "retry", "{fault:?}");
        let ledger = desk.ledger().await.pop().unwrap();
        assert_eq!((ledger.state.as_str(), ledger.error.as_deref()), ("started", Some(name)), "{fault:?}");
    }
}
