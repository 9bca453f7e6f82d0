//! Tells the parent each page as it is read, within the limits of the whole document. A page that cannot be read, be it that the parser
//! panics, is told as such, and the others go on.
//!
//! The parent takes a page at a time: while it is busy with one, writing the next but few waits, so no pages pile up anywhere.

use std::collections::BTreeSet;
use std::io::Write;
use std::panic::{AssertUnwindSafe, catch_unwind};

use super::crash_site::CrashSite;
use super::message::{self, Message, ReadFault, Request};
use super::picture::Picture;

pub(super) struct Teller<'a> {
    out: &'a mut dyn Write,
    crash_site: &'a CrashSite,
    done: &'a BTreeSet<u32>,
    pages_max: u32,
    text_bytes_left: u64,
    /// Pages of the file.
    pages: u32,
    /// The page told last.
    page: u32,
}

/// What is on a page.
pub(super) enum Content {
    Text(String),
    Picture(Picture),
    /// A scan that nobody wants as a picture.
    Scan,
    Blank,
}

impl<'a> Teller<'a> {
    pub(super) fn new(out: &'a mut dyn Write, request: &'a Request, crash_site: &'a CrashSite) -> Self {
        let Request { done, pages_max, text_bytes_max, .. } = request;
        Self { out, crash_site, done, pages_max: *pages_max, text_bytes_left: *text_bytes_max, pages: 0, page: 0 }
    }

    /// Called once, before any page.
    pub(super) fn open(&mut self, pages: usize) -> Result<(), ReadFault> {
        self.pages = u32::try_from(pages).unwrap_or(u32::MAX);
        if self.pages > self.pages_max {
            return Err(ReadFault::TooManyPages { pages: self.pages, max: self.pages_max });
        }
        self.send(&Message::Opened { pages: self.pages }, b"");
        Ok(())
    }

    /// Reads the next page, unless it is done, and tells it.
    ///
    /// # Errors
    /// When it is the only page and cannot be read: then the file cannot.
    pub(super) fn page(&mut self, read: impl FnOnce() -> Result<Content, ReadFault>) -> Result<(), ReadFault> {
        self.page += 1;
        let page = self.page;
        if self.done.contains(&page) {
            self.send(&Message::Skipped { page }, b"");
            return Ok(());
        }
        let read = catch_unwind(AssertUnwindSafe(read)).unwrap_or_else(|_| Err(self.crash_site.fault()));
        match read {
            Ok(content) => self.tell(page, content),
            Err(fault) if self.pages == 1 => return Err(fault),
            Err(fault) => self.send(&Message::PageFailed { page, fault }, b""),
        }
        Ok(())
    }

    fn tell(&mut self, page: u32, content: Content) {
        match content {
            Content::Text(text) if text.len() as u64 > self.text_bytes_left => {
                self.text_bytes_left = 0;
                self.send(&Message::LeftOut { page }, b"");
            }
            Content::Text(text) => {
                self.text_bytes_left -= text.len() as u64;
                self.send(&Message::Text { page }, text.as_bytes());
            }
            Content::Picture(Picture { media_type, width, height, bytes }) => {
                self.send(&Message::Picture { page, media_type: media_type.to_owned(), width, height }, &bytes);
            }
            Content::Scan => self.send(&Message::Scan { page }, b""),
            Content::Blank => self.send(&Message::Blank { page }, b""),
        }
    }

    /// A parent that is gone has nobody to tell: end at once, quietly.
    fn send(&mut self, message: &Message, body: &[u8]) {
        if message::write(&mut self.out, message, body).is_err() {
            std::process::exit(super::PARENT_GONE);
        }
    }
}
