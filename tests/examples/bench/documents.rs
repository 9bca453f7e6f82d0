//! Documents a second through the whole system, with a model that takes half a second to answer, beside what that model allows.

use std::time::{Duration, Instant};

use anyhow::{Context, Result, ensure};
use celeriac_ops::standin::openai::Options;
use celeriac_tests::{System, SystemOptions, samples};

const DOCUMENTS: u32 = 600;
pub(crate) const CONCURRENCY: u32 = 50;
const MODEL_TAKES: Duration = Duration::from_millis(500);
/// Before the clock starts, as a worker's first connections and pages of memory are not what is measured.
const WARMING_UP: u32 = CONCURRENCY;
const LONGEST: Duration = Duration::from_secs(120);
/// Clock ticks a second, as /proc counts processor time; fixed on Linux for every program.
const TICKS: f64 = 100.0;

/// What one round came to.
pub(crate) struct Round {
    pub(crate) documents_per_second: f64,
    /// Of what the model allows at that concurrency.
    pub(crate) of_ideal: f64,
    /// Processor milliseconds a document, of the worker itself and of the processes that read the files.
    pub(crate) worker_ms: f64,
    pub(crate) readers_ms: f64,
}

/// One worker, born-digital documents of one page, none like another.
pub(crate) async fn round() -> Result<Round> {
    let openai = Options { latency: MODEL_TAKES, ..Options::default() };
    let mut system = System::with(SystemOptions { openai, ..SystemOptions::default() }).await;
    system.set("WORKER_CONCURRENCY", CONCURRENCY.to_string());
    system.set("DATABASE_POOL_SIZE", "20");
    system.set("LOG_LEVEL", "warn");
    system.consent(1).await;
    let letter = samples::bytes("corpus/text.pdf");
    let _scheduler = system.scheduler();
    let worker = system.worker();
    upload(&system, &letter, 0..WARMING_UP).await;
    completed(&system, WARMING_UP).await?;
    // Through the outbox, like everything a web app enqueues; paused until all are in, so that the relay is not what is measured.
    let (paused, _, said) = system.celeriac(&["queue", "pause", "documents", "--reason", "the documents are being uploaded"]).await;
    ensure!(paused, "{said}");
    upload(&system, &letter, WARMING_UP..WARMING_UP + DOCUMENTS).await;
    relayed(&system).await?;
    let before = processor_time(worker.id())?;
    let started = Instant::now();
    let (resumed, _, said) = system.celeriac(&["queue", "resume", "documents"]).await;
    ensure!(resumed, "{said}");
    completed(&system, WARMING_UP + DOCUMENTS).await?;
    let took = started.elapsed().as_secs_f64();
    let after = processor_time(worker.id())?;
    drop(worker);
    system.finish().await;
    let rate = f64::from(DOCUMENTS) / took;
    let each = |before: f64, after: f64| 1_000.0 * (after - before) / f64::from(DOCUMENTS);
    Ok(Round {
        documents_per_second: rate,
        of_ideal: rate / (f64::from(CONCURRENCY) / MODEL_TAKES.as_secs_f64()),
        worker_ms: each(before.0, after.0),
        readers_ms: each(before.1, after.1),
    })
}

/// What follows the end of a PDF is no part of it, so that each is a file of its own.
async fn upload(system: &System, letter: &[u8], numbers: std::ops::Range<u32>) {
    for number in numbers {
        system.upload(1, "letter.pdf", &[letter, format!("% {number}\n").as_bytes()].concat()).await;
    }
}

async fn completed(system: &System, count: u32) -> Result<()> {
    wait(system, "select count(*) from celeriac.documents where status = 'completed'", i64::from(count)).await
}

async fn relayed(system: &System) -> Result<()> {
    wait(system, "select count(*) filter (where relayed_at is null) from celeriac.outbox", 0).await
}

async fn wait(system: &System, counted: &'static str, count: i64) -> Result<()> {
    let started = Instant::now();
    loop {
        let seen: i64 = sqlx::query_scalar(counted).fetch_one(&system.pool).await?;
        if seen == count {
            return Ok(());
        }
        ensure!(started.elapsed() < LONGEST, "{seen} instead of {count} after {LONGEST:?}: {counted}");
        tokio::time::sleep(Duration::from_millis(20)).await;
    }
}

/// Processor seconds of a process, and of its children that have ended.
fn processor_time(pid: u32) -> Result<(f64, f64)> {
    let stat = std::fs::read_to_string(format!("/proc/{pid}/stat"))?;
    // The name, in parentheses, may hold anything; utime is the 14th field, stime, cutime and cstime follow.
    let fields: Vec<&str> = stat.rsplit_once(')').context("a name")?.1.split_whitespace().collect();
    let ticks = |field: usize| -> Result<f64> { Ok(fields.get(field - 3).context("a field of /proc/<pid>/stat")?.parse::<f64>()? / TICKS) };
    Ok((ticks(14)? + ticks(15)?, ticks(16)? + ticks(17)?))
}
