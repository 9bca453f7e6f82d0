//! A document that can be processed ends completed, once, with its result.

use celeriac_jobs::documents::Processed;
use sqlx::PgPool;

use crate::desk::{Desk, MODEL};
use crate::files::text_pdf;

#[sqlx::test(migrator = "celeriac_migrations::MIGRATOR")]
async fn a_text_pdf_is_completed_with_everything_the_row_promises(pool: PgPool) {
    let desk = Desk::new(pool).await;
    let pages = ["Dear Ada,\nyour hearing is on 2027-03-03 in room 12 of the town hall.", "Please reply by 1 February 2027 with the form."];
    let id = desk.add(&text_pdf(&pages)).await;
    let processed = desk.run(id).await.unwrap();
    let row = desk.row(id).await;
    assert_eq!((row.status.as_str(), row.error_message.as_deref(), row.fence), ("completed", None, 1));
    assert_eq!((row.page_count, row.ocr_confidence, row.ai_model_used.as_deref()), (Some(2), None, Some(MODEL)));
    // Line breaks of the layout count as the characters they are.
    assert_eq!(row.text_length, Some(pages.map(|page| page.chars().count() as i32).iter().sum()));
    assert_eq!(processed, Processed { document_id: id, fresh: true, pages: Some(2), tokens: row.ai_tokens_used });
    let analysis = desk.analysis(&row);
    assert!(analysis.finding.summary.contains("your hearing is on 2027-03-03"), "{analysis:?}");
    let dates: Vec<&str> = analysis.finding.dates.iter().map(|fact| fact.date.as_str()).collect();
    assert_eq!(dates, ["2027-03-03", "2027-02-01"]);
    assert!(!analysis.truncated);
    assert!(!row.ai_summary.unwrap().contains("hearing"), "the summary is stored in the clear");
}

#[sqlx::test(migrator = "celeriac_migrations::MIGRATOR")]
async fn the_second_run_of_a_completed_document_calls_nobody_and_changes_nothing(pool: PgPool) {
    let desk = Desk::new(pool).await;
    let id = desk.add(&text_pdf(&["One page with nine words that all are text."])).await;
    desk.run(id).await.unwrap();
    let (row, used_once) = (desk.row(id).await, used(&desk).await);
    for job in ["job-1", "job-2"] {
        let again = desk.run_as(id, job).await.unwrap();
        assert_eq!(again, Processed { document_id: id, fresh: false, pages: None, tokens: None });
    }
    assert_eq!(desk.row(id).await, row);
    assert_eq!(desk.requests(), 1);
    assert_eq!(used_once, [("documents".to_owned(), 1), ("tokens".to_owned(), i64::from(row.ai_tokens_used.unwrap()))]);
    assert_eq!(used(&desk).await, used_once);
}

async fn used(desk: &Desk) -> Vec<(String, i64)> {
    sqlx::query_as("select kind, used from celeriac.usage_counters where user_id = 1 order by kind").fetch_all(&desk.pool).await.unwrap()
}
