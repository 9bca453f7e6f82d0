//! Every file of `samples/corpus/`, read by the real process within the memory it has in a small container, ends as its table says, and
//! none of them moves the memory of the process that asked: that one is the worker's.

use std::collections::BTreeSet;
use std::fs::File;
use std::path::{Path, PathBuf};
use std::time::Duration;

use celeriac_jobs::documents::{InspectedPage, Limits, Ocr, Unreadable, find_tesseract, inspect};
use celeriac_jobs::storage::Storage;
use serde::Deserialize;

use crate::desk::{limits, sample};
use crate::files::{deflated, packed_pdf, text_pdf, tiff_with_a_bad_second_page};

/// (512 MB - 128 MB for the worker) / 2 jobs, as in docker-compose.yml.
const CHILD_MEMORY_BYTES: u64 = 192_000_000;
/// A page in hand, the file's piece under way, and what the allocator keeps of them. The harmful files ask for thousands.
const WORKER_GROWTH_KB_MAX: u64 = 24_000;

#[derive(Deserialize)]
struct Table {
    file: Vec<Expected>,
}

#[derive(Deserialize)]
struct Expected {
    name: String,
    pages: Option<String>,
    says: Option<String>,
    refused: Option<String>,
}

#[tokio::test]
async fn every_file_of_the_corpus_ends_as_its_table_says_and_the_worker_does_not_grow() {
    let made = tempfile::tempdir().unwrap();
    make_files(made.path());
    let table = table();
    let listed: BTreeSet<_> = table.iter().map(|file| file.name.as_str()).filter(|name| !name.starts_with("made/")).collect();
    let there: Vec<_> = std::fs::read_dir(corpus()).unwrap().map(|entry| entry.unwrap().file_name().into_string().unwrap()).collect();
    let there: BTreeSet<_> = there.iter().map(String::as_str).filter(|name| *name != "outcomes.toml").collect();
    assert_eq!(listed, there, "the table and the folder differ");

    // The first peak is that of making the files.
    worker_peak_kb();
    let before = worker_peak_kb();
    let mut wrong = Vec::new();
    for file in &table {
        let (pages, end) = read(file, made.path(), Ocr::Vision).await;
        let (pages, end) = (in_words(&pages), end.err().map(|unreadable| (unreadable.sentence, unreadable.for_good)));
        let expected = (file.pages.clone().unwrap_or_default(), file.refused.clone().map(|sentence| (sentence, true)));
        if (&pages, &end) != (&expected.0, &expected.1) {
            wrong.push(format!("{}: {pages:?} {end:?}", file.name));
        }
        let grown = worker_peak_kb().saturating_sub(before);
        assert!(grown < WORKER_GROWTH_KB_MAX, "{}: the worker grew by {grown} kB", file.name);
    }
    assert!(wrong.is_empty(), "{wrong:#?}");
}

#[tokio::test]
async fn what_the_files_say_is_read_by_tesseract_where_it_is_a_picture() {
    let made = tempfile::tempdir().unwrap();
    for file in table() {
        let Some(says) = &file.says else { continue };
        let (pages, end) = read(&file, made.path(), Ocr::Tesseract).await;
        assert!(end.is_ok(), "{}: {end:?}", file.name);
        let text_of = |page: &InspectedPage| match page {
            InspectedPage::Text(text) | InspectedPage::Recognized { text, .. } => text.contains(says),
            _ => false,
        };
        let is_read = |page: &&InspectedPage| !matches!(page, InspectedPage::Blank);
        assert!(pages.iter().filter(is_read).all(text_of), "{}: {pages:?}", file.name);
    }
}

async fn read(file: &Expected, made: &Path, ocr: Ocr) -> (Vec<InspectedPage>, Result<u32, Unreadable>) {
    let tesseract = find_tesseract().expect("tesseract is installed by `scripts/bootstrap test`; see its last lines");
    let timeout = Duration::from_secs(60);
    let limits = Limits { child_memory_bytes: CHILD_MEMORY_BYTES, child_timeout: timeout, ocr, tesseract, ..limits() };
    let (folder, name) = match file.name.strip_prefix("made/") {
        Some(name) => (made.to_owned(), name),
        None => (corpus(), file.name.as_str()),
    };
    let stored = Storage::local(&folder).unwrap().open(name).await.unwrap();
    let mut pages = Vec::new();
    let end = inspect(stored, &limits, |page| pages.push(page)).await;
    (pages, end)
}

fn in_words(pages: &[InspectedPage]) -> String {
    let word = |page: &InspectedPage| match page {
        InspectedPage::Text(_) => "text",
        InspectedPage::Picture { .. } => "picture",
        InspectedPage::Recognized { .. } => "recognized",
        InspectedPage::Blank => "blank",
        InspectedPage::LeftOut => "left out",
        InspectedPage::Failed(_) => "failed",
    };
    let words: Vec<_> = pages.iter().map(word).collect();
    if words.len() > 10 && words.iter().all(|word| *word == words[0]) {
        format!("{} × {}", words.len(), words[0])
    } else {
        words.join(" ")
    }
}

fn table() -> Vec<Expected> {
    let text = std::fs::read_to_string(corpus().join("outcomes.toml")).unwrap();
    toml::from_str::<Table>(&text).unwrap().file
}

fn corpus() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("../samples/corpus")
}

/// Those too large to be kept, or made of others.
fn make_files(folder: &Path) {
    let write = |name: &str, contents: &[u8]| std::fs::write(folder.join(name), contents).unwrap();
    write("100_pages.pdf", &text_pdf(&["one page of many"; 100]));
    write("101_pages.pdf", &text_pdf(&["one page of many"; 101]));
    write("second_page_damaged.tiff", &tiff_with_a_bad_second_page(sample("fax.tiff")));
    image::RgbImage::new(10_000, 10_000).save(folder.join("picture_of_100_million_pixels.png")).unwrap();
    let spaces = deflated(150_000_000);
    write("flate_bomb.pdf", &packed_pdf("/Filter /FlateDecode", &spaces));
    let small = "/Type /XObject /Subtype /Image /Width 10 /Height 10 /ColorSpace /DeviceGray /BitsPerComponent 8 /Filter /FlateDecode";
    write("small_image_bomb.pdf", &packed_pdf(small, &spaces));
    write("run_length_bomb.pdf", &packed_pdf("/Filter /RunLengthDecode", &[[129, b' '].repeat(1_172_000), vec![128]].concat()));
    let lzw = weezl::encode::Encoder::with_tiff_size_switch(weezl::BitOrder::Msb, 8).encode(&vec![b' '; 150_000_000]).unwrap();
    write("lzw_bomb.pdf", &packed_pdf("/Filter /LZWDecode", &lzw));
    write("1_gb.tiff", b"II*\0\x08\0\0\0");
    File::options().write(true).open(folder.join("1_gb.tiff")).unwrap().set_len(1_000_000_000).unwrap();
}

/// The most memory this process has had, since it began or this was last asked.
#[cfg(target_os = "linux")]
fn worker_peak_kb() -> u64 {
    let status = std::fs::read_to_string("/proc/self/status").unwrap();
    let peak = status.lines().find_map(|line| line.strip_prefix("VmHWM:")).unwrap();
    // Begins anew; where that is forbidden, the peak of the whole run is compared, which is stricter.
    let _ = std::fs::write("/proc/self/clear_refs", "5");
    peak.trim().trim_end_matches(" kB").parse().unwrap()
}

#[cfg(not(target_os = "linux"))]
fn worker_peak_kb() -> u64 {
    0
}
