//! Documents that have time: asked about in batches, at half the price, and paid for once.

use std::time::Duration;

use celeriac_jobs::admission::Limits as ModelLimits;
use celeriac_jobs::batching::BatchRun;
use celeriac_jobs::documents::ProcessDocument;
use celeriac_jobs::openai::Prices;
use celeriac_ops::standin::openai::{BatchFault, BatchLatency, Control, Fault};
use celeriac_queue::{EnqueueOptions, Inspector, Job, JobId, Outcome, State};
use chrono::{TimeDelta, Utc};
use sqlx::PgPool;

use crate::desk::{Desk, sample, shown};

#[derive(Debug, PartialEq, sqlx::FromRow)]
struct Receipt {
    state: String,
    batched: bool,
    /// Millionths of a dollar.
    cost: i64,
}

impl Desk {
    async fn receipts(&self) -> Vec<Receipt> {
        sqlx::query_as("select state, batched, (cost_usd * 1000000)::bigint as cost from celeriac.paid_answers order by id")
            .fetch_all(&self.pool)
            .await
            .unwrap()
    }

    /// States of the questions, and whether any of them is still kept.
    async fn questions(&self) -> Vec<(String, bool)> {
        sqlx::query_as("select state, request is not null from celeriac.batched_questions order by id").fetch_all(&self.pool).await.unwrap()
    }

    async fn batches(&self) -> Vec<(String, Option<String>)> {
        sqlx::query_as("select state, error from celeriac.openai_batches order by id").fetch_all(&self.pool).await.unwrap()
    }

    fn script(&self, route: &str, faults: &[Fault]) {
        self.stub.control(Control { next_for: [(route.to_owned(), faults.to_vec())].into(), ..Control::default() });
    }

    /// A document whose question waits for a batch.
    async fn waiting(&self) -> i64 {
        let document = self.add(&sample("denial_letter.pdf")).await;
        let (kind, reason) = shown(self.run_until(document, in_time(3)).await);
        assert_eq!((kind, reason.contains("batch")), ("snooze", true), "{reason}");
        document
    }
}

fn in_time(hours: i64) -> chrono::DateTime<Utc> {
    Utc::now() + TimeDelta::hours(hours)
}

fn counts(done: &BatchRun) -> (u64, u64, u64, u64, u64) {
    (done.sent, done.ended, done.answered, done.failed, done.troubles)
}

#[sqlx::test(migrator = "celeriac_migrations::MIGRATOR")]
async fn with_time_a_document_is_answered_by_a_batch_at_half_the_price_and_its_job_is_woken(pool: PgPool) {
    let desk = Desk::new(pool).await;
    let document = desk.waiting().await;
    assert_eq!(desk.ledger().await[0].state, "batched");
    assert_eq!(desk.questions().await, [("waiting".to_owned(), true)]);
    let id = JobId::parse("job-1").unwrap();
    let options = EnqueueOptions { id: Some(id.clone()), delay: Some(Duration::from_secs(600)), ..EnqueueOptions::default() };
    desk.client.enqueue_with(&ProcessDocument { document_id: document, deadline: Some(in_time(3)) }, options).await.unwrap();

    desk.stub.control(Control { batch_latency_ms: Some(BatchLatency::Never), ..Control::default() });
    assert_eq!(counts(&desk.run_batches().await), (1, 0, 0, 0, 0));
    assert_eq!(desk.questions().await, [("sent".to_owned(), false)], "what is asked is no longer kept here");
    assert_eq!(counts(&desk.run_batches().await), (0, 0, 0, 0, 0), "nothing has come yet");
    assert_eq!(shown(desk.run_until(document, in_time(3)).await).0, "snooze");

    desk.stub.control(Control { batch_latency_ms: Some(BatchLatency::After(Duration::ZERO)), ..Control::default() });
    assert_eq!(counts(&desk.run_batches().await), (0, 1, 1, 0, 0));
    let view = Inspector::new(desk.client.connection().clone()).job(&ProcessDocument::policy().queue, &id).await.unwrap();
    assert!(view.until.is_some_and(|due| due <= u64::try_from(Utc::now().timestamp_millis()).unwrap() + 1_000), "{view:?}");

    let processed = desk.run_until(document, in_time(3)).await.unwrap();
    assert!(processed.fresh);
    let row = desk.row(document).await;
    assert_eq!((row.status.as_str(), desk.analysis(&row).finding.language.as_str()), ("completed", "en"));
    assert_eq!(desk.requests(), 0, "nobody was asked directly");
    let ledger = desk.ledger().await;
    let (input, output) = (ledger[0].input_tokens.unwrap(), ledger[0].output_tokens.unwrap());
    let full = Prices::default().cost_micro_usd("gpt-4.1-mini", input as u32, output as u32).unwrap();
    assert_eq!(desk.receipts().await, [Receipt { state: "answered".into(), batched: true, cost: full - full / 2 }]);
    assert_eq!(desk.batches().await, [("cleaned".to_owned(), None)]);
    let counters = desk.stub.counters();
    assert_eq!((counters.batches, counters.files), (1, 0), "health data is left at the provider");
}

#[sqlx::test(migrator = "celeriac_migrations::MIGRATOR")]
async fn what_was_made_at_the_provider_and_not_noted_is_found_again(pool: PgPool) {
    let desk = Desk::new(pool).await;
    let document = desk.waiting().await;
    // The answers are lost, as they are for a process that dies: the file is there, then the batch, then half of the answers.
    desk.script("POST /v1/files", &[Fault::Cut]);
    assert_eq!(counts(&desk.run_batches().await), (0, 0, 0, 0, 1));
    assert_eq!(desk.stub.counters().files, 1);
    desk.script("POST /v1/batches", &[Fault::Cut]);
    assert_eq!(counts(&desk.run_batches().await), (0, 0, 0, 0, 1));
    assert_eq!(desk.stub.counters().files, 1, "the file that nobody knew of was deleted when it was sent again");
    assert_eq!(counts(&desk.run_batches().await), (1, 0, 0, 0, 0));
    desk.script("GET /v1/files/{id}/content", &[Fault::Cut]);
    assert_eq!(counts(&desk.run_batches().await), (0, 0, 0, 0, 1));
    desk.script("DELETE /v1/files/{id}", &[Fault::ServerError]);
    assert_eq!(counts(&desk.run_batches().await), (0, 1, 1, 0, 1));
    assert_eq!(counts(&desk.run_batches().await), (0, 0, 0, 0, 0));
    desk.run_until(document, in_time(3)).await.unwrap();
    let counters = desk.stub.counters();
    assert_eq!((counters.batches, counters.batch_answers["document_analysis"], counters.files), (1, 1, 0));
    assert_eq!((desk.requests(), desk.receipts().await.len()), (0, 1));
}

#[sqlx::test(migrator = "celeriac_migrations::MIGRATOR")]
async fn a_question_that_a_batch_does_not_answer_is_asked_directly(pool: PgPool) {
    let faults = [
        (BatchFault::Validation, false),
        (BatchFault::Expired { answered: 0 }, false),
        (BatchFault::Missing { every: 1 }, false),
        (BatchFault::Garbled { every: 1 }, false),
        (BatchFault::Lines { every: 1, fault: Fault::ServerError }, false),
        (BatchFault::Lines { every: 1, fault: Fault::InvalidJson }, true),
        (BatchFault::Lines { every: 1, fault: Fault::OffSchema }, true),
    ];
    let desk = Desk::new(pool).await;
    for (number, (fault, is_paid)) in faults.into_iter().enumerate() {
        let before = desk.receipts().await.len();
        desk.stub.control(Control { batch_next: vec![fault.clone()], ..Control::default() });
        let document = desk.waiting().await;
        assert_eq!(desk.run_batches().await.sent, 1);
        assert_eq!(desk.run_batches().await.ended, 1, "{fault:?}");
        desk.run_until(document, in_time(3)).await.unwrap();
        assert_eq!(desk.row(document).await.status, "completed");
        assert_eq!(desk.requests(), number as u64 + 1, "{fault:?}");
        let batched: Vec<bool> = desk.receipts().await[before..].iter().map(|receipt| receipt.batched).collect();
        assert_eq!(batched, if is_paid { vec![true, false] } else { vec![false] }, "{fault:?}");
        assert_eq!(desk.stub.counters().files, 0, "{fault:?}");
    }
}

#[sqlx::test(migrator = "celeriac_migrations::MIGRATOR")]
async fn as_the_deadline_nears_it_is_asked_directly_and_a_late_answer_is_counted(pool: PgPool) {
    let desk = Desk::new(pool).await;
    desk.stub.control(Control { batch_latency_ms: Some(BatchLatency::Never), ..Control::default() });
    let document = desk.waiting().await;
    assert_eq!(desk.run_batches().await.sent, 1);
    sqlx::query("update celeriac.batched_questions set ask_directly_at = now()").execute(&desk.pool).await.unwrap();
    desk.run_until(document, Utc::now()).await.unwrap();
    assert_eq!((desk.requests(), desk.row(document).await.status.as_str()), (1, "completed"));
    assert_eq!(desk.questions().await, [("withdrawn".to_owned(), false)]);

    // Nobody waits for the batch any more, so it is cancelled; what it has answered by then is paid for all the same.
    assert_eq!(counts(&desk.run_batches().await), (0, 0, 0, 0, 0));
    desk.stub.control(Control { batch_latency_ms: Some(BatchLatency::After(Duration::ZERO)), ..Control::default() });
    assert_eq!(counts(&desk.run_batches().await), (0, 1, 1, 0, 0));
    let receipts = desk.receipts().await;
    assert_eq!(receipts.iter().map(|receipt| receipt.batched).collect::<Vec<_>>(), [false, true]);
    assert_eq!(desk.ledger().await[0].calls, 2);
    let row = desk.row(document).await;
    assert_eq!(row.status, "completed");
}

#[sqlx::test(migrator = "celeriac_migrations::MIGRATOR")]
async fn without_time_or_for_a_job_that_has_ended_nothing_goes_into_a_batch(pool: PgPool) {
    let desk = Desk::new(pool).await;
    let hurried = desk.add(&sample("denial_letter.pdf")).await;
    desk.run_until(hurried, Utc::now() - TimeDelta::seconds(1)).await.unwrap();
    assert_eq!(desk.requests(), 1);

    let cancelled = desk.waiting().await;
    desk.on_terminal(cancelled, Outcome::new(State::Cancelled, 0)).await;
    assert_eq!(desk.questions().await, [("withdrawn".to_owned(), false)]);
    assert_eq!(counts(&desk.run_batches().await), (0, 0, 0, 0, 0));

    // Another job for the same document that has no time does not wait for the batch of the first.
    let document = desk.waiting().await;
    assert_eq!(shown(desk.run_as(document, "job-2").await).0, "snooze");
    desk.run_as(document, "job-2").await.unwrap();
    assert_eq!((desk.requests(), desk.row(document).await.status.as_str()), (2, "completed"));
    assert!(!desk.run_until(document, in_time(3)).await.unwrap().fresh);
    assert_eq!(desk.stub.counters().batches, 0);
}

/// Estimates of what waits, millionths of a dollar.
async fn estimates(desk: &Desk) -> Vec<u64> {
    let micro: Vec<i64> = sqlx::query_scalar("select (may_cost_usd * 1000000)::bigint from celeriac.batched_questions order by id")
        .fetch_all(&desk.pool)
        .await
        .unwrap();
    micro.into_iter().map(i64::unsigned_abs).collect()
}

#[sqlx::test(migrator = "celeriac_migrations::MIGRATOR")]
async fn what_a_batch_may_cost_is_kept_back_and_what_it_cost_is_spent_as_soon_as_it_is_collected(pool: PgPool) {
    let mut desk = Desk::new(pool).await;
    desk.stub.control(Control { batch_latency_ms: Some(BatchLatency::Never), ..Control::default() });
    let first = desk.waiting().await;
    let estimate = estimates(&desk).await[0];
    // Twice an estimate at half the price is one at the full: enough for the question of one document that is asked directly.
    let day = ModelLimits { day: 2 * estimate, ..ModelLimits::default() };
    desk.limit(day.clone());
    let direct = desk.add(&sample("denial_letter.pdf")).await;
    assert_eq!(desk.run_batches_within(day.clone()).await.sent, 1);
    let (kind, reason) = shown(desk.run(direct).await);
    assert_eq!(kind, "snooze", "{reason}");
    assert!(reason.contains("kept for batches under way: OPENAI_USD_PER_DAY") && reason.contains("may go to batches"), "{reason}");

    desk.stub.control(Control { batch_latency_ms: Some(BatchLatency::After(Duration::ZERO)), ..Control::default() });
    assert_eq!(desk.run_batches_within(day.clone()).await.answered, 1);
    let cost = desk.receipts().await[0].cost.unsigned_abs();
    assert!(0 < cost && cost < estimate, "{cost} of {estimate}");
    let (kind, reason) = shown(desk.run(direct).await);
    assert_eq!((kind, reason.contains("The budget for the model is spent")), ("pause", true), "{reason}");
    assert!(reason.contains(&format!("{:.4} are spent", cost as f64 / 1e6)), "{reason}");
    assert_eq!(desk.requests(), 0);

    // With what the batch has really cost on top, there is just enough; so nothing more is kept back or was counted twice.
    desk.limit(ModelLimits { day: 2 * estimate + cost, ..ModelLimits::default() });
    desk.run_as(direct, "job-2").await.unwrap();
    desk.run_until(first, in_time(3)).await.unwrap();
    assert_eq!(desk.requests(), 1);
}

#[sqlx::test(migrator = "celeriac_migrations::MIGRATOR")]
async fn no_more_questions_are_sent_than_every_budget_can_pay_for(pool: PgPool) {
    let desk = Desk::new(pool).await;
    desk.stub.control(Control { batch_latency_ms: Some(BatchLatency::Never), ..Control::default() });
    for _ in 0..4 {
        desk.waiting().await;
    }
    let estimate = estimates(&desk).await[0];
    // One of them is another user's.
    sqlx::query("update celeriac.paid_calls set user_id = 2 where id = (select max(id) from celeriac.paid_calls)")
        .execute(&desk.pool)
        .await
        .unwrap();
    let limits = ModelLimits { day: 10 * estimate, user_month: 2 * estimate, ..ModelLimits::default() };
    let done = desk.run_batches_within(limits.clone()).await;
    assert_eq!((done.sent, done.unaffordable), (1, 1));
    let states = async || desk.questions().await.into_iter().map(|(state, _)| state).collect::<Vec<_>>();
    assert_eq!(states().await, ["sent", "sent", "waiting", "sent"], "the third is of a user whose budget holds two");
    assert_eq!(desk.run_batches_within(limits.clone()).await.unaffordable, 1, "still under way");

    // When the batch has ended for less, there is money again.
    desk.stub.control(Control { batch_latency_ms: Some(BatchLatency::After(Duration::ZERO)), ..Control::default() });
    assert_eq!(desk.run_batches_within(limits.clone()).await.answered, 3);
    assert_eq!(states().await, ["answered", "answered", "waiting", "answered"]);
    let spent: i64 = desk.receipts().await[..2].iter().map(|receipt| receipt.cost).sum();
    let just = ModelLimits { user_month: estimate + spent.unsigned_abs(), ..limits };
    assert_eq!(counts(&desk.run_batches_within(ModelLimits { user_month: just.user_month - 1, ..just.clone() }).await), (0, 0, 0, 0, 0));
    assert_eq!(counts(&desk.run_batches_within(just).await), (1, 0, 0, 0, 0), "the last is sent");
}

#[sqlx::test(migrator = "celeriac_migrations::MIGRATOR")]
async fn a_late_answer_of_no_use_is_paid_for_once_however_often_it_is_read(pool: PgPool) {
    let desk = Desk::new(pool).await;
    desk.stub.control(Control {
        batch_latency_ms: Some(BatchLatency::Never),
        batch_next: vec![BatchFault::Lines { every: 1, fault: Fault::InvalidJson }],
        ..Control::default()
    });
    let document = desk.waiting().await;
    assert_eq!(desk.run_batches().await.sent, 1);
    sqlx::query("update celeriac.batched_questions set ask_directly_at = now()").execute(&desk.pool).await.unwrap();
    desk.run_until(document, Utc::now()).await.unwrap();
    desk.run_batches().await;
    desk.stub.control(Control { batch_latency_ms: Some(BatchLatency::After(Duration::ZERO)), ..Control::default() });
    desk.script("DELETE /v1/files/{id}", &[Fault::ServerError]);
    assert_eq!(counts(&desk.run_batches().await), (0, 1, 0, 1, 1));
    let (ledger, receipts) = (desk.ledger().await, desk.receipts().await);
    assert_eq!(
        receipts.iter().map(|receipt| (receipt.state.as_str(), receipt.batched)).collect::<Vec<_>>(),
        [("answered", false), ("failed", true)]
    );
    // As for a process that died with the answers settled and the batch not yet ended.
    sqlx::query("update celeriac.openai_batches set state = 'running', ended_at = null").execute(&desk.pool).await.unwrap();
    assert_eq!(counts(&desk.run_batches().await), (0, 1, 0, 0, 0));
    assert_eq!((desk.ledger().await, desk.receipts().await), (ledger, receipts));
}
