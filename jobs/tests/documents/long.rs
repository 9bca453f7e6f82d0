//! A document too long for one question, by policy in parts or only its beginning.

use celeriac_jobs::documents::LongDocuments;
use celeriac_ops::standin::openai::Fault;
use sqlx::PgPool;

use crate::desk::{Desk, shown};
use crate::files::text_pdf;

const PAGES: [&str; 4] = [
    "The first page says that the hearing is on 2027-01-01 in room one.",
    "The second page says that the hearing is on 2027-02-02 in room two.",
    "The third page says that the hearing is on 2027-03-03 in room three.",
    "The fourth page says that the hearing is on 2027-04-04 in room four.",
];

/// A page fits into a question, two do not.
const ONE_PAGE: u32 = 30;

#[sqlx::test(migrator = "celeriac_migrations::MIGRATOR")]
async fn it_is_asked_about_in_parts_whose_findings_are_combined(pool: PgPool) {
    let mut desk = Desk::new(pool).await;
    desk.documents.limits.input_tokens_max = ONE_PAGE;
    let id = desk.add(&text_pdf(&PAGES)).await;
    desk.run(id).await.unwrap();
    let row = desk.row(id).await;
    assert_eq!(row.strategy.as_deref(), Some("map_reduce"));
    let analysis = desk.analysis(&row);
    assert!(!analysis.truncated);
    let ledger = desk.ledger().await;
    let of = |step: &str| ledger.iter().filter(|call| call.step == step).map(|call| call.page).collect::<Vec<_>>();
    assert_eq!(of("analyze_part").len(), 4);
    // Two findings at a time fit: two groups, and their two findings once more.
    let mut combined = of("combine");
    combined.sort_unstable();
    assert_eq!(combined, [1000, 1001, 2000]);
    let dates: Vec<&str> = analysis.finding.dates.iter().map(|fact| fact.date.as_str()).collect();
    assert!(dates.contains(&"2027-01-01") && dates.contains(&"2027-04-04"), "a part's facts are lost: {dates:?}");
    let tokens: i32 = ledger.iter().map(|call| call.input_tokens.unwrap() + call.output_tokens.unwrap()).sum();
    assert_eq!(row.ai_tokens_used, Some(tokens));
}

#[sqlx::test(migrator = "celeriac_migrations::MIGRATOR")]
async fn a_part_that_was_answered_is_not_paid_for_again(pool: PgPool) {
    let mut desk = Desk::new(pool).await;
    desk.documents.limits.input_tokens_max = ONE_PAGE;
    let id = desk.add(&text_pdf(&PAGES)).await;
    desk.next(&[Fault::Pass, Fault::Pass, Fault::ServerError]);
    assert_eq!(shown(desk.run(id).await).0, "retry");
    let first = desk.requests();
    desk.run(id).await.unwrap();
    assert_eq!(desk.requests() - first, (4 - (first - 1)) + 3, "what was not answered, and the combining");
    assert!(desk.ledger().await.iter().filter(|call| call.calls == 2).count() == 1);
}

#[sqlx::test(migrator = "celeriac_migrations::MIGRATOR")]
async fn or_only_its_beginning_is_and_the_analysis_says_so(pool: PgPool) {
    let mut desk = Desk::new(pool).await;
    desk.documents.limits.input_tokens_max = ONE_PAGE;
    desk.documents.limits.long_documents = LongDocuments::Truncate;
    let id = desk.add(&text_pdf(&PAGES)).await;
    desk.run(id).await.unwrap();
    let row = desk.row(id).await;
    let analysis = desk.analysis(&row);
    assert!(analysis.truncated && row.strategy.as_deref() == Some("truncated"));
    assert!(analysis.finding.summary.contains("room one") && !analysis.finding.summary.contains("room two"), "{analysis:?}");
    assert_eq!(row.text_length, Some(PAGES.iter().map(|page| page.len() as i32).sum()), "the length counts the whole text");
    assert_eq!(desk.requests(), 1);
}
