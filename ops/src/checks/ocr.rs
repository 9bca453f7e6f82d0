//! Who reads scanned pages.

use celeriac_jobs::documents::child::can_limit_files;
use celeriac_jobs::documents::{find_tesseract, missing_languages};
use celeriac_process::Settings;

use super::Finding;

const ABOUT: &str = "ocr";

pub(super) fn check(settings: &Settings) -> Vec<Finding> {
    let (wanted, tesseract) = (settings.text("DOCUMENT_OCR"), find_tesseract());
    vec![match (wanted, tesseract) {
        ("off", _) => Finding::ok(ABOUT, "scanned pages are not read (DOCUMENT_OCR is off)"),
        ("vision", _) => Finding::ok(ABOUT, "scanned pages are read by the vision model"),
        ("tesseract", None) => Finding::problem(
            ABOUT,
            "DOCUMENT_OCR is tesseract, and there is no such program in PATH",
            "install it where the workers run (Debian: apt-get install tesseract-ocr), or set DOCUMENT_OCR to auto or vision",
        ),
        (_, None) => Finding::ok(ABOUT, "scanned pages are read by the vision model, as tesseract is not installed"),
        (_, Some(program)) => {
            let languages = settings.text("DOCUMENT_OCR_LANGUAGES");
            match missing_languages(&program, languages) {
                Ok(missing) if missing.is_empty() => {
                    let limited =
                        if can_limit_files() { "" } else { "; without Landlock here, its process can read what the worker's user can" };
                    Finding::ok(ABOUT, format!("scanned pages are read by {} ({languages}){limited}", program.display()))
                }
                Ok(missing) => Finding::problem(
                    ABOUT,
                    format!("tesseract has no data for {}, which DOCUMENT_OCR_LANGUAGES names", missing.join(", ")),
                    format!("install them (Debian: apt-get install tesseract-ocr-{}), or change DOCUMENT_OCR_LANGUAGES", missing[0]),
                ),
                Err(error) => Finding::problem(
                    ABOUT,
                    format!("{} cannot be asked for its languages: {error:#}", program.display()),
                    "see whether `tesseract --list-langs` works, or set DOCUMENT_OCR to vision",
                ),
            }
        }
    }]
}
