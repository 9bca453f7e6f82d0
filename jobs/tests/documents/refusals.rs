//! A document that cannot be processed fails at once, with its own plain sentence, and nobody is asked or paid.

use std::fs::File;

use celeriac_jobs::documents::Limits;
use image::ImageFormat;
use sqlx::PgPool;

use crate::desk::{Desk, limits, sample, shown};
use crate::files::{claiming_png, deflated, locked_pdf, packed_pdf, picture, text_pdf};

#[sqlx::test(migrator = "celeriac_migrations::MIGRATOR")]
async fn each_file_that_cannot_be_read_has_its_own_sentence(pool: PgPool) {
    let mut desk = Desk::new(pool).await;
    let pages = vec!["one page of many"; 101];
    let starved = Limits { child_memory_bytes: 64_000_000, ..limits() };
    let cases: Vec<(Vec<u8>, Limits, &str)> = vec![
        (b"%PDF-1.7\nthis is no PDF".to_vec(), limits(), "The file is damaged and cannot be read as a PDF."),
        (locked_pdf(), limits(), "The PDF is protected by a password. Please upload it again without the password."),
        (text_pdf(&pages), limits(), "The document has 101 pages; at most 100 can be processed."),
        (text_pdf(&[""]), limits(), "The document is blank: there is neither text nor a picture on its pages."),
        (Vec::new(), limits(), "The file is empty."),
        (b"Dear Sir or Madam".to_vec(), limits(), "The file is not a PDF, JPEG, PNG or TIFF; it looks like plain text."),
        (
            b"PK\x03\x04\xff".to_vec(),
            limits(),
            "The file is not a PDF, JPEG, PNG or TIFF; it looks like a ZIP archive or an Office document.",
        ),
        (claiming_png(60_000, 60_000), limits(), "The picture is 60000 × 60000 pixels large; at most 100 million pixels can be processed."),
        (claiming_png(10, 10), limits(), "The file is damaged and cannot be read as a PNG."),
        (b"\xff\xd8\xff\xe0 cut".to_vec(), limits(), "The file is damaged and cannot be read as a JPEG."),
        (b"II*\0\x08\0\0\0\x01".to_vec(), limits(), "The file is damaged and cannot be read as a TIFF."),
        (
            picture(6_000, 6_000, ImageFormat::Png),
            starved,
            "Reading the file needs more than the 64 MB of memory allowed; it may be damaged or made to do harm.",
        ),
        (
            sample("corpus/image_of_lies.pdf"),
            limits(),
            "The picture is 60000 × 60000 pixels large; at most 100 million pixels can be processed.",
        ),
        (
            packed_pdf("/Filter /FlateDecode", &deflated(3_000_000)),
            Limits { unpacked_max: 2_000_000, ..limits() },
            "A part of the PDF unpacks to 3 MB; at most 2 MB can be processed.",
        ),
    ];
    for (file, limits, sentence) in cases {
        desk.documents.limits = limits;
        let id = desk.add(&file).await;
        let (next, told) = shown(desk.run(id).await);
        assert_eq!(
            (next, told.starts_with(sentence.trim_end_matches('.'))),
            ("bury", true),
            "{sentence:?} was expected, told was {told:?}"
        );
        assert_eq!(desk.row(id).await.error_message.as_deref(), Some(sentence));
    }
    assert_eq!(desk.requests(), 0);
    assert_eq!(desk.ledger().await, []);
}

#[sqlx::test(migrator = "celeriac_migrations::MIGRATOR")]
async fn a_file_over_the_size_limit_is_refused_before_it_is_read(pool: PgPool) {
    let desk = Desk::new(pool).await;
    desk.consent(1).await;
    desk.write("documents/large.pdf", b"%PDF-1.7");
    File::options().write(true).open(desk.path("documents/large.pdf")).unwrap().set_len(51 * 1024 * 1024).unwrap();
    let id = desk.add_row(1, "documents/large.pdf").await;
    let sentence = "The file is 51 MB large; at most 50 MB can be processed.";
    assert_eq!(shown(desk.run(id).await), ("bury", sentence.to_owned()));
    assert_eq!(desk.row(id).await.error_message.as_deref(), Some(sentence));
}

#[sqlx::test(migrator = "celeriac_migrations::MIGRATOR")]
async fn an_allocation_that_takes_the_reading_process_down_fails_its_document_only(pool: PgPool) {
    let mut desk = Desk::new(pool).await;
    desk.consent(1).await;
    desk.documents.limits = Limits { bytes_max: 500_000_000, child_memory_bytes: 100_000_000, ..limits() };
    desk.write("documents/bomb.pdf", b"%PDF-1.7");
    File::options().write(true).open(desk.path("documents/bomb.pdf")).unwrap().set_len(200_000_000).unwrap();
    let id = desk.add_row(1, "documents/bomb.pdf").await;
    let (next, told) = shown(desk.run(id).await);
    assert_eq!(next, "bury");
    assert!(told.starts_with("Reading the file needs more than the 100 MB of memory allowed;") && told.contains("signal: 6"), "{told}");
    let healthy = desk.add(&text_pdf(&["The next document is processed as if nothing had been."])).await;
    desk.run(healthy).await.unwrap();
}

#[sqlx::test(migrator = "celeriac_migrations::MIGRATOR")]
async fn what_is_missing_or_not_allowed_is_said_and_nothing_is_read(pool: PgPool) {
    let desk = Desk::new(pool).await;
    assert_eq!(shown(desk.run(404).await), ("bury", "There is no document 404.".to_owned()));

    desk.write("documents/a.pdf", &text_pdf(&["text"]));
    let unwilling = desk.add_row(2, "documents/a.pdf").await;
    let sentence = "You have not agreed to processing by AI, so the document was not read. Please agree and upload it again.";
    assert_eq!(shown(desk.run(unwilling).await), ("bury", sentence.to_owned()));

    desk.consent(2).await;
    sqlx::query("update celeriac.consents set revoked_at = now() where user_id = 2").execute(&desk.pool).await.unwrap();
    assert_eq!(shown(desk.run(unwilling).await).1, sentence, "a revoked consent counted");

    desk.consent(1).await;
    let lost = desk.add_row(1, "documents/never.pdf").await;
    assert_eq!(shown(desk.run(lost).await).1, "The file of this document is not in the storage. Please upload it again.");

    let outside = desk.add_row(1, "../../etc/passwd").await;
    let (next, told) = shown(desk.run(outside).await);
    assert_eq!((next, told.starts_with("The stored path of this document is not valid")), ("bury", true), "{told}");

    let deleted = desk.add_row(1, "documents/a.pdf").await;
    sqlx::query("update celeriac.documents set deleted_at = now() where id = $1").bind(deleted).execute(&desk.pool).await.unwrap();
    assert_eq!(shown(desk.run(deleted).await).1, format!("Document {deleted} has been deleted, so it is not processed."));
    assert_eq!(desk.requests(), 0);
}
