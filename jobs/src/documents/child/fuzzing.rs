//! The documents' part of [`crate::fuzzing`].

use std::collections::BTreeSet;

use futures::FutureExt;

use super::crash_site::CrashSite;
use super::message::{self, Message, PictureForm, Request};
use super::sniff::{FileType, sniff};
use super::tell_file;

/// Small, so that many files are read in a second.
const REQUEST: Request = Request {
    memory_bytes: 64_000_000,
    cpu_seconds: 60,
    file_bytes: 1_000_000,
    pages_max: 20,
    pixels_max: 250_000,
    text_bytes_max: 100_000,
    pictures: Some(PictureForm { dots_per_inch: 72, side_max: 500, grey: false }),
    done: BTreeSet::new(),
};

/// An upload, read as the child reads it, and the child's words as the parent reads them. PDFs are only recognised: their reader is a
/// library's whole interpreter, and a panic in it is an answer of the child.
pub(crate) fn upload(file: &[u8]) {
    if file.is_empty() || sniff(file) == Ok(FileType::Pdf) {
        return;
    }
    let mut wire = Vec::new();
    let told = tell_file(file.to_vec(), &REQUEST, &CrashSite::default(), &mut wire);
    let pages =
        messages(&wire).expect("the child speaks in order").into_iter().filter(|said| !matches!(said, Message::Opened { .. })).count();
    assert!(pages <= REQUEST.pages_max as usize && (told.is_err() || pages > 0));
}

/// Whatever a child taken over by a file might say.
pub(crate) fn messages(mut wire: &[u8]) -> std::io::Result<Vec<Message>> {
    let mut said = Vec::new();
    while let Some((message, _)) = message::read(&mut wire).now_or_never().expect("bytes in memory do not wait")? {
        said.push(message);
    }
    Ok(said)
}
