//! Pages that are pictures are recognized one by one; what was recognized is not recognized, and not paid for, again.

use celeriac_jobs::documents::{Ocr, Partial};
use celeriac_ops::standin::openai::Fault;
use celeriac_queue::{Outcome, State};
use image::ImageFormat;
use sqlx::PgPool;

use crate::desk::{Desk, sample, shown};
use crate::files::{picture, text_pdf};

#[sqlx::test(migrator = "celeriac_migrations::MIGRATOR")]
async fn each_page_of_a_scan_is_read_by_the_vision_model_and_its_text_goes_with_the_job(pool: PgPool) {
    let desk = Desk::new(pool).await;
    let cases = [
        ("a scanned PDF", sample("scanned_letter.pdf"), 2),
        ("a photo", sample("letter_photo.jpg"), 1),
        ("a fax of several pages", sample("fax.tiff"), 3),
        ("a PNG that is called .pdf", picture(300, 200, ImageFormat::Png), 1),
    ];
    for (what, file, pages) in cases {
        let before = desk.requests();
        let id = desk.add(&file).await;
        desk.run(id).await.unwrap_or_else(|error| panic!("{what}: {error:?}"));
        let row = desk.row(id).await;
        assert_eq!((row.page_count, row.ocr_confidence), (Some(pages), None), "{what}: the vision model tells no confidence");
        assert!(row.text_length > Some(0), "{what}");
        assert_eq!(desk.requests() - before, pages as u64 + 1, "{what}: a call a page, and one about the whole");
        let read = desk.pages(id).await;
        assert_eq!(read.len(), pages as usize, "{what}");
        for page in read {
            assert_eq!((page.source.as_str(), page.text, page.confidence), ("vision", None, None), "{what}");
            assert!(page.characters > 0, "{what}");
        }
    }
    for call in desk.ledger().await {
        assert_eq!(call.answer.is_none(), call.step == "read_page", "{call:?}");
        assert!(call.input_tokens > Some(0), "the cost of a reading stays: {call:?}");
    }
}

#[sqlx::test(migrator = "celeriac_migrations::MIGRATOR")]
async fn a_retry_goes_on_at_the_page_where_the_last_attempt_stopped(pool: PgPool) {
    let mut desk = Desk::new(pool).await;
    desk.documents.limits.pages_parallel = 1;
    let id = desk.add(&sample("fax.tiff")).await;
    // A scripted fault replaces one answer: the second page's.
    let first_page_then = |fault| [Fault::Pass, fault];
    desk.next(&first_page_then(Fault::ServerError));
    assert_eq!(shown(desk.run(id).await).0, "retry");
    assert_eq!(desk.requests(), 2);
    let kept = desk.pages(id).await;
    assert_eq!(kept.len(), 1);
    let token = kept[0].text.clone().expect("the first page's text is kept for the retry");
    assert!(token.starts_with("gAAAA"), "it is stored in the clear");
    desk.run(id).await.unwrap();
    assert_eq!(desk.requests(), 2 + 2 + 1, "pages two and three, and the question about the whole");
    assert!(desk.pages(id).await.iter().all(|page| page.text.is_none()));
    assert_eq!(desk.row(id).await.ai_tokens_used, Some(tokens(&desk).await), "every call counts");
}

#[sqlx::test(migrator = "celeriac_migrations::MIGRATOR")]
async fn another_file_under_the_same_path_is_read_anew(pool: PgPool) {
    let mut desk = Desk::new(pool).await;
    desk.documents.limits.pages_parallel = 1;
    desk.consent(1).await;
    desk.write("documents/a.tiff", &sample("fax.tiff"));
    let id = desk.add_row(1, "documents/a.tiff").await;
    desk.next(&[Fault::Pass, Fault::ServerError]);
    assert_eq!(shown(desk.run(id).await).0, "retry");
    std::fs::remove_file(desk.path("documents/a.tiff")).unwrap();
    desk.write("documents/a.tiff", &picture(400, 300, ImageFormat::Png));
    let before = desk.requests();
    desk.run(id).await.unwrap();
    assert_eq!(desk.requests() - before, 2, "its one page, and the question about it");
    assert_eq!(desk.row(id).await.page_count, Some(1));
}

#[sqlx::test(migrator = "celeriac_migrations::MIGRATOR")]
async fn the_text_of_pages_goes_also_when_the_job_ends_without_a_result(pool: PgPool) {
    let mut desk = Desk::new(pool).await;
    desk.documents.limits.pages_parallel = 1;
    for outcome in [Outcome::new(State::Dead, 0).because("refused", "r"), Outcome::new(State::Cancelled, 0)] {
        let id = desk.add(&sample("fax.tiff")).await;
        desk.next(&[Fault::Pass, Fault::ServerError]);
        assert_eq!(shown(desk.run(id).await).0, "retry");
        assert!(desk.pages(id).await[0].text.is_some());
        desk.on_terminal(id, outcome.clone()).await;
        assert!(desk.pages(id).await.iter().all(|page| page.text.is_none()), "{outcome:?}");
    }
    let left = desk.ledger().await.into_iter().filter(|call| call.step == "read_page" && call.answer.is_some()).count();
    assert_eq!(left, 0, "answers of page readings are left in the ledger");
}

#[sqlx::test(migrator = "celeriac_migrations::MIGRATOR")]
async fn a_page_that_cannot_be_read_leaves_a_partial_result_or_none_by_policy(pool: PgPool) {
    let mut desk = Desk::new(pool).await;
    desk.documents.limits.pages_parallel = 1;
    let fax = sample("fax.tiff");
    let id = desk.add(&fax).await;
    desk.next(&[Fault::Pass, Fault::Refusal]);
    desk.run(id).await.unwrap();
    let row = desk.row(id).await;
    assert_eq!((row.status.as_str(), row.page_count, row.pages_missing), ("completed", Some(3), 1));
    let missing = desk.analysis(&row).pages_missing;
    assert_eq!((missing.len(), missing[0].page), (1, 2));
    assert_eq!(missing[0].reason, "The AI service declined to analyze this document.");
    assert_eq!(desk.pages(id).await[1].problem.as_deref(), Some(missing[0].reason.as_str()));

    desk.documents.limits.partial = Partial::Refuse;
    let id = desk.add(&fax).await;
    desk.next(&[Fault::Pass, Fault::Refusal]);
    let (next, told) = shown(desk.run(id).await);
    assert!(next == "bury" && told.starts_with("Page 2 could not be read. The AI service declined"), "{next}: {told}");
}

#[sqlx::test(migrator = "celeriac_migrations::MIGRATOR")]
async fn a_failure_that_may_pass_is_retried_and_only_in_the_last_attempt_a_missing_page(pool: PgPool) {
    let mut desk = Desk::new(pool).await;
    desk.documents.limits.pages_parallel = 1;
    let id = desk.add(&sample("fax.tiff")).await;
    desk.next(&[Fault::Pass, Fault::ServerError]);
    assert_eq!(shown(desk.run(id).await).0, "retry");
    desk.next(&[Fault::ServerError]);
    desk.last_run(id).await.unwrap();
    assert_eq!(desk.analysis(&desk.row(id).await).pages_missing[0].page, 2);
}

#[sqlx::test(migrator = "celeriac_migrations::MIGRATOR")]
async fn a_page_that_a_job_gave_up_is_not_paid_for_again_by_its_later_runs_nor_another_question_asked(pool: PgPool) {
    let mut desk = Desk::new(pool).await;
    desk.documents.limits.pages_parallel = 1;
    let id = desk.add(&sample("fax.tiff")).await;
    // The refusal is paid for; then the question about the document fails for now.
    desk.next(&[Fault::Pass, Fault::Refusal, Fault::Pass, Fault::ServerError]);
    assert_eq!(shown(desk.run(id).await).0, "retry");
    assert_eq!(desk.requests(), 4);
    // Its answer is committed, and saving it fails; the same answer serves the run after that.
    sqlx::query("alter table celeriac.documents add constraint never check (status <> 'completed')").execute(&desk.pool).await.unwrap();
    assert_eq!(shown(desk.run(id).await).0, "retry");
    assert_eq!(desk.requests(), 5, "only the question about the document was asked");
    sqlx::query("alter table celeriac.documents drop constraint never").execute(&desk.pool).await.unwrap();
    desk.last_run(id).await.unwrap();
    assert_eq!(desk.requests(), 5);
    assert_eq!(desk.analysis(&desk.row(id).await).pages_missing[0].reason, "The AI service declined to analyze this document.");

    // Another job tries the page anew.
    desk.decode(id).await.unwrap();
    assert_eq!(desk.requests(), 9);
    let again = desk.add(&sample("fax.tiff")).await;
    desk.next(&[Fault::Pass, Fault::Refusal, Fault::Pass, Fault::Refusal]);
    assert_eq!(shown(desk.run(again).await).0, "bury");
    desk.on_terminal(again, Outcome::new(State::Dead, 0)).await;
    desk.run(again).await.unwrap();
    assert_eq!(desk.row(again).await.pages_missing, 0);
}

#[sqlx::test(migrator = "celeriac_migrations::MIGRATOR")]
async fn with_reading_pictures_switched_off_text_is_studied_and_a_scan_is_refused(pool: PgPool) {
    let mut desk = Desk::new(pool).await;
    desk.documents.limits.ocr = Ocr::Off;
    let text = desk.add(&text_pdf(&["A page with more than eight words so that it is text."])).await;
    desk.run(text).await.unwrap();
    let scan = desk.add(&sample("scanned_letter.pdf")).await;
    let (next, told) = shown(desk.run(scan).await);
    assert!(next == "bury" && told.starts_with("No page of the document could be read. The page is a picture, and"), "{next}: {told}");
    assert_eq!(desk.requests(), 1);
}

async fn tokens(desk: &Desk) -> i32 {
    desk.ledger().await.iter().map(|call| call.input_tokens.unwrap_or(0) + call.output_tokens.unwrap_or(0)).sum()
}
