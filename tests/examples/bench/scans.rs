//! The memory of a whole worker while it reads two long scans at once, set up as on an instance of 512 MB.

use std::pin::pin;
use std::time::{Duration, Instant};

use anyhow::{Context, Result, ensure};
use celeriac_tests::{System, samples};
use tokio::time::MissedTickBehavior;

const PAGES: u32 = 100;
/// Fifty looks a second; a page takes longer than that in any of the processes.
const BETWEEN_LOOKS: Duration = Duration::from_millis(20);
const LONGEST: Duration = Duration::from_secs(900);

/// What one run came to.
pub(crate) struct Scans {
    pub(crate) pages_per_second: f64,
    pub(crate) peak: Memory,
    /// Fewer than twenty on a machine that is too busy for a peak to be trusted.
    pub(crate) looks_per_second: f64,
}

/// Of a worker and every process it has started, together.
#[derive(Clone, Copy, Default)]
pub(crate) struct Memory {
    /// Proportional set size: a page of memory that several share counts once. What they take of the machine.
    pub(crate) pss_kb: u64,
    /// Resident set size: such a page counts in each.
    pub(crate) rss_kb: u64,
    /// Resident set size of the worker alone.
    pub(crate) worker_rss_kb: u64,
}

/// Two documents of [`PAGES`] pages each, by a worker that runs two jobs, as docker-compose.yml sets it. `ocr` is a value of DOCUMENT_OCR.
pub(crate) async fn two_at_once(ocr: &str) -> Result<Scans> {
    let mut system = System::start().await;
    let settings =
        [("WORKER_CONCURRENCY", "2"), ("DOCUMENT_CHILD_MEMORY", "192000000"), ("DOCUMENT_PAGES_PARALLEL", "1"), ("DOCUMENT_OCR", ocr)];
    // A busy machine is no reason to fail, and neither is it what is measured.
    for (name, value) in settings.into_iter().chain([("WORKER_LEASE", "10s"), ("DOCUMENT_CHILD_TIMEOUT", "600s"), ("LOG_LEVEL", "warn")]) {
        system.set(name, value);
    }
    system.consent(1).await;
    let scan = scan(&samples::bytes("letter_photo.jpg"), 1_200, 1_600);
    let _scheduler = system.scheduler();
    let worker = system.worker();
    let (paused, _, said) = system.celeriac(&["queue", "pause", "documents", "--reason", "both begin together"]).await;
    ensure!(paused, "{said}");
    for _ in 0..2 {
        system.upload(1, "scan.pdf", &scan).await;
    }
    let (resumed, _, said) = system.celeriac(&["queue", "resume", "documents"]).await;
    ensure!(resumed, "{said}");

    let started = Instant::now();
    let (peak, looks) = peak_until_ended(worker.id(), &system.pool).await?;
    let took = started.elapsed().as_secs_f64();
    let read: Vec<(String, Option<i32>, i32, Option<String>)> =
        sqlx::query_as("select status, page_count, pages_missing, error_message from celeriac.documents").fetch_all(&system.pool).await?;
    ensure!(read == vec![("completed".to_owned(), Some(PAGES.cast_signed()), 0, None); 2], "{read:?}");
    drop(worker);
    system.finish().await;
    Ok(Scans { pages_per_second: f64::from(2 * PAGES) / took, peak, looks_per_second: f64::from(looks) / took })
}

/// The peak, and how often it was looked for.
async fn peak_until_ended(worker: u32, pool: &sqlx::PgPool) -> Result<(Memory, u32)> {
    let (mut peak, mut looks) = (Memory::default(), 0);
    let mut beat = tokio::time::interval(BETWEEN_LOOKS);
    beat.set_missed_tick_behavior(MissedTickBehavior::Delay);
    let mut end = pin!(tokio::time::timeout(LONGEST, ended(pool)));
    loop {
        tokio::select! {
            ended = &mut end => {
                ended.context("two scans took too long")??;
                return Ok((peak, looks));
            }
            _ = beat.tick() => {
                peak = peak.or_more(family(worker)?);
                looks += 1;
            }
        }
    }
}

/// Returns once both documents have ended.
async fn ended(pool: &sqlx::PgPool) -> Result<()> {
    let open = "select count(*) from celeriac.documents where status not in ('completed', 'failed')";
    while sqlx::query_scalar::<_, i64>(open).fetch_one(pool).await? > 0 {
        tokio::time::sleep(Duration::from_millis(50)).await;
    }
    Ok(())
}

impl Memory {
    /// The larger of each.
    fn or_more(self, other: Self) -> Self {
        Self {
            pss_kb: self.pss_kb.max(other.pss_kb),
            rss_kb: self.rss_kb.max(other.rss_kb),
            worker_rss_kb: self.worker_rss_kb.max(other.worker_rss_kb),
        }
    }
}

/// A process and all it has started. One that has just ended counts nothing.
fn family(id: u32) -> Result<Memory> {
    let text = std::fs::read_to_string(format!("/proc/{id}/smaps_rollup")).unwrap_or_default();
    let field = |name: &str| {
        let value = text.lines().find_map(|line| line.strip_prefix(name));
        value.and_then(|value| value.trim().trim_end_matches(" kB").parse().ok()).unwrap_or(0)
    };
    let own = field("Rss:");
    let mut sum = Memory { pss_kb: field("Pss:"), rss_kb: own, worker_rss_kb: own };
    for task in std::fs::read_dir(format!("/proc/{id}/task")).into_iter().flatten().flatten() {
        for child in std::fs::read_to_string(task.path().join("children")).unwrap_or_default().split_whitespace() {
            let child = family(child.parse()?)?;
            (sum.pss_kb, sum.rss_kb) = (sum.pss_kb + child.pss_kb, sum.rss_kb + child.rss_kb);
        }
    }
    Ok(sum)
}

/// A PDF of a hundred pages that are nothing but this picture.
fn scan(jpeg: &[u8], width: u32, height: u32) -> Vec<u8> {
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
    let (first, objects) = (5, 5 + PAGES);
    let kids: String = (first..objects).map(|number| format!("{number} 0 R ")).collect();
    object(&mut file, "<< /Type /Catalog /Pages 2 0 R >>", b"");
    object(&mut file, &format!("<< /Type /Pages /Count {PAGES} /Kids [{kids}] /MediaBox [0 0 612 816] >>"), b"");
    let image = format!("<< /Type /XObject /Subtype /Image /Width {width} /Height {height} /ColorSpace /DeviceRGB /BitsPerComponent 8");
    object(&mut file, &format!("{image} /Filter /DCTDecode /Length {} >>", jpeg.len()), jpeg);
    let draw = b"q 612 0 0 816 0 0 cm /Im Do Q";
    object(&mut file, &format!("<< /Length {} >>", draw.len()), draw);
    for _ in 0..PAGES {
        object(&mut file, "<< /Type /Page /Parent 2 0 R /Contents 4 0 R /Resources << /XObject << /Im 3 0 R >> >> >>", b"");
    }
    let table_at = file.len();
    let table: String = offsets.iter().map(|offset| format!("{offset:010} 00000 n \n")).collect();
    let trailer = format!("trailer\n<< /Size {objects} /Root 1 0 R >>\nstartxref\n{table_at}\n%%EOF\n");
    file.extend_from_slice(format!("xref\n0 {objects}\n0000000000 65535 f \n{table}{trailer}").as_bytes());
    file
}
