//! The process that becomes tesseract: it takes from itself what tesseract does not need, then calls it.
//!
//! ```text
//!  worker ──argument: OcrRequest (JSON)──▶ confine ──▶ exec tesseract ──standard output: its table of words──▶ worker
//!         ──standard input: the picture──────────────▶
//! ```

use std::os::unix::process::CommandExt;
use std::path::PathBuf;
use std::process::Command;

use serde::{Deserialize, Serialize};

/// What tesseract is to be called with; the only argument of the process.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct OcrRequest {
    pub(crate) program: PathBuf,
    pub(crate) languages: String,
    pub(crate) page_segmentation_mode: u8,
    /// Where its language data are, when not in its own place.
    pub(crate) data: Option<PathBuf>,
    /// Address space it may use.
    pub(crate) memory_bytes: u64,
    pub(crate) cpu_seconds: u64,
}

/// Replaces this process; returns only when that failed.
pub(super) fn become_tesseract(request: &OcrRequest) {
    let mut tesseract = Command::new(&request.program);
    tesseract
        .args(["stdin", "stdout", "-l", &request.languages, "--dpi", "300"])
        .args(["--psm", &request.page_segmentation_mode.to_string(), "-c", "tessedit_create_tsv=1"])
        .env_clear()
        // Its threads slow one another down, and pages are recognized side by side anyway.
        .env("OMP_THREAD_LIMIT", "1");
    if let Some(data) = &request.data {
        tesseract.env("TESSDATA_PREFIX", data);
    }
    let _ = tesseract.exec();
}
