//! The worker's side of reading a file: starts the child, feeds it, and takes its pages one at a time.
//!
//! The child reads a page ahead at most: while nobody asks for the next page, its words wait in the pipe, so the worker holds no pages
//! but those its caller has in hand.

use std::collections::BTreeSet;
use std::path::PathBuf;
use std::pin::pin;
use std::process::Stdio;
use std::time::{Duration, Instant};

use anyhow::{Context, anyhow};
use futures::StreamExt;
use serde::Serialize;
use sha2::{Digest, Sha256};
use tokio::io::AsyncWriteExt;
use tokio::process::{Child, ChildStdin, ChildStdout, Command};

use super::Limits;
use super::child::SUBCOMMAND;
use super::child::message::{self, Message, PictureForm, Request};
use super::ocr::Ocr;
use super::reading_fault::{self, too_slow};
use crate::fault::Fault;
use crate::storage::StoredFile;

/// All text of one document: some thousand dense pages.
const TEXT_BYTES_MAX: u64 = 8_000_000;

/// The model looks at no more than about 2,000 pixels.
const FOR_THE_MODEL: PictureForm = PictureForm { dots_per_inch: 200, side_max: 2_000, grey: false };
/// Tesseract was trained on print at 300 dots per inch; this is an A4 page of them.
const FOR_TESSERACT: PictureForm = PictureForm { dots_per_inch: 300, side_max: 3_510, grey: true };

/// The program that reads files when it is started with [`SUBCOMMAND`].
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum ChildProgram {
    /// This program again: its `main` begins with [`super::child::run_child_if_asked`].
    Itself,
    /// Another one whose `main` does, for a program that is not ours to change (a test runner).
    At(PathBuf),
}

impl ChildProgram {
    /// Starts it confined, for one request; it dies with the returned child. No secrets for a process that a stranger's file may take over.
    pub(super) fn start(&self, subcommand: &str, request: &impl Serialize) -> anyhow::Result<Child> {
        let child = Command::new(self.path()?)
            .args([subcommand, &serde_json::to_string(request)?])
            .env_clear()
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .stderr(Stdio::null())
            .kill_on_drop(true)
            .spawn()?;
        Ok(child)
    }

    /// The program of this very process. On Linux also when a deployment has replaced its file meanwhile: the link leads to what is
    /// running, and the child must be of the same version.
    fn path(&self) -> anyhow::Result<PathBuf> {
        if let Self::At(path) = self {
            return Ok(path.clone());
        }
        let running = PathBuf::from("/proc/self/exe");
        if cfg!(target_os = "linux") && running.exists() {
            return Ok(running);
        }
        std::env::current_exe().context("finding the worker's own program")
    }
}

/// One page, told in the order of the file.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct ReadPage {
    /// From 1.
    pub(super) number: u32,
    pub(super) content: Content,
}

#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Content {
    /// Its own text.
    Text(String),
    /// A scan, to be recognized.
    Picture(Picture),
    Blank,
    /// It was among the pages done already.
    Done,
    /// Not read: the document's limit of text was reached before it.
    LeftOut,
    /// This page cannot be read, while others can; why, for the document's owner.
    Failed(String),
}

/// A scanned page as the child has drawn it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Picture {
    pub(super) media_type: String,
    pub(super) width: u32,
    pub(super) height: u32,
    pub(super) bytes: Vec<u8>,
}

/// The pages of a file that a child process is reading; the process dies with this.
pub(super) struct PageStream {
    child: Child,
    /// Gone while the next page is waited for: a wait that was given up may have taken half a message.
    output: Option<ChildStdout>,
    page_count: u32,
    content_sha256: String,
    told: u32,
    limits: Limits,
    /// What is left of the time that may be spent waiting for the child.
    patience: Duration,
}

/// Starts reading the file, without the pages that are `done`.
///
/// # Errors
/// When the file is not one that can be read, with the sentence for its owner; or when the child cannot be started or the file not be
/// fetched, which another try may mend.
pub(super) async fn open(file: StoredFile, limits: &Limits, done: &BTreeSet<u32>) -> Result<PageStream, Fault> {
    let mut child = start(&file, limits, done)?;
    let input = child.stdin.take().context("the reading process has an input")?;
    let output = child.stdout.take().context("the reading process has an output")?;
    let (limits, patience) = (limits.clone(), limits.child_timeout);
    let mut pages = PageStream { child, output: Some(output), page_count: 0, content_sha256: String::new(), told: 0, limits, patience };
    let mut content_sha256 = String::new();
    let heard = {
        let (mut feeding, mut hearing) = (pin!(feed(input, file, patience)), pin!(pages.hear()));
        tokio::select! {
            biased;
            // First of all whether it was given the whole file: of a part it can only say that it is damaged.
            fed = &mut feeding => {
                content_sha256 = fed?;
                tokio::time::timeout(patience, hearing).await.unwrap_or_else(|_| Err(too_slow(patience)))
            }
            heard = &mut hearing => {
                // It opens the file when it has the last byte, which the feeder may not know yet. If it has died or refused, the rest is of
                // no use.
                if matches!(heard, Ok((Message::Opened { .. }, _))) {
                    content_sha256 = feeding.await?;
                }
                heard
            }
        }
    };
    match heard? {
        (Message::Opened { pages: count }, _) if count <= pages.limits.pages_max => pages.page_count = count,
        (Message::Failed { fault }, _) => return Err(reading_fault::of_file(&fault, &pages.limits)),
        _ => return Err(anyhow!("the reading process did not begin with the number of pages").into()),
    }
    pages.content_sha256 = content_sha256;
    Ok(pages)
}

impl PageStream {
    pub(super) fn page_count(&self) -> u32 {
        self.page_count
    }

    /// Digest of the whole file, in hexadecimal.
    pub(super) fn content_sha256(&self) -> &str {
        &self.content_sha256
    }

    /// The next page; `None` after the last. Not to be called again once it has failed or was given up half-way.
    ///
    /// The time limit counts the time spent waiting here, not what the caller does between pages.
    ///
    /// # Errors
    /// When the rest of the file cannot be read, with the sentence for its owner.
    pub(super) async fn next(&mut self) -> Result<Option<ReadPage>, Fault> {
        let (message, body) = self.hear_in_time().await?;
        let (number, content) = match message {
            Message::Text { page } => (page, Content::Text(String::from_utf8(body).context("a page's text is UTF-8")?)),
            Message::Picture { page, media_type, width, height } => {
                (page, Content::Picture(Picture { media_type, width, height, bytes: body }))
            }
            Message::Scan { page } => (page, Content::Failed("The page is a picture, and reading pictures is switched off.".to_owned())),
            Message::Blank { page } => (page, Content::Blank),
            Message::Skipped { page } => (page, Content::Done),
            Message::LeftOut { page } => (page, Content::LeftOut),
            Message::PageFailed { page, fault } => (page, Content::Failed(reading_fault::of_page(&fault, &self.limits))),
            Message::Failed { fault } => return Err(reading_fault::of_file(&fault, &self.limits)),
            Message::Done if self.told == self.page_count => return Ok(None),
            Message::Done | Message::Opened { .. } => return Err(anyhow!("the reading process told pages out of order").into()),
        };
        self.told += 1;
        if number != self.told || number > self.page_count {
            return Err(anyhow!("the reading process told page {number} of {} as number {}", self.page_count, self.told).into());
        }
        Ok(Some(ReadPage { number, content }))
    }

    async fn hear_in_time(&mut self) -> Result<(Message, Vec<u8>), Fault> {
        let started = Instant::now();
        let heard = tokio::time::timeout(self.patience, self.hear()).await;
        self.patience = self.patience.saturating_sub(started.elapsed());
        heard.unwrap_or_else(|_| Err(too_slow(self.limits.child_timeout)))
    }

    /// The next message, or how the child ended without one.
    async fn hear(&mut self) -> Result<(Message, Vec<u8>), Fault> {
        let mut output = self.output.take().context("the reading process was asked again after its end")?;
        match message::read(&mut output).await {
            Ok(Some(heard)) => {
                self.output = Some(output);
                return Ok(heard);
            }
            Ok(None) => {}
            Err(error) if error.kind() == std::io::ErrorKind::UnexpectedEof => {}
            Err(error) => return Err(anyhow::Error::new(error).context("listening to the reading process").into()),
        }
        let status = self.child.wait().await.context("waiting for the reading process")?;
        Err(reading_fault::death(status, &self.limits))
    }
}

fn start(file: &StoredFile, limits: &Limits, done: &BTreeSet<u32>) -> anyhow::Result<Child> {
    let request = Request {
        memory_bytes: limits.child_memory_bytes,
        cpu_seconds: limits.child_timeout.as_secs().max(1),
        file_bytes: file.bytes,
        pages_max: limits.pages_max,
        pixels_max: limits.pixels_max,
        unpacked_max: limits.unpacked_max,
        text_bytes_max: TEXT_BYTES_MAX,
        pictures: match limits.ocr {
            Ocr::Tesseract => Some(FOR_TESSERACT),
            Ocr::Vision => Some(FOR_THE_MODEL),
            Ocr::Off => None,
        },
        done: done.clone(),
    };
    limits.child_program.start(SUBCOMMAND, &request).context("starting the reading process")
}

/// Streams the file in, so that the worker never holds it whole, and returns its digest. The storage may take its time; the child may not.
async fn feed(mut input: ChildStdin, mut file: StoredFile, patience: Duration) -> Result<String, Fault> {
    let mut digest = Sha256::new();
    while let Some(piece) = file.contents.next().await {
        let piece = piece.context("reading the stored file")?;
        digest.update(&piece);
        match tokio::time::timeout(patience, input.write_all(&piece)).await {
            Err(_) => return Err(too_slow(patience)),
            // The child has decided without reading the rest.
            Ok(Err(error)) if error.kind() == std::io::ErrorKind::BrokenPipe => break,
            Ok(other) => other.context("handing the file to the reading process")?,
        }
    }
    Ok(hex::encode(digest.finalize()))
}
