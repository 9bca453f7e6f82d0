//! Each way a call to OpenAI can end: what the queue is told, what the user is told, and what the ledger keeps.

use std::time::Duration;

use celeriac_jobs::admission::Limits as ModelLimits;
use celeriac_jobs::ledger::{Ledger, Subject};
use celeriac_ops::standin::openai::{Control, Fault};
use celeriac_queue::{JobError, Outcome, Pause, State};
use sqlx::PgPool;

use crate::desk::{Desk, model_at, shown};
use crate::files::text_pdf;

const BUSY: &str = "The AI service could not be reached or is busy.";
const STOPPED: &str = "The AI service is not available to us at the moment; processing goes on when an operator has seen to it.";

async fn with_document(pool: PgPool) -> (Desk, i64) {
    let desk = Desk::new(pool).await;
    let id = desk.add(&text_pdf(&["A page with more than eight words so that it is text."])).await;
    (desk, id)
}

#[sqlx::test(migrator = "celeriac_migrations::MIGRATOR")]
async fn every_outcome_is_told_apart(pool: PgPool) {
    let desk = Desk::new(pool).await;
    // Fault; what the queue does; the user's sentence; the ledger's state, and whether tokens were counted there.
    let cases = [
        (Fault::Unauthorized, "pause", STOPPED, ("failed", false)),
        (Fault::QuotaExhausted, "pause", STOPPED, ("failed", false)),
        (Fault::ModelNotFound, "pause", STOPPED, ("failed", false)),
        (Fault::ServerError, "retry", BUSY, ("failed", false)),
        (Fault::HtmlError, "retry", BUSY, ("failed", false)),
        (Fault::Cut, "retry", BUSY, ("started", false)),
        (Fault::HtmlAnswer, "retry", BUSY, ("started", false)),
        (Fault::Refusal, "bury", "The AI service declined to analyze this document.", ("failed", true)),
        (Fault::Incomplete, "bury", "The analysis of this document became too long and was cut off before its end.", ("failed", true)),
    ];
    for (fault, next, sentence, (state, counted)) in cases {
        let id = desk.add(&text_pdf(&["A page with more than eight words so that it is text."])).await;
        desk.next(std::slice::from_ref(&fault));
        let before = desk.requests();
        let (did, told) = shown(desk.run(id).await);
        assert_eq!(did, next, "{fault:?}: {told}");
        assert_eq!(desk.requests() - before, 1, "{fault:?} was not asked once");
        let row = desk.row(id).await;
        assert_eq!((row.status.as_str(), row.error_message.as_deref()), ("analyzing", Some(sentence)), "{fault:?}");
        let ledger = desk.ledger().await.pop().unwrap();
        assert_eq!((ledger.state.as_str(), ledger.input_tokens.is_some()), (state, counted), "{fault:?}: {ledger:?}");
        // Whatever it was, the document can still be completed.
        desk.run(id).await.unwrap();
        let (row, ledger) = (desk.row(id).await, desk.ledger().await.pop().unwrap());
        assert_eq!(row.status, "completed", "{fault:?}");
        assert_eq!(row.ai_tokens_used, Some(ledger.input_tokens.unwrap() + ledger.output_tokens.unwrap()), "{fault:?}");
    }
}

#[sqlx::test(migrator = "celeriac_migrations::MIGRATOR")]
async fn a_refused_key_names_the_setting_and_not_the_key(pool: PgPool) {
    let (desk, id) = with_document(pool).await;
    desk.next(&[Fault::Unauthorized]);
    let (_, reason) = shown(desk.run(id).await);
    assert!(reason.contains("OPENAI_API_KEY") && !reason.contains("sk-"), "{reason}");
}

#[sqlx::test(migrator = "celeriac_migrations::MIGRATOR")]
async fn the_wait_a_provider_asks_for_is_kept_by_everybody_and_spends_no_attempt(pool: PgPool) {
    for (asked, at_least, at_most) in [(None, 500, 625), (Some("90"), 90_000, 112_500), (Some("86400"), 600_000, 750_000)] {
        let desk = Desk::new(pool.clone()).await;
        let id = desk.add(&text_pdf(&["A page with more than eight words so that it is text."])).await;
        desk.next(&[Fault::RateLimited { retry_after: asked.map(str::to_owned) }]);
        let Err(JobError::Snooze(wait, _)) = desk.run(id).await else { panic!("the job did not give its slot back") };
        assert!((at_least..=at_most).contains(&wait.as_millis()), "asked {asked:?}, got {wait:?}");
        assert_eq!((desk.row(id).await.error_message, desk.ledger().await.pop().unwrap().state.as_str()), (None, "failed"));
        if asked.is_some() {
            // Another document waits as long, without asking.
            let (other, before) = (desk.add(&text_pdf(&["Another page with more than eight words in all of it."])).await, desk.requests());
            let Err(JobError::Snooze(wait, _)) = desk.run(other).await else { panic!("the pause is not shared") };
            assert!((at_least - 5_000..=at_most).contains(&wait.as_millis()), "asked {asked:?}, the other waits {wait:?}");
            assert_eq!(desk.requests(), before);
        }
    }
}

#[sqlx::test(migrator = "celeriac_migrations::MIGRATOR")]
async fn an_answer_that_was_paid_for_is_not_bought_again_when_saving_it_failed(pool: PgPool) {
    let (desk, id) = with_document(pool).await;
    sqlx::query("alter table celeriac.documents add constraint never check (status <> 'completed')").execute(&desk.pool).await.unwrap();
    assert_eq!(shown(desk.run(id).await).0, "retry");
    let row = desk.row(id).await;
    assert_eq!((row.status.as_str(), row.ai_summary), ("analyzing", None));
    assert_eq!(row.error_message.as_deref(), Some("A technical problem interrupted the processing of this document."));
    sqlx::query("alter table celeriac.documents drop constraint never").execute(&desk.pool).await.unwrap();
    // Also when the document is enqueued anew, under another job.
    desk.run_as(id, "job-2").await.unwrap();
    assert_eq!(desk.row(id).await.status, "completed");
    assert_eq!(desk.requests(), 1);
    let ledger = &desk.ledger().await[0];
    assert_eq!(ledger.calls, 1);
    let cost: f64 = sqlx::query_scalar("select cost_usd::float8 from celeriac.paid_calls").fetch_one(&desk.pool).await.unwrap();
    let by_the_list = f64::from(ledger.input_tokens.unwrap()) * 0.40 + f64::from(ledger.output_tokens.unwrap()) * 1.60;
    assert!((cost * 1e6 - by_the_list).abs() <= 1.0, "{cost} USD for {ledger:?}");
}

#[sqlx::test(migrator = "celeriac_migrations::MIGRATOR")]
async fn a_lost_answer_is_asked_for_once_more_and_then_left_to_a_person(pool: PgPool) {
    let (desk, id) = with_document(pool).await;
    desk.next(&[Fault::Cut, Fault::Cut]);
    assert_eq!(shown(desk.run(id).await).0, "retry");
    let (next, told) = shown(desk.run(id).await);
    assert_eq!(
        (next, told.starts_with("The AI service's answer was lost twice, so this document is left to a person:")),
        ("bury", true),
        "{told}"
    );
    // A delivery that comes all the same asks nobody.
    assert_eq!(shown(desk.run(id).await).0, "bury");
    assert_eq!(desk.requests(), 2);
    // Once the job is dead, replaying it is the person's decision to pay a third time.
    let dead = Outcome::new(State::Dead, 0).because("refused", "lost twice");
    desk.on_terminal(id, dead.clone()).await;
    desk.on_terminal(id, dead).await;
    desk.run(id).await.unwrap();
    let ledger = desk.ledger().await;
    assert_eq!((desk.requests(), ledger[0].calls, ledger[0].unknown_outcomes), (3, 3, 2), "{ledger:?}");
}

#[sqlx::test(migrator = "celeriac_migrations::MIGRATOR")]
async fn an_answer_not_of_the_form_is_asked_for_once_more_in_the_same_run(pool: PgPool) {
    let desk = Desk::new(pool).await;
    for fault in [Fault::InvalidJson, Fault::OffSchema] {
        let id = desk.add(&text_pdf(&["A page with more than eight words so that it is text."])).await;
        desk.next(std::slice::from_ref(&fault));
        desk.run(id).await.unwrap();
        let ledger = desk.ledger().await.pop().unwrap();
        assert_eq!((ledger.state.as_str(), ledger.calls, ledger.unusable_answers), ("answered", 2, 1), "{fault:?}");
        let both = Some(ledger.input_tokens.unwrap() + ledger.output_tokens.unwrap());
        assert_eq!(desk.row(id).await.ai_tokens_used, both, "{fault:?}: both answers were paid for");
    }
    let digests = desk.stub.counters().digests;
    assert!(digests[0] != digests[1] && digests[2] != digests[3], "the second question said nothing of the first answer");
}

#[sqlx::test(migrator = "celeriac_migrations::MIGRATOR")]
async fn a_second_answer_of_no_use_ends_the_job_and_each_has_its_receipt(pool: PgPool) {
    let (desk, id) = with_document(pool).await;
    desk.next(&[Fault::OffSchema, Fault::InvalidJson]);
    assert_eq!(shown(desk.run(id).await).0, "bury");
    assert_eq!(desk.row(id).await.error_message.as_deref(), Some("The AI service gave no usable answer for this document."));
    assert_eq!((desk.requests(), desk.ledger().await[0].unusable_answers), (2, 2));
    let receipts: Vec<(i32, String, i64, i32)> =
        sqlx::query_as("select number, job, user_id, input_tokens from celeriac.paid_answers order by id")
            .fetch_all(&desk.pool)
            .await
            .unwrap();
    assert_eq!(
        receipts.iter().map(|(number, job, user, _)| (*number, job.as_str(), *user)).collect::<Vec<_>>(),
        [(1, "process_document", 1), (2, "process_document", 1)]
    );
    let sum = receipts.iter().map(|(.., tokens)| tokens).sum();
    assert_eq!(desk.ledger().await[0].input_tokens, Some(sum));
}

#[sqlx::test(migrator = "celeriac_migrations::MIGRATOR")]
async fn a_forgotten_answer_keeps_its_cost_and_is_bought_again_when_asked(pool: PgPool) {
    let (desk, id) = with_document(pool).await;
    desk.run(id).await.unwrap();
    let subject = Subject { kind: "document", id };
    let mut connection = desk.pool.acquire().await.unwrap();
    Ledger::forget_answers(&mut connection, subject, "another step").await.unwrap();
    let answers = || async {
        sqlx::query_as::<_, (String, Option<String>, Option<f64>)>("select state, answer, cost_usd::float8 from celeriac.paid_calls")
            .fetch_one(&desk.pool)
            .await
            .unwrap()
    };
    assert!(answers().await.1.is_some(), "the answer of another step was deleted");
    for _ in 0..2 {
        Ledger::forget_answers(&mut connection, subject, "analyze").await.unwrap();
        let (state, answer, cost) = answers().await;
        assert_eq!((state.as_str(), answer, cost.is_some()), ("answered", None, true));
    }
    sqlx::query("update celeriac.documents set status = 'uploading' where id = $1").bind(id).execute(&desk.pool).await.unwrap();
    desk.run(id).await.unwrap();
    assert_eq!((desk.requests(), desk.ledger().await[0].calls, answers().await.1.is_some()), (2, 2, true));
}

#[sqlx::test(migrator = "celeriac_migrations::MIGRATOR")]
async fn a_timeout_counts_as_an_unknown_outcome_and_no_connection_does_not(pool: PgPool) {
    let mut desk = Desk::with_timeout(pool, Duration::from_millis(300)).await;
    let id = desk.add(&text_pdf(&["A page with more than eight words so that it is text."])).await;
    desk.stub.control(Control { latency_ms: Some(60_000), ..Control::default() });
    assert_eq!(shown(desk.run(id).await).0, "retry");
    assert_eq!((desk.ledger().await[0].state.as_str(), desk.ledger().await[0].error.as_deref()), ("started", Some("timeout")));

    let other = desk.add(&text_pdf(&["Another page with more than eight words in all of it."])).await;
    let nobody = std::net::TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap();
    desk.documents.gateway = model_at(&format!("http://{nobody}/v1"), Duration::from_secs(5), &desk.pool, &desk.client);
    assert_eq!(shown(desk.run(other).await).0, "retry");
    let ledger = desk.ledger().await.pop().unwrap();
    assert_eq!((ledger.state.as_str(), ledger.error.as_deref()), ("failed", Some("connection_failed")));
}

#[sqlx::test(migrator = "celeriac_migrations::MIGRATOR")]
async fn a_spent_budget_pauses_the_queue_until_it_renews_or_a_worker_comes_with_another(pool: PgPool) {
    let mut desk = Desk::new(pool).await;
    let limits = |day| ModelLimits { day, ..ModelLimits::default() };
    desk.limit(limits(1_000));
    let id = desk.add(&text_pdf(&["A page with more than eight words so that it is text."])).await;
    let Err(JobError::PauseQueue(order)) = desk.run(id).await else { panic!("the queue is not paused") };
    assert_eq!((desk.requests(), desk.ledger().await.len()), (0, 0));
    assert!(order.reason.contains("OPENAI_USD_PER_DAY allows 0.00 USD a day"), "{}", order.reason);
    let left = order.resume_in.unwrap();
    assert!(left <= Duration::from_secs(86_400), "{left:?}");
    assert_eq!(desk.row(id).await.error_message.as_deref(), Some(STOPPED));

    let queue = celeriac_jobs::queues::documents();
    let pause = Pause { reason: order.reason, by: "worker".into(), at: 1, resume_at: None, cause: order.cause };
    desk.client.pause(&queue, &pause).await.unwrap();
    assert!(!desk.documents.gateway.lift_outdated(&desk.client, &queue).await.unwrap(), "its own pause was lifted");
    desk.limit(limits(1_000_000));
    assert!(desk.documents.gateway.lift_outdated(&desk.client, &queue).await.unwrap());
    desk.run(id).await.unwrap();

    // A person's pause is not ours to lift.
    desk.client.pause(&queue, &Pause { cause: None, ..pause }).await.unwrap();
    assert!(!desk.documents.gateway.lift_outdated(&desk.client, &queue).await.unwrap());
}

#[sqlx::test(migrator = "celeriac_migrations::MIGRATOR")]
async fn another_user_goes_on_when_one_users_budget_is_spent(pool: PgPool) {
    let mut desk = Desk::new(pool).await;
    let (first, second) = (desk.add(&text_pdf(&["A page with more than eight words so that it is text."])).await, 2);
    desk.consent(second).await;
    let path = sqlx::query_scalar::<_, String>("select file_path from celeriac.documents").fetch_one(&desk.pool).await.unwrap();
    let other = desk.add_row(second, &path).await;
    sqlx::query(
        "insert into celeriac.paid_answers (number, user_id, model, state, input_tokens, output_tokens, cost_usd)
         values (1, 1, 'gpt-4.1-mini', 'answered', 1, 1, 1)",
    )
    .execute(&desk.pool)
    .await
    .unwrap();
    desk.limit(ModelLimits { user_day: 1_000_000, ..ModelLimits::default() });
    let (next, told) = shown(desk.run(first).await);
    assert!(next == "snooze" && told.contains("OPENAI_USER_USD_PER_DAY"), "{next}: {told}");
    desk.run(other).await.unwrap();
}
