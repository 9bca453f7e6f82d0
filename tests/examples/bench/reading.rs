//! Reading documents: text of born-digital PDFs beside poppler's `pdftotext`, and the memory that two long scans at once take.

use std::collections::HashMap;
use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};

use anyhow::{Context, Result, ensure};
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

/// Pages a second, and the peak of the resident memory of this process and everything it started, in MB, while two scans of a hundred pages
/// are read at once.
pub(crate) async fn two_scans(ocr: Ocr) -> Result<(f64, f64)> {
    let folder = tempfile::tempdir()?;
    let page = std::fs::read(Path::new(env!("CARGO_MANIFEST_DIR")).join("../samples/letter_photo.jpg"))?;
    std::fs::write(folder.path().join("scan.pdf"), a_hundred_pages(&page, 1_200, 1_600))?;
    let limits = Limits { ocr, child_timeout: Duration::from_secs(600), ..limits()? };
    let file = folder.path().join("scan.pdf");
    let started = Instant::now();
    let both = async { tokio::try_join!(read(&file, &limits), read(&file, &limits)) };
    let mut both = std::pin::pin!(both);
    let mut peak = 0;
    let mut beat = tokio::time::interval(Duration::from_millis(20));
    let ((_, first), (_, second)) = loop {
        tokio::select! {
            done = &mut both => break done?,
            _ = beat.tick() => peak = peak.max(family_kb(std::process::id())?),
        }
    };
    ensure!(first == 100 && second == 100, "{first} and {second} pages were read of 100");
    Ok((200.0 / started.elapsed().as_secs_f64(), peak as f64 / 1_000.0))
}

/// A PDF of a hundred pages that are nothing but this picture.
fn a_hundred_pages(jpeg: &[u8], width: u32, height: u32) -> Vec<u8> {
    let mut file = b"%PDF-1.4\n".to_vec();
    let mut offsets = Vec::new();
    let mut object = |file: &mut Vec<u8>, head: &str, stream: &[u8]| {
        offsets.push(file.len());
        file.extend_from_slice(format!("{} 0 obj\n{head}\n", offsets.len()).as_bytes());
        if !stream.is_empty() {
            file.extend_from_slice(&[b"stream\n", stream, b"\nendstream\n"].concat());
        }
        file.extend_from_slice(b"endobj\n");
    };
    let kids: String = (5..105).map(|number| format!("{number} 0 R ")).collect();
    object(&mut file, "<< /Type /Catalog /Pages 2 0 R >>", b"");
    object(&mut file, &format!("<< /Type /Pages /Count 100 /Kids [{kids}] /MediaBox [0 0 612 816] >>"), b"");
    let image = format!("<< /Type /XObject /Subtype /Image /Width {width} /Height {height} /ColorSpace /DeviceRGB /BitsPerComponent 8");
    object(&mut file, &format!("{image} /Filter /DCTDecode /Length {} >>", jpeg.len()), jpeg);
    let draw = b"q 612 0 0 816 0 0 cm /Im Do Q";
    object(&mut file, &format!("<< /Length {} >>", draw.len()), draw);
    for _ in 0..100 {
        object(&mut file, "<< /Type /Page /Parent 2 0 R /Contents 4 0 R /Resources << /XObject << /Im 3 0 R >> >> >>", b"");
    }
    let table_at = file.len();
    let table: String = offsets.iter().map(|offset| format!("{offset:010} 00000 n \n")).collect();
    let trailer = format!("trailer\n<< /Size 105 /Root 1 0 R >>\nstartxref\n{table_at}\n%%EOF\n");
    file.extend_from_slice(format!("xref\n0 105\n0000000000 65535 f \n{table}{trailer}").as_bytes());
    file
}

/// Resident memory of a process and all it has started, kB. Shared libraries count in each.
fn family_kb(id: u32) -> Result<u64> {
    let status = std::fs::read_to_string(format!("/proc/{id}/status")).unwrap_or_default();
    let own = status.lines().find_map(|line| line.strip_prefix("VmRSS:")).and_then(|line| line.trim().trim_end_matches(" kB").parse().ok());
    let mut sum: u64 = own.unwrap_or(0);
    for task in std::fs::read_dir(format!("/proc/{id}/task")).into_iter().flatten().flatten() {
        for child in std::fs::read_to_string(task.path().join("children")).unwrap_or_default().split_whitespace() {
            sum += family_kb(child.parse()?)?;
        }
    }
    Ok(sum)
}
