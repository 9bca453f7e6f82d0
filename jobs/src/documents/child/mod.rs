//! The process that parses one stranger's file: this program again, started by the worker with a hidden subcommand.
//!
//! ```text
//!  worker ──argument: Request (JSON)──▶ child: confine itself ──▶ read standard input ──▶ parse
//!         ──standard input: the file──▶                                                    │
//!         ◀──standard output: a Message for each page, then Done or Failed─────────────────┘
//! ```
//!
//! A file that takes a parser down takes down this process and fails its own job, nothing else. The child has no environment (so no
//! secrets), no network, no files, and limits on memory and time that it sets itself before it reads a byte.

mod confine;
#[cfg(any(test, fuzzing))]
pub(crate) mod fuzzing;
pub(super) mod message;
mod pdf;
mod picture;
mod sniff;
mod teller;
mod text;
mod tiff_pages;

use std::io::{Read, Write};
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::{Arc, Mutex};

use message::{Message, ReadFault, Request};
use sniff::FileType;
use teller::Teller;

/// The hidden subcommand.
pub const SUBCOMMAND: &str = "pdf-child";

/// Exit code when the request or the limits were refused: a mistake of ours, not of the file.
pub(super) const REFUSED: i32 = 3;
/// Exit code when nobody listens any more.
const PARENT_GONE: i32 = 4;

/// Reads one document and exits, when this process was started for that; returns at once otherwise.
///
/// Every program that registers `process_document` calls it first thing in `main`, before a runtime or a log is set up: the child
/// wants neither.
pub fn run_child_if_asked() {
    let mut arguments = std::env::args().skip(1);
    if arguments.next().as_deref() != Some(SUBCOMMAND) {
        return;
    }
    let mut out = std::io::stdout().lock();
    let code = match arguments.next().and_then(|request| serde_json::from_str::<Request>(&request).ok()) {
        Some(request) if confine::confine(&request).is_ok() => answer(&request, &mut out),
        _ => REFUSED,
    };
    std::process::exit(code);
}

/// Reads the file and tells its pages. A file that cannot be read is an answer, too.
fn answer(request: &Request, out: &mut dyn Write) -> i32 {
    let crash_site = remember_crash_site();
    let told = catch_unwind(AssertUnwindSafe(|| tell(request, out)));
    let last = match told {
        Ok(Ok(())) => Message::Done,
        Ok(Err(fault)) => Message::Failed { fault },
        Err(_) => {
            let at = crash_site.lock().map_or_else(|_| String::new(), |site| site.clone());
            Message::Failed { fault: ReadFault::Crashed { at } }
        }
    };
    if message::write(&mut &mut *out, &last, b"").is_ok() { 0 } else { PARENT_GONE }
}

fn tell(request: &Request, out: &mut dyn Write) -> Result<(), ReadFault> {
    let mut file = Vec::with_capacity(usize::try_from(request.file_bytes).unwrap_or(0));
    std::io::stdin()
        .lock()
        .take(request.file_bytes)
        .read_to_end(&mut file)
        .map_err(|error| ReadFault::Crashed { at: format!("reading the file: {error}") })?;
    if file.is_empty() {
        return Err(ReadFault::Empty);
    }
    tell_file(file, request, out)
}

fn tell_file(file: Vec<u8>, request: &Request, out: &mut dyn Write) -> Result<(), ReadFault> {
    let mut teller = Teller::new(out, request);
    match sniff::sniff(&file) {
        Ok(FileType::Pdf) => pdf::tell_pages(file, &mut teller),
        Ok(file_type) => picture::tell_pages(file, file_type, request, &mut teller),
        Err(looks_like) => Err(ReadFault::UnknownType { looks_like: looks_like.map(str::to_owned) }),
    }
}

/// A parser's panic is told by its place in the source only: its message may quote the file.
fn remember_crash_site() -> Arc<Mutex<String>> {
    let site = Arc::new(Mutex::new(String::new()));
    let remembered = site.clone();
    std::panic::set_hook(Box::new(move |panic| {
        if let (Ok(mut site), Some(location)) = (remembered.lock(), panic.location()) {
            *site = format!("{}:{}", location.file(), location.line());
        }
    }));
    site
}
