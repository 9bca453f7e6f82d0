//! The documents' part of [`crate::fuzzing`].

use std::collections::BTreeSet;
use std::panic::{AssertUnwindSafe, catch_unwind};

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
    unpacked_max: 4_000_000,
    text_bytes_max: 100_000,
    pictures: Some(PictureForm { dots_per_inch: 72, side_max: 500, grey: false }),
    done: BTreeSet::new(),
};

/// An upload that is a picture, read as the child reads it, and the child's words as the parent reads them.
pub(crate) fn upload(file: &[u8]) {
    if sniff(file) != Ok(FileType::Pdf) {
        read(file, &CrashSite::default());
    }
}

/// An upload that is a PDF. A panic in its reader, which is a library's whole interpreter, is an answer of the child; so panics are silent
/// from here on, except those of the assertions below, which nobody catches.
pub(crate) fn pdf(file: &[u8]) {
    if sniff(file) == Ok(FileType::Pdf) {
        read(file, &CrashSite::watch());
    }
}

fn read(file: &[u8], crash_site: &CrashSite) {
    if file.is_empty() {
        return;
    }
    let mut wire = Vec::new();
    let read = || tell_file(file.to_vec(), &REQUEST, crash_site, &mut wire);
    let told = catch_unwind(AssertUnwindSafe(read)).unwrap_or_else(|_| Err(crash_site.fault()));
    let said = messages(&wire).expect("the child speaks in order");
    let Some((Message::Opened { pages: count }, pages)) = said.split_first() else {
        assert!(told.is_err() && said.is_empty(), "a file is told without its number of pages");
        return;
    };
    assert!((1..=REQUEST.pages_max).contains(count) && pages.len() <= *count as usize && (told.is_err() || pages.len() == *count as usize));
}

/// Whatever a child taken over by a file might say.
pub(crate) fn messages(mut wire: &[u8]) -> std::io::Result<Vec<Message>> {
    let mut said = Vec::new();
    while let Some((message, _)) = message::read(&mut wire).now_or_never().expect("bytes in memory do not wait")? {
        said.push(message);
    }
    Ok(said)
}
