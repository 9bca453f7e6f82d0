//! A file is read page by page: what one page suffers is its own, and the worker waits for no more than it asked for.

use std::os::unix::fs::PermissionsExt;
use std::time::Duration;

use celeriac_jobs::documents::{ChildProgram, InspectedPage, Limits, Ocr};

use crate::desk::{inspected, limits, sample};
use crate::files::{text_pdf, tiff_with_a_bad_second_page};

#[tokio::test]
async fn a_page_that_cannot_be_read_leaves_the_others() {
    let (pages, end) = inspected(tiff_with_a_bad_second_page(sample("fax.tiff")), &limits()).await;
    assert_eq!(end.unwrap(), 3);
    let [InspectedPage::Picture { .. }, InspectedPage::Failed(sentence), InspectedPage::Picture { .. }] = &pages[..] else {
        panic!("{pages:?}");
    };
    assert_eq!(sentence, "The page is a picture of a kind that cannot be read.");
}

#[tokio::test]
async fn pictures_are_of_the_form_their_reader_wants() {
    let scan = sample("scanned_letter.pdf");
    let (pages, _) = inspected(scan.clone(), &Limits { ocr: Ocr::Vision, ..limits() }).await;
    let sides: Vec<_> =
        pages.iter().map(|page| if let InspectedPage::Picture { width, height, .. } = page { (*width, *height) } else { (0, 0) }).collect();
    assert_eq!(sides, [(1_545, 2_000), (1_545, 2_000)]);
    let (pages, end) = inspected(scan, &Limits { ocr: Ocr::Off, ..limits() }).await;
    let sentence = "The page is a picture, and reading pictures is switched off.";
    assert_eq!(pages, vec![InspectedPage::Failed(sentence.into()); 2]);
    assert_eq!(end.unwrap(), 2);
}

#[tokio::test]
async fn a_child_that_dies_half_way_has_told_the_pages_before() {
    let folder = tempfile::tempdir().unwrap();
    // The real child, whose words are cut off inside the second page; then it dies as of an allocation.
    let program = folder.path().join("dying");
    let reader = crate::desk::reader();
    let script = format!("#!/bin/sh\n{} \"$@\" 2>/dev/null | head -c 130\nkill -ABRT $$\n", reader.display());
    std::fs::write(&program, script).unwrap();
    std::fs::set_permissions(&program, std::fs::Permissions::from_mode(0o755)).unwrap();
    let dying = Limits { child_program: ChildProgram::At(program), ..limits() };
    let file = text_pdf(&["the first page", "the second page, which is longer than what is left of the words"]);
    let (pages, end) = inspected(file, &dying).await;
    assert_eq!(pages, [InspectedPage::Text("the first page".into())]);
    let end = end.unwrap_err();
    assert!(end.for_good && end.sentence.starts_with("Reading the file needs more than the 1000 MB of memory allowed;"), "{end:?}");
}

#[tokio::test]
async fn time_between_pages_is_not_the_childs() {
    let slow = Limits { child_timeout: Duration::from_secs(6), ..limits() };
    let mut seen = 0;
    let file = crate::desk::stored(text_pdf(&["one", "two", "three"]));
    let end = celeriac_jobs::documents::inspect(file, &slow, |_| {
        seen += 1;
        std::thread::sleep(Duration::from_millis(2_500));
    });
    assert_eq!(end.await.unwrap(), 3);
    assert_eq!(seen, 3);
}
