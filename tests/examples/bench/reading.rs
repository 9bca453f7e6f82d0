//! Reading documents: text of born-digital PDFs beside poppler's `pdftotext`.

use std::collections::HashMap;
use std::path::{Path, PathBuf};
use std::time::Instant;

use anyhow::{Context, Result};
use celeriac_jobs::documents::{ChildProgram, InspectedPage, Limits, Ocr, inspect};
use celeriac_jobs::storage::Storage;
use celeriac_process::{Process, Settings};
use tokio::process::Command;

/// Files of this size and less are read; whole books say no more than these.
const BYTES_MAX: u64 = 4_000_000;
const FILES_MAX: usize = 12;

/// One file, read by both.
pub(crate) struct Compared {
    pub(crate) name: String,
    pub(crate) pages: u32,
    /// Seconds, the start of the process included.
    pub(crate) ours: Vec<f64>,
    pub(crate) theirs: Vec<f64>,
    /// Of the words, 0 to 1.
    pub(crate) agreement: f64,
}

/// What a worker reads with when nothing is set, but by the program of this build.
fn limits() -> Result<Limits> {
    let needed =
        [("OPENAI_API_KEY", "sk-bench"), ("FIELD_ENCRYPTION_KEYS", "dGVzdC1rZXktMzItYnl0ZXMtbG9uZy1mb3ItZmVybmU="), ("MEDIA_ROOT", "/")];
    let needed = needed.map(|(name, value)| (name.to_owned(), value.to_owned()));
    let program = std::env::current_exe()?.ancestors().nth(2).context("target/release")?.join("celeriac-worker");
    let settings = Settings::from_pairs(Process::Worker, std::env::vars().chain(needed))?;
    Ok(Limits { child_program: ChildProgram::At(program), pages_max: 10_000, ..Limits::from_settings(&settings) })
}

/// The repository's own documents, and those of the machine's packages, so that there is something long.
fn documents() -> Vec<PathBuf> {
    let samples = Path::new(env!("CARGO_MANIFEST_DIR")).join("../samples");
    let own = ["handbook.pdf", "denial_letter.pdf", "corpus/text.pdf", "corpus/two_columns.pdf", "corpus/asian.pdf"];
    let mut files: Vec<PathBuf> = own.iter().map(|name| samples.join(name)).collect();
    let mut folders = vec![PathBuf::from("/usr/share/doc")];
    while let Some(folder) = folders.pop() {
        for entry in std::fs::read_dir(&folder).into_iter().flatten().flatten() {
            let (path, kind) = (entry.path(), entry.file_type());
            if kind.as_ref().is_ok_and(std::fs::FileType::is_dir) {
                folders.push(path);
            } else if path.extension().is_some_and(|end| end == "pdf") && entry.metadata().is_ok_and(|file| file.len() <= BYTES_MAX) {
                files.push(path);
            }
        }
    }
    files.truncate(FILES_MAX);
    files
}

/// Each file by both, in turn, that many rounds. `None`: there is no `pdftotext` here.
pub(crate) async fn compare(rounds: usize) -> Result<Option<Vec<Compared>>> {
    let limits = Limits { ocr: Ocr::Off, ..limits()? };
    if Command::new("pdftotext").arg("-v").output().await.is_err() {
        return Ok(None);
    }
    let mut compared = Vec::new();
    for file in documents() {
        let (mut ours, mut theirs, mut agreement, mut count) = (vec![], vec![], 0.0, 0);
        for _ in 0..rounds {
            let started = Instant::now();
            let (text, pages) = read(&file, &limits).await?;
            ours.push(started.elapsed().as_secs_f64());
            let started = Instant::now();
            let other = Command::new("pdftotext").arg(&file).arg("-").output().await?;
            theirs.push(started.elapsed().as_secs_f64());
            agreement = f1(&words(&text), &words(&String::from_utf8_lossy(&other.stdout)));
            count = pages;
        }
        let name = file.file_name().unwrap_or_default().to_string_lossy().into_owned();
        compared.push(Compared { name, pages: count, ours, theirs, agreement });
    }
    Ok(Some(compared))
}

async fn read(file: &Path, limits: &Limits) -> Result<(String, u32)> {
    let (folder, name) = (file.parent().context("a folder")?, file.file_name().and_then(|name| name.to_str()).context("a name")?);
    let stored = Storage::local(folder)?.open(name).await?;
    let mut text = String::new();
    let pages = inspect(stored, limits, |page| {
        if let InspectedPage::Text(page) = page {
            text.push_str(&page);
            text.push('\n');
        }
    });
    let pages = pages.await.with_context(|| format!("reading {}", file.display()))?;
    Ok((text, pages))
}

/// How often each word occurs, whatever its case and what stands around it.
fn words(text: &str) -> HashMap<String, usize> {
    let mut counts = HashMap::new();
    for word in text.split(|letter: char| !letter.is_alphanumeric()).filter(|word| !word.is_empty()) {
        *counts.entry(word.to_lowercase()).or_default() += 1;
    }
    counts
}

/// The harmonic mean of how many of their words are ours and how many of ours are theirs.
fn f1(ours: &HashMap<String, usize>, theirs: &HashMap<String, usize>) -> f64 {
    let common: usize = ours.iter().map(|(word, count)| *count.min(theirs.get(word).unwrap_or(&0))).sum();
    let total = ours.values().sum::<usize>() + theirs.values().sum::<usize>();
    if total == 0 { 1.0 } else { 2.0 * common as f64 / total as f64 }
}
