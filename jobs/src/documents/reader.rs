//! The worker's side of reading a file: starts the child, feeds it, collects its pages, and turns its end into words.

use std::path::PathBuf;
use std::process::{ExitStatus, Stdio};
use std::time::Duration;

use anyhow::Context;
use futures::StreamExt;
use tokio::io::AsyncWriteExt;
use tokio::process::{Child, ChildStdin, ChildStdout, Command};

use super::Limits;
use super::child::message::{self, Message, ReadFault, Request};
use super::child::{self, SUBCOMMAND};
use crate::fault::Fault;
use crate::storage::StoredFile;

/// All pictures of one document. With their base64 and their place in the request, they take about four times this in the worker.
const PICTURES_BYTES_MAX: u64 = 12_000_000;
/// All text of one document: some thousand dense pages.
const TEXT_BYTES_MAX: u64 = 8_000_000;

/// The program that reads files when it is started with [`SUBCOMMAND`].
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum ChildProgram {
    /// This program again: its `main` begins with [`super::child::run_child_if_asked`].
    Itself,
    /// Another one whose `main` does, for a program that is not ours to change (a test runner).
    At(PathBuf),
}

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
        width: u32,
        height: u32,
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

/// Reads the file in a child process, which dies with the returned future.
pub(super) async fn read(file: StoredFile, limits: &Limits) -> Result<Reading, Fault> {
    let mut child = start(&file, limits)?;
    let input = child.stdin.take().context("the reading process has an input")?;
    let output = child.stdout.take().context("the reading process has an output")?;
    let talk = async { tokio::join!(feed(input, file), collect(output, limits.pages_max)) };
    let Ok((fed, told)) = tokio::time::timeout(limits.child_timeout, talk).await else {
        return Err(too_slow(limits.child_timeout));
    };
    let Ok(status) = tokio::time::timeout(limits.child_timeout, child.wait()).await else {
        return Err(too_slow(limits.child_timeout));
    };
    let status = status.context("waiting for the reading process")?;
    // First of all whether it was given the whole file: of a part it can only say that it is damaged.
    fed?;
    match told? {
        Told::All(reading) => Ok(reading),
        Told::Refused(fault) => Err(refusal(&fault)),
        Told::Nothing => Err(death(status, limits)),
    }
}

/// The program of this very process. On Linux also when a deployment has replaced its file meanwhile: the link leads to what is running,
/// and the child must be of the same version.
fn own_program() -> anyhow::Result<PathBuf> {
    let running = PathBuf::from("/proc/self/exe");
    if cfg!(target_os = "linux") && running.exists() {
        return Ok(running);
    }
    std::env::current_exe().context("finding the worker's own program")
}

fn start(file: &StoredFile, limits: &Limits) -> anyhow::Result<Child> {
    let program = match &limits.child_program {
        ChildProgram::At(path) => path.clone(),
        ChildProgram::Itself => own_program()?,
    };
    let request = Request {
        memory_bytes: limits.child_memory_bytes,
        cpu_seconds: limits.child_timeout.as_secs().max(1),
        file_bytes: file.bytes,
        pages_max: limits.pages_max,
        pixels_max: limits.pixels_max,
        pictures_bytes_max: PICTURES_BYTES_MAX,
        text_bytes_max: TEXT_BYTES_MAX,
    };
    Command::new(program)
        .args([SUBCOMMAND, &serde_json::to_string(&request)?])
        // No secrets for a process that a hostile file may have taken over.
        .env_clear()
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .stderr(Stdio::null())
        .kill_on_drop(true)
        .spawn()
        .context("starting the reading process")
}

/// Streams the file in, so that the worker never holds it whole.
async fn feed(mut input: ChildStdin, mut file: StoredFile) -> anyhow::Result<()> {
    while let Some(piece) = file.contents.next().await {
        let piece = piece.context("reading the stored file")?;
        match input.write_all(&piece).await {
            // The child has decided without reading the rest.
            Err(error) if error.kind() == std::io::ErrorKind::BrokenPipe => return Ok(()),
            other => other.context("handing the file to the reading process")?,
        }
    }
    Ok(())
}

enum Told {
    All(Reading),
    Refused(ReadFault),
    /// It fell silent before it was done.
    Nothing,
}

async fn collect(mut output: ChildStdout, pages_max: u32) -> anyhow::Result<Told> {
    let mut pages = Vec::new();
    let mut expected = 0;
    loop {
        let next = match message::read(&mut output).await {
            Ok(next) => next,
            Err(error) if error.kind() == std::io::ErrorKind::UnexpectedEof => None,
            Err(error) => return Err(error).context("listening to the reading process"),
        };
        let Some((message, body)) = next else { return Ok(Told::Nothing) };
        match message {
            Message::Opened { pages } => expected = pages,
            Message::Text { .. } => pages.push(Page::Text(String::from_utf8(body).context("a page's text is UTF-8")?)),
            Message::Picture { media_type, width, height, .. } => pages.push(Page::Picture { media_type, width, height, bytes: body }),
            Message::Blank { .. } => pages.push(Page::Blank),
            Message::LeftOut { .. } => pages.push(Page::LeftOut),
            Message::Failed { fault } => return Ok(Told::Refused(fault)),
            Message::Done => {
                anyhow::ensure!(pages.len() == expected as usize, "the reading process told {} of {expected} pages", pages.len());
                return Ok(Told::All(Reading { pages }));
            }
        }
        anyhow::ensure!(pages.len() <= pages_max as usize, "the reading process told more pages than allowed");
    }
}

/// The sentence for a file that the child refused. None of these gets better by trying again.
fn refusal(fault: &ReadFault) -> Fault {
    match fault {
        ReadFault::Empty => Fault::never("The file is empty."),
        ReadFault::UnknownType { looks_like: Some(guess) } => {
            Fault::never(format!("The file is not a PDF, JPEG, PNG or TIFF; it looks like {guess}."))
        }
        ReadFault::UnknownType { looks_like: None } => Fault::never("The file is not a PDF, JPEG, PNG or TIFF."),
        ReadFault::PasswordProtected => Fault::never("The PDF is protected by a password. Please upload it again without the password."),
        ReadFault::UnsupportedEncryption => {
            Fault::never("The PDF is encrypted in a way that cannot be read. Please upload it again without encryption.")
        }
        ReadFault::Damaged { file_type, detail } => {
            Fault::never(format!("The file is damaged and cannot be read as a {file_type}.")).because(anyhow::anyhow!("{detail}"))
        }
        ReadFault::TooManyPages { pages, max } => Fault::never(format!("The document has {pages} pages; at most {max} can be processed.")),
        ReadFault::TooManyPixels { width, height, max } => Fault::never(format!(
            "The picture is {width} × {height} pixels large; at most {} million pixels can be processed.",
            max / 1_000_000
        )),
        ReadFault::TooMuchMemory => too_large(),
        ReadFault::Crashed { at } => Fault::never("The file is damaged in a way that stops it from being read.")
            .because(anyhow::anyhow!("the parser panicked at {at}")),
    }
}

/// The sentence for a child that ended without a word.
fn death(status: ExitStatus, limits: &Limits) -> Fault {
    use std::os::unix::process::ExitStatusExt;
    // Numbers as in signal(7); the same on Linux and macOS except SIGXCPU, which is 24 on both.
    const ABORTED: i32 = 6;
    const KILLED: i32 = 9;
    const SEGMENTATION_FAULT: i32 = 11;
    const PROCESSOR_TIME_USED_UP: i32 = 24;
    match status.signal() {
        // An allocation beyond the limit aborts; the kernel's out-of-memory killer kills; a stack beyond it faults.
        Some(ABORTED | KILLED | SEGMENTATION_FAULT) => too_large().because(anyhow::anyhow!("the reading process ended with {status}")),
        Some(PROCESSOR_TIME_USED_UP) => too_slow(limits.child_timeout),
        _ if status.code() == Some(child::REFUSED) => Fault::from(anyhow::anyhow!(
            "the reading process could not confine itself: this platform does not let it set its limits or a seccomp filter"
        )),
        _ => Fault::from(anyhow::anyhow!("the reading process ended with {status} before it was done")),
    }
}

fn too_large() -> Fault {
    Fault::never("Reading the file needs more memory than is allowed; it may be damaged or made to do harm.")
}

fn too_slow(limit: Duration) -> Fault {
    Fault::never(format!(
        "Reading the file takes longer than the {} seconds allowed; it may be damaged or made to do harm.",
        limit.as_secs()
    ))
}
