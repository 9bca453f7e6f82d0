//! `make bench`: throughput, latency, memory and idle cost of the engine, and the reading of documents, each beside what the machine can do
//! at most.
//!
//! Machines are shared and noisy: read the ratios. Every figure is the median of interleaved rounds in one run.

mod documents;
mod idle;
mod jobs;
mod latency;
mod limit;
mod reading;
mod redis_server;
mod scans;
mod throughput;

use anyhow::Result;
use celeriac_jobs::documents::tesseract_installed;
use celeriac_queue::{EnqueueOptions, LeaseConfig, Unique};
use throughput::{Options, PLAIN};

const ROUNDS: usize = 3;
const JOBS: usize = 100_000;

/// What a feature costs where it is used, against the same jobs without.
const FEATURES: [(&str, Options); 4] = [
    ("ten priorities", |number| EnqueueOptions { priority: Some((number % 10) as u8), ..EnqueueOptions::default() }),
    ("one key", |_| EnqueueOptions { key: Some("tenant".to_owned()), ..EnqueueOptions::default() }),
    ("a thousand keys", |number| EnqueueOptions { key: Some(format!("tenant-{}", number % 1_000)), ..EnqueueOptions::default() }),
    ("unique keys", |number| EnqueueOptions { unique: Some(Unique::by(number.to_string())), ..EnqueueOptions::default() }),
];

fn median(mut values: Vec<f64>) -> f64 {
    values.sort_by(f64::total_cmp);
    values[values.len() / 2]
}

#[tokio::main]
async fn main() -> Result<()> {
    let only = std::env::args().nth(1);
    let wants = |table: &str| only.as_deref().is_none_or(|only| only == table);
    if wants("throughput") {
        throughput_table().await?;
    }
    if wants("latency") {
        latency_table().await?;
    }
    if wants("depth") {
        depth_table().await?;
    }
    if wants("idle") {
        idle_table().await?;
    }
    if wants("recovery") {
        recovery_table().await?;
    }
    if wants("reading") {
        reading_table().await?;
    }
    if wants("documents") {
        documents_table().await?;
    }
    Ok(())
}

#[expect(clippy::print_stdout, reason = "a benchmark prints its figures")]
async fn throughput_table() -> Result<()> {
    let (mut drains, mut enqueues, mut limits, mut durable, mut waits) = (vec![], vec![], vec![], vec![], vec![]);
    let mut features = vec![vec![]; FEATURES.len()];
    for round in 0..ROUNDS {
        limits.push(limit::limit(round).await?);
        let (enqueued, drained) = throughput::drain(&format!("bench{round}"), PLAIN).await?;
        drains.push(drained);
        enqueues.push(enqueued);
        redis_server::append_only(true).await?;
        durable.push(throughput::drain(&format!("benchaof{round}"), PLAIN).await?.1);
        redis_server::append_only(false).await?;
        for (which, (_, options)) in FEATURES.iter().enumerate() {
            features[which].push(throughput::drain(&format!("benchfeature{round}-{which}"), *options).await?.1);
        }
        waits.push(throughput::waiting(&format!("benchwait{round}")).await?);
    }
    let (drained, enqueued, most) = (median(drains), median(enqueues), median(limits));
    println!("no-op jobs, claim → apalis → complete, one worker   {drained:>9.0} jobs/s   {:.2} × limit", drained / most);
    let durable = median(durable);
    println!("the same with appendfsync everysec                  {durable:>9.0} jobs/s   {:.2} × without", durable / drained);
    for ((name, _), rates) in FEATURES.iter().zip(features) {
        let rate = median(rates);
        println!("the same with {name:<37} {rate:>9.0} jobs/s   {:.2} × without", rate / drained);
    }
    println!("bulk enqueue, batches of 500                        {enqueued:>9.0} jobs/s   {:.2} × limit", enqueued / most);
    println!("limit: Lua pops of 64 over one connection           {most:>9.0} jobs/s");
    println!("2,000 jobs that wait 100 ms, concurrency 200        {:>9.3} s        {:.3} × ideal", median(waits.clone()), median(waits));
    Ok(())
}

fn at(sorted: &[u128], part: f64) -> u128 {
    sorted[((sorted.len() - 1) as f64 * part) as usize]
}

#[expect(clippy::print_stdout, reason = "a benchmark prints its figures")]
async fn latency_table() -> Result<()> {
    let (latencies, trips) = latency::latency().await?;
    println!("idle enqueue → start                                p50 {} µs, p99 {} µs", at(&latencies, 0.5), at(&latencies, 0.99));
    println!("one Redis round trip (PING)                         p50 {} µs, p99 {} µs", at(&trips, 0.5), at(&trips, 0.99));
    let (enqueues, writes) = latency::single_enqueue().await?;
    let ratio = at(&writes, 0.5) as f64 / at(&enqueues, 0.5) as f64;
    println!(
        "one enqueue                                         p50 {} µs   {ratio:.2} × the rate of one SET of its size",
        at(&enqueues, 0.5)
    );
    Ok(())
}

#[expect(clippy::print_stdout, reason = "a benchmark prints its figures")]
async fn depth_table() -> Result<()> {
    let (mut deep, mut shallow, mut bytes) = (vec![], vec![], vec![]);
    for round in 0..ROUNDS {
        shallow.push(throughput::depth(&format!("benchshallow{round}"), 1_000).await?.0);
        let (rate, size) = throughput::depth(&format!("benchdeep{round}"), 1_000_000).await?;
        deep.push(rate);
        bytes.push(size);
    }
    let (deep, shallow) = (median(deep), median(shallow));
    println!("claims and completions with 1,000,000 queued        {deep:>9.0} jobs/s   {:.2} × with 1,000 queued", deep / shallow);
    println!("Redis bytes a queued job beyond its payload         {:>9.0}", median(bytes));
    Ok(())
}

#[expect(clippy::print_stdout, reason = "a benchmark prints its figures")]
async fn idle_table() -> Result<()> {
    for name in ["celeriac-worker", "celeriac-scheduler"] {
        let (megabytes, commands, percent) = idle::idle(name).await?;
        println!("{name:<20} idle   {megabytes:>6.1} MB RSS   {commands:.2} Redis commands/s   {percent:.2} % of a core");
    }
    Ok(())
}

#[expect(clippy::print_stdout, reason = "a benchmark prints its figures")]
async fn recovery_table() -> Result<()> {
    let program = std::env::current_exe()?.with_file_name("chaos");
    let mut seconds = Vec::new();
    for _ in 0..ROUNDS {
        let took = celeriac_tests::chaos::last_orphan_runs_again(&program, LeaseConfig::default().lease, 100).await?;
        seconds.push(took.as_secs_f64());
    }
    println!("SIGKILL of a worker with 100 jobs: the last runs again after {:.1} s, the lease being 10 s", median(seconds));
    Ok(())
}

#[expect(clippy::print_stdout, reason = "a benchmark prints its figures")]
async fn reading_table() -> Result<()> {
    match reading::compare(ROUNDS).await? {
        None => println!("text of PDFs: pdftotext is not here to compare with (Debian: apt-get install poppler-utils)"),
        Some(files) => {
            let (mut ours, mut theirs, mut pages) = (0.0, 0.0, 0.0);
            let mut agreements: Vec<f64> = files.iter().map(|file| file.agreement).collect();
            agreements.sort_by(f64::total_cmp);
            for file in files {
                let (we, they) = (median(file.ours), median(file.theirs));
                let rate = f64::from(file.pages) / we;
                println!("text of {:<43} {rate:>9.0} pages/s  {:.2} × pdftotext   F1 {:.4}", file.name, they / we, file.agreement);
                (ours, theirs, pages) = (ours + we, theirs + they, pages + f64::from(file.pages));
            }
            println!("text of all, each in a process of its own           {:>9.0} pages/s  {:.2} × pdftotext", pages / ours, theirs / ours);
            println!(
                "words in common with pdftotext (F1)                 median {:.4}, worst {:.4}",
                median(agreements.clone()),
                agreements[0]
            );
        }
    }
    for (name, ocr) in [("drawn for the model", "vision"), ("recognized by tesseract", "tesseract")] {
        if ocr == "tesseract" && !tesseract_installed() {
            println!("scans by tesseract: it is not installed here");
            continue;
        }
        let scans::Scans { pages_per_second, peak, looks_per_second } = scans::two_at_once(ocr).await?;
        let megabytes = |kb: u64| kb as f64 * 1.024 / 1_000.0;
        println!(
            "two scans of 100 pages at once, {name:<24} {pages_per_second:>5.1} pages/s  looked at {looks_per_second:.0} times a second"
        );
        println!(
            "  worker and all its processes, of 400 MB at most     peak {:.0} MB PSS ({:.0} MB RSS, shared pages counted in each; the worker {:.0})",
            megabytes(peak.pss_kb),
            megabytes(peak.rss_kb),
            megabytes(peak.worker_rss_kb)
        );
    }
    Ok(())
}

#[expect(clippy::print_stdout, reason = "a benchmark prints its figures")]
async fn documents_table() -> Result<()> {
    let mut rounds = Vec::new();
    for _ in 0..ROUNDS {
        rounds.push(documents::round().await?);
    }
    let of = |value: fn(&documents::Round) -> f64| median(rounds.iter().map(value).collect());
    println!(
        "one-page documents, concurrency {}, model 500 ms    {:>9.1} documents/s   {:.2} × ideal",
        documents::CONCURRENCY,
        of(|round| round.documents_per_second),
        of(|round| round.of_ideal)
    );
    println!(
        "processor time a document                           {:>9.1} ms in the worker, {:.1} ms in the processes that read",
        of(|round| round.worker_ms),
        of(|round| round.readers_ms)
    );
    Ok(())
}
