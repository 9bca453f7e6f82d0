//! The process that parses one stranger's file: this program again, started by the worker with a hidden subcommand.
//!
//! ```text
//!  worker ──argument: Request (JSON)──▶ child: confine itself ──▶ read standard input ──▶ parse
//!         ──standard input: the file──▶                                                    │
//!         ◀──standard output: a Message for each page, as it is read; then Done or Failed──────┘
//! ```
//!
//! A file that takes a parser down takes down this process and fails its own job, nothing else. The child has no environment (so no
//! secrets), no network, no files, and limits on memory and time that it sets itself before it reads a byte.

mod confine;
mod crash_site;
mod filters;
#[cfg(any(test, fuzzing))]
pub(crate) mod fuzzing;
pub(super) mod message;
pub(super) mod ocr;
mod pdf;
mod picture;
#[cfg(target_os = "linux")]
mod readable;
mod right_to_left;
mod sniff;
mod teller;
mod text;
mod tiff_pages;
mod unpacking;

use std::io::{Read, Write};
use std::panic::{AssertUnwindSafe, catch_unwind};

use crash_site::CrashSite;
use message::{Message, ReadFault, Request};
use ocr::OcrRequest;
use sniff::FileType;
use teller::Teller;

/// The hidden subcommand that reads a file.
pub const SUBCOMMAND: &str = "pdf-child";
/// And the one that recognizes a page.
pub const OCR_SUBCOMMAND: &str = "ocr-child";

/// Exit code when the request or the limits were refused: a mistake of ours, not of the file.
pub(super) const REFUSED: i32 = 3;
/// Exit code when nobody listens any more.
const PARENT_GONE: i32 = 4;

/// Reads one document, or becomes tesseract, and exits, when this process was started for that; returns at once otherwise.
///
/// Every program that registers `process_document` calls it first thing in `main`, before a runtime or a log is set up: the child
/// wants neither.
pub fn run_child_if_asked() {
    let mut arguments = std::env::args().skip(1);
    let code = match (arguments.next().as_deref(), arguments.next()) {
        (Some(SUBCOMMAND), request) => read_document(&request.unwrap_or_default()),
        (Some(OCR_SUBCOMMAND), request) => recognize(&request.unwrap_or_default()),
        _ => return,
    };
    std::process::exit(code);
}

/// Whether this machine can limit what tesseract's process reads to what tesseract needs: Linux with Landlock.
pub fn can_limit_files() -> bool {
    #[cfg(target_os = "linux")]
    return readable::can_be_limited();
    #[cfg(not(target_os = "linux"))]
    return false;
}

fn read_document(request: &str) -> i32 {
    match serde_json::from_str::<Request>(request) {
        Ok(request) if confine::for_parsing(request.memory_bytes, request.cpu_seconds).is_ok() => {
            answer(&request, &mut std::io::stdout().lock())
        }
        _ => REFUSED,
    }
}

fn recognize(request: &str) -> i32 {
    if let Ok(request) = serde_json::from_str::<OcrRequest>(request)
        && confine::for_tesseract(&request).is_ok()
    {
        ocr::become_tesseract(&request);
    }
    REFUSED
}

/// Reads the file and tells its pages. A file that cannot be read is an answer, too.
fn answer(request: &Request, out: &mut dyn Write) -> i32 {
    let crash_site = CrashSite::watch();
    let told = catch_unwind(AssertUnwindSafe(|| tell(request, &crash_site, out)));
    let last = match told.unwrap_or_else(|_| Err(crash_site.fault())) {
        Ok(()) => Message::Done,
        Err(fault) => Message::Failed { fault },
    };
    if message::write(&mut &mut *out, &last, b"").is_ok() { 0 } else { PARENT_GONE }
}

fn tell(request: &Request, crash_site: &CrashSite, out: &mut dyn Write) -> Result<(), ReadFault> {
    let mut file = Vec::with_capacity(usize::try_from(request.file_bytes).unwrap_or(0));
    std::io::stdin()
        .lock()
        .take(request.file_bytes)
        .read_to_end(&mut file)
        .map_err(|error| ReadFault::Crashed { at: format!("reading the file: {error}") })?;
    if file.is_empty() {
        return Err(ReadFault::Empty);
    }
    tell_file(file, request, crash_site, out)
}

fn tell_file(file: Vec<u8>, request: &Request, crash_site: &CrashSite, out: &mut dyn Write) -> Result<(), ReadFault> {
    let mut teller = Teller::new(out, request, crash_site);
    match sniff::sniff(&file) {
        Ok(FileType::Pdf) => pdf::tell_pages(file, request, &mut teller),
        Ok(file_type) => picture::tell_pages(file, file_type, request, &mut teller),
        Err(looks_like) => Err(ReadFault::UnknownType { looks_like: looks_like.map(str::to_owned) }),
    }
}
