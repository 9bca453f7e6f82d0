//! What would be read of a file, without a document, a database or a model: for whoever wants to know before, and for tests.

use std::collections::BTreeSet;

use super::Limits;
use super::ocr::{self, Ocr, OcrFault};
use super::reader::{self, Content, Picture};
use crate::fault::{Fault, Next};
use crate::storage::StoredFile;

/// A page as the job would get it.
#[derive(Debug, Clone, PartialEq)]
pub enum InspectedPage {
    /// Its own text.
    Text(String),
    /// A scan, recognized on this machine; the confidence is 0 to 100.
    Recognized {
        text: String,
        confidence: f32,
    },
    /// A scan, for the model: pixels, and the size of its picture in bytes.
    Picture {
        width: u32,
        height: u32,
        bytes: usize,
    },
    Blank,
    /// The document has more text than is read.
    LeftOut,
    /// The sentence for the document's owner.
    Failed(String),
}

/// Why a file cannot be read.
#[derive(Debug, thiserror::Error)]
#[error("{sentence}")]
pub struct Unreadable {
    /// For the document's owner.
    pub sentence: String,
    /// Whether another try would end the same way.
    pub for_good: bool,
    /// For the operator.
    pub detail: Option<anyhow::Error>,
}

impl From<Fault> for Unreadable {
    fn from(fault: Fault) -> Self {
        let for_good = matches!(fault.next, Next::Never);
        Self { sentence: fault.sentence, for_good, detail: fault.detail }
    }
}

/// Reads the file page by page as the job does, and hands each page over as soon as it is read. Returns how many there are.
///
/// # Errors
/// When the file, or the rest of it, cannot be read; the pages before have been handed over.
pub async fn inspect(file: StoredFile, limits: &Limits, mut take: impl FnMut(InspectedPage)) -> Result<u32, Unreadable> {
    let mut pages = reader::open(file, limits, &BTreeSet::new()).await?;
    while let Some(page) = pages.next().await? {
        take(match page.content {
            Content::Text(text) => InspectedPage::Text(text),
            Content::Picture(picture) if limits.ocr == Ocr::Tesseract => recognize(&picture, limits).await?,
            Content::Picture(Picture { width, height, bytes, .. }) => InspectedPage::Picture { width, height, bytes: bytes.len() },
            Content::Blank => InspectedPage::Blank,
            Content::LeftOut | Content::Done => InspectedPage::LeftOut,
            Content::Failed(sentence) => InspectedPage::Failed(sentence),
        });
    }
    Ok(pages.page_count())
}

async fn recognize(picture: &Picture, limits: &Limits) -> Result<InspectedPage, Fault> {
    match ocr::tesseract(picture, limits).await {
        Ok(read) => Ok(InspectedPage::Recognized { text: read.text, confidence: read.confidence }),
        Err(OcrFault::Page(sentence)) => Ok(InspectedPage::Failed(sentence)),
        Err(OcrFault::Machinery(error)) => Err(error.into()),
    }
}
