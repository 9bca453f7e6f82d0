//! A whole document at once, its scans as pictures for the vision model.

use std::collections::BTreeSet;

use super::Limits;
use super::ocr::Ocr;
use super::reader::{self, Content, Picture};
use crate::fault::Fault;
use crate::storage::StoredFile;

/// All pictures of one document. With their base64 and their place in the request, they take about four times this in the worker.
const PICTURES_BYTES_MAX: usize = 12_000_000;

/// What was read of a file.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Reading {
    pub(super) pages: Vec<Page>,
}

/// One page, in the order of the file.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Page {
    Text(String),
    Picture {
        media_type: String,
        bytes: Vec<u8>,
    },
    Blank,
    /// Not read: the document's limit of text or pictures was reached before it.
    LeftOut,
}

impl Reading {
    pub(super) fn page_count(&self) -> i32 {
        i32::try_from(self.pages.len()).unwrap_or(i32::MAX)
    }

    /// Characters of native text.
    pub(super) fn text_length(&self) -> i32 {
        let characters = self.pages.iter().map(|page| if let Page::Text(text) = page { text.chars().count() } else { 0 }).sum::<usize>();
        i32::try_from(characters).unwrap_or(i32::MAX)
    }
}

/// Reads every page; one that cannot be read fails the whole.
pub(super) async fn read(file: StoredFile, limits: &Limits) -> Result<Reading, Fault> {
    let limits = Limits { ocr: Ocr::Vision, ..limits.clone() };
    let mut stream = reader::open(file, &limits, &BTreeSet::new()).await?;
    let mut pages = Vec::with_capacity(stream.page_count() as usize);
    let mut room = PICTURES_BYTES_MAX;
    while let Some(page) = stream.next().await? {
        pages.push(match page.content {
            Content::Text(text) => Page::Text(text),
            Content::Picture(Picture { media_type, bytes, .. }) if bytes.len() <= room => {
                room -= bytes.len();
                Page::Picture { media_type, bytes }
            }
            Content::Picture(_) | Content::Done | Content::LeftOut => Page::LeftOut,
            Content::Blank => Page::Blank,
            Content::Failed(sentence) => return Err(Fault::never(sentence)),
        });
    }
    Ok(Reading { pages })
}
