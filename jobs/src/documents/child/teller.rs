//! Tells the parent each page as it is read, within the limits of the whole document.

use std::io::Write;

use super::message::{self, Message, ReadFault, Request};
use super::picture::Picture;

pub(super) struct Teller<'a> {
    out: &'a mut dyn Write,
    pages_max: u32,
    text_bytes_left: u64,
    pictures_bytes_left: u64,
    page: u32,
}

impl<'a> Teller<'a> {
    pub(super) fn new(out: &'a mut dyn Write, request: &Request) -> Self {
        Self {
            out,
            pages_max: request.pages_max,
            text_bytes_left: request.text_bytes_max,
            pictures_bytes_left: request.pictures_bytes_max,
            page: 0,
        }
    }

    /// Called once, before any page.
    pub(super) fn open(&mut self, pages: usize) -> Result<(), ReadFault> {
        let pages = u32::try_from(pages).unwrap_or(u32::MAX);
        if pages > self.pages_max {
            return Err(ReadFault::TooManyPages { pages, max: self.pages_max });
        }
        self.send(&Message::Opened { pages }, b"");
        Ok(())
    }

    pub(super) fn text(&mut self, text: &str) {
        let page = self.next_page();
        if text.len() as u64 > self.text_bytes_left {
            self.text_bytes_left = 0;
            return self.send(&Message::LeftOut { page }, b"");
        }
        self.text_bytes_left -= text.len() as u64;
        self.send(&Message::Text { page }, text.as_bytes());
    }

    pub(super) fn blank(&mut self) {
        let page = self.next_page();
        self.send(&Message::Blank { page }, b"");
    }

    /// Makes the picture only while there is room for one.
    pub(super) fn picture(&mut self, make: impl FnOnce() -> Result<Picture, ReadFault>) -> Result<(), ReadFault> {
        let page = self.next_page();
        if self.pictures_bytes_left > 0 {
            let Picture { media_type, width, height, bytes } = make()?;
            if bytes.len() as u64 <= self.pictures_bytes_left {
                self.pictures_bytes_left -= bytes.len() as u64;
                self.send(&Message::Picture { page, media_type: media_type.to_owned(), width, height }, &bytes);
                return Ok(());
            }
            self.pictures_bytes_left = 0;
        }
        self.send(&Message::LeftOut { page }, b"");
        Ok(())
    }

    fn next_page(&mut self) -> u32 {
        self.page += 1;
        self.page
    }

    /// A parent that is gone has nobody to tell: end at once, quietly.
    fn send(&mut self, message: &Message, body: &[u8]) {
        if message::write(&mut self.out, message, body).is_err() {
            std::process::exit(super::PARENT_GONE);
        }
    }
}
