//! decode_denial_letter shares reading, paying and saving with process_document, and keeps its finding in tables of its own.

use celeriac_jobs::denial_letters::{DecodeDenialLetter, DeniedCondition};
use celeriac_ops::standin::openai::Fault;
use celeriac_queue::{Outcome, State};
use chrono::NaiveDate;
use sqlx::PgPool;

use crate::desk::{Desk, sample, shown};

#[derive(Debug, PartialEq, sqlx::FromRow)]
struct Letter {
    status: String,
    error_message: Option<String>,
    details: Option<String>,
    decision_date: Option<NaiveDate>,
    appeal_deadline: Option<NaiveDate>,
    conditions: Option<i32>,
    model_used: Option<String>,
    tokens_used: Option<i32>,
    strategy: Option<String>,
    page_count: Option<i32>,
}

async fn letter(desk: &Desk, id: i64) -> Option<Letter> {
    let found = sqlx::query_as("select * from celeriac.denial_letters where document_id = $1").bind(id);
    found.fetch_optional(&desk.pool).await.unwrap()
}

async fn conditions(desk: &Desk, id: i64) -> Vec<DeniedCondition> {
    let tokens: Vec<String> = sqlx::query_scalar("select details from celeriac.denied_conditions where document_id = $1 order by position")
        .bind(id)
        .fetch_all(&desk.pool)
        .await
        .unwrap();
    tokens.iter().map(|token| serde_json::from_str(&desk.documents.keys.decrypt(token).unwrap()).unwrap()).collect()
}

#[sqlx::test(migrator = "celeriac_migrations::MIGRATOR")]
async fn a_letter_is_taken_apart_into_its_own_tables_beside_its_analysis(pool: PgPool) {
    let desk = Desk::new(pool).await;
    let id = desk.add(&sample("denial_letter.pdf")).await;
    let processed = desk.decode(id).await.unwrap();
    assert!(processed.fresh);
    let found = letter(&desk, id).await.unwrap();
    assert_eq!((found.status.as_str(), found.strategy.as_deref(), found.page_count), ("completed", Some("whole"), Some(3)));
    assert_eq!(found.tokens_used, processed.tokens);
    let denied = conditions(&desk, id).await;
    assert!(!denied.is_empty() && found.conditions == Some(denied.len() as i32));
    assert!(denied.iter().all(|condition| !condition.condition.is_empty()), "{denied:?}");
    assert!(!found.details.as_deref().unwrap().contains("summary"), "it is stored in the clear");
    assert_eq!(desk.row(id).await.status, "uploading", "the document's own state is not this job's");

    // Each job pays for its own question, once.
    desk.run(id).await.unwrap();
    assert_eq!(desk.requests(), 2);
    assert!(!desk.decode(id).await.unwrap().fresh && desk.requests() == 2);
}

#[sqlx::test(migrator = "celeriac_migrations::MIGRATOR")]
async fn a_letter_that_cannot_be_read_says_why_and_one_that_never_began_too(pool: PgPool) {
    let desk = Desk::new(pool).await;
    let broken = desk.add(b"%PDF-1.7 broken").await;
    assert_eq!(shown(desk.decode(broken).await).0, "bury");
    let never = desk.add(&sample("denial_letter.pdf")).await;
    for (id, sentence) in [(broken, "The file is damaged and cannot be read as a PDF."), (never, "Processing was cancelled.")] {
        let state = if id == broken { State::Dead } else { State::Cancelled };
        let outcome = Outcome::new(state, 0).because("refused", "r");
        for _ in 0..2 {
            desk.end_decoding(DecodeDenialLetter::new(id), outcome.clone()).await;
            let found = letter(&desk, id).await.unwrap();
            assert_eq!((found.status.as_str(), found.error_message.as_deref()), ("failed", Some(sentence)));
        }
    }
}

#[sqlx::test(migrator = "celeriac_migrations::MIGRATOR")]
async fn a_scanned_letter_is_resumed_at_its_page_and_the_same_file_is_paid_for_once(pool: PgPool) {
    let mut desk = Desk::new(pool).await;
    desk.documents.limits.pages_parallel = 1;
    desk.documents.limits.memo = true;
    let id = desk.add(&sample("scanned_letter.pdf")).await;
    desk.next(&[Fault::Pass, Fault::ServerError]);
    assert_eq!(shown(desk.decode(id).await).0, "retry");
    desk.decode(id).await.unwrap();
    assert_eq!(desk.requests(), 2 + 1 + 1);
    let copy = desk.add(&sample("scanned_letter.pdf")).await;
    desk.decode(copy).await.unwrap();
    assert_eq!(desk.requests(), 4);
    assert_eq!(letter(&desk, copy).await.unwrap().strategy.as_deref(), Some("memo"));
    assert_eq!(conditions(&desk, copy).await, conditions(&desk, id).await);
}
