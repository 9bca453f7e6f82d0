//! A document that can be processed ends completed, once, with its result.

use celeriac_jobs::documents::Processed;
use image::ImageFormat;
use sqlx::PgPool;

use crate::desk::{Desk, MODEL, sample};
use crate::files::{picture, text_pdf};

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
    assert!(analysis.summary.contains("your hearing is on 2027-03-03"), "{analysis:?}");
    let dates: Vec<&str> = analysis.dates.iter().map(|fact| fact.date.as_str()).collect();
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

#[sqlx::test(migrator = "celeriac_migrations::MIGRATOR")]
async fn scans_photos_and_faxes_reach_the_model_as_pictures_of_their_pages(pool: PgPool) {
    let desk = Desk::new(pool).await;
    let cases = [
        ("a scanned PDF", sample("scanned_letter.pdf"), 2),
        ("a photo", sample("letter_photo.jpg"), 1),
        ("a fax of several pages", sample("fax.tiff"), 3),
        ("a PNG that is called .pdf", picture(300, 200, ImageFormat::Png), 1),
    ];
    for (what, file, pages) in cases {
        let id = desk.add(&file).await;
        desk.run(id).await.unwrap_or_else(|error| panic!("{what}: {error:?}"));
        let row = desk.row(id).await;
        assert_eq!((row.page_count, row.text_length), (Some(pages), Some(0)), "{what}");
        let summary = desk.analysis(&row).summary;
        assert_eq!(summary.matches("One page came as a picture: image/jpeg").count(), pages as usize, "{what}: {summary}");
    }
}

#[sqlx::test(migrator = "celeriac_migrations::MIGRATOR")]
async fn a_large_picture_is_shown_to_the_model_at_most_2000_pixels_long(pool: PgPool) {
    let desk = Desk::new(pool).await;
    let id = desk.add(&picture(4_000, 1_000, ImageFormat::Jpeg)).await;
    desk.run(id).await.unwrap();
    let summary = desk.analysis(&desk.row(id).await).summary;
    assert!(summary.contains("2000 x 500 pixels"), "{summary}");
}

#[sqlx::test(migrator = "celeriac_migrations::MIGRATOR")]
async fn a_text_too_long_for_the_model_is_cut_and_the_analysis_says_so(pool: PgPool) {
    let mut desk = Desk::new(pool).await;
    desk.documents.limits.input_tokens_max = 20;
    let id = desk.add(&text_pdf(&["The first sentence fits. The second sentence is where the document is cut for its length."])).await;
    desk.run(id).await.unwrap();
    let row = desk.row(id).await;
    let analysis = desk.analysis(&row);
    assert!(
        analysis.truncated && analysis.summary.contains("The first sentence fits.") && !analysis.summary.contains("length"),
        "{analysis:?}"
    );
    assert_eq!(row.text_length, Some(89), "the length counts the whole text");
}

async fn used(desk: &Desk) -> Vec<(String, i64)> {
    sqlx::query_as("select kind, used from celeriac.usage_counters where user_id = 1 order by kind").fetch_all(&desk.pool).await.unwrap()
}
