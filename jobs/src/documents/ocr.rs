//! Scanned pages read by tesseract on this machine: one confined process a page, which gives its words and how sure it is of each.

use std::path::{Path, PathBuf};
use std::process::{ExitStatus, Stdio};

use anyhow::Context;
use celeriac_process::Settings;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::process::Child;

use super::Limits;
use super::child::OCR_SUBCOMMAND;
use super::child::ocr::OcrRequest;
use super::ocr_words;
use super::reader::Picture;
use super::reading_fault::megabytes;

/// The program's name.
pub(super) const TESSERACT: &str = "tesseract";

/// Its table of words for the densest page is some hundred kilobytes.
const ANSWER_BYTES_MAX: u64 = 8_000_000;
/// Print upright is recognized with more than 80; a page on its side or head with less than this.
const DOUBTFUL_BELOW: f32 = 60.0;

/// How pages without text of their own are read.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Ocr {
    /// On this machine, by tesseract.
    Tesseract,
    /// By the vision model, with the rest of the question.
    Vision,
    /// Not at all.
    Off,
}

impl Ocr {
    /// What DOCUMENT_OCR says; `auto` is tesseract where it is installed, and the vision model elsewhere.
    pub fn from_settings(settings: &Settings) -> Self {
        match settings.text("DOCUMENT_OCR") {
            "tesseract" => Self::Tesseract,
            "vision" => Self::Vision,
            "off" => Self::Off,
            _ if tesseract_installed() => Self::Tesseract,
            _ => Self::Vision,
        }
    }
}

/// Where tesseract is, by PATH.
pub fn find_tesseract() -> Option<PathBuf> {
    let folders = std::env::var_os("PATH")?;
    std::env::split_paths(&folders).map(|folder| folder.join(TESSERACT)).find(|program| program.is_file())
}

/// Whether tesseract is in PATH.
pub fn tesseract_installed() -> bool {
    find_tesseract().is_some()
}

/// A page's text.
#[derive(Debug, Clone, PartialEq)]
pub(super) struct Recognized {
    /// Paragraphs parted by blank lines; empty where no word was found.
    pub(super) text: String,
    /// 0 to 100: the mean over the words, by tesseract's own account. 0 where there are none.
    pub(super) confidence: f32,
}

/// Why a page was not recognized.
#[derive(Debug)]
pub(super) enum OcrFault {
    /// This page cannot be: another try would end the same way. The sentence for the document's owner.
    Page(String),
    /// The machinery failed: tesseract is missing, lacks a language, or cannot be confined. Another try may find it mended.
    Machinery(anyhow::Error),
}

impl<E: Into<anyhow::Error>> From<E> for OcrFault {
    fn from(error: E) -> Self {
        Self::Machinery(error.into())
    }
}

/// Recognizes one page, in a process that dies with the returned future.
///
/// A page that hardly reads is tried once more with a look at how it lies, as it may be on its side or head.
pub(super) async fn tesseract(picture: &Picture, limits: &Limits) -> Result<Recognized, OcrFault> {
    let upright = recognize(picture, limits, Layout::Upright).await?;
    if upright.confidence >= DOUBTFUL_BELOW {
        return Ok(upright);
    }
    let turned = recognize(picture, limits, Layout::Turned).await?;
    Ok(if turned.confidence > upright.confidence { turned } else { upright })
}

/// How tesseract looks at a page (its `--psm`).
#[derive(Debug, Clone, Copy)]
enum Layout {
    /// Columns and paragraphs are found, the page is taken to be upright.
    Upright,
    /// The same after finding out how the page lies, for which tesseract needs its data `osd`; without it, as upright.
    Turned,
}

async fn recognize(picture: &Picture, limits: &Limits, layout: Layout) -> Result<Recognized, OcrFault> {
    let mut child = start(limits, layout)?;
    let mut input = child.stdin.take().context("tesseract has an input")?;
    let mut output = child.stdout.take().context("tesseract has an output")?.take(ANSWER_BYTES_MAX);
    let mut words = Vec::new();
    let feed = async {
        // One that ends early says so by how it ends.
        let _ = input.write_all(&picture.bytes).await;
        drop(input);
    };
    let talk = async {
        let ((), heard) = tokio::join!(feed, output.read_to_end(&mut words));
        heard.context("listening to tesseract")?;
        child.wait().await.context("waiting for tesseract")
    };
    let Ok(status) = tokio::time::timeout(limits.child_timeout, talk).await else {
        return Err(OcrFault::Page(format!(
            "Recognizing the page takes longer than the {} seconds allowed.",
            limits.child_timeout.as_secs()
        )));
    };
    let status = status?;
    if !status.success() {
        return Err(failure(status, limits));
    }
    ocr_words::read(&String::from_utf8_lossy(&words)).ok_or_else(|| too_much(limits))
}

fn start(limits: &Limits, layout: Layout) -> anyhow::Result<Child> {
    let request = OcrRequest {
        program: limits.tesseract.clone(),
        languages: limits.ocr_languages.clone(),
        page_segmentation_mode: match layout {
            Layout::Upright => 3,
            Layout::Turned => 1,
        },
        data: std::env::var_os("TESSDATA_PREFIX").map(PathBuf::from),
        memory_bytes: limits.child_memory_bytes,
        cpu_seconds: limits.child_timeout.as_secs().max(1),
    };
    limits.child_program.start(OCR_SUBCOMMAND, &request).context("starting tesseract")
}

/// Ended by a signal, it was the page (memory, time, a mistake in a decoder); ended by itself, it could not begin.
fn failure(status: ExitStatus, limits: &Limits) -> OcrFault {
    use std::os::unix::process::ExitStatusExt;
    if status.signal().is_some() {
        return too_much(limits);
    }
    OcrFault::Machinery(anyhow::anyhow!(
        "tesseract ended with {status}: is it installed with the languages of DOCUMENT_OCR_LANGUAGES? `tesseract --list-langs` lists them"
    ))
}

fn too_much(limits: &Limits) -> OcrFault {
    let (memory, seconds) = (megabytes(limits.child_memory_bytes), limits.child_timeout.as_secs());
    OcrFault::Page(format!("Recognizing the page needs more than the {memory} of memory or the {seconds} seconds allowed."))
}

/// What of those languages tesseract has no data for, by its own account.
///
/// # Errors
/// When it cannot be asked.
pub fn missing_languages(program: &Path, languages: &str) -> anyhow::Result<Vec<String>> {
    let answer = std::process::Command::new(program).arg("--list-langs").stdin(Stdio::null()).output().context("starting tesseract")?;
    let known = String::from_utf8_lossy(&answer.stdout).into_owned();
    let known: Vec<&str> = known.lines().map(str::trim).collect();
    Ok(languages.split('+').filter(|language| !known.contains(language)).map(str::to_owned).collect())
}
