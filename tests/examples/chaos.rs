//! `make chaos`: many jobs, and everything that can go wrong with workers and Redis, on servers of its own; then documents, and what became
//! of the money.
//!
//! ```text
//! chaos [SEED] [JOBS] [SECONDS]     the engine, both variants; SEED repeats an earlier run's disturbances
//! chaos documents [SEED] [KILLS]    documents, on the servers that `celeriac with-servers` gives it
//! chaos worker ORDERS               one of the engine's workers
//! ```

use std::process::ExitCode;

use anyhow::{Context, Result, bail};
use celeriac_ops::devstack::Persistence;
use celeriac_tests::chaos::documents::Campaign;
use celeriac_tests::chaos::{Plan, work};

const JOBS: u64 = 200_000;
const SECONDS: u64 = 100;
const WORKERS: usize = 4;
/// The second variant shows one thing only: nothing is lost, so nothing is done twice.
const ALWAYS_SHARE: u64 = 4;
/// Workers killed over documents.
const KILLS: u64 = 300;
/// Workers over documents at a time.
const LANES: usize = 3;

#[tokio::main]
async fn main() -> Result<ExitCode> {
    let arguments: Vec<String> = std::env::args().skip(1).collect();
    if let [role, orders] = &arguments[..]
        && role == "worker"
    {
        work(orders).await?;
        return Ok(ExitCode::SUCCESS);
    }
    match &arguments[..] {
        [part, rest @ ..] if part == "documents" => documents(rest).await,
        engine => run(engine).await,
    }
}

/// Up to so many numbers.
fn numbers<const MAX: usize>(arguments: &[String], usage: &str) -> Result<[Option<u64>; MAX]> {
    if arguments.len() > MAX {
        bail!("usage: {usage}");
    }
    let mut numbers = [None; MAX];
    for (number, text) in numbers.iter_mut().zip(arguments) {
        *number = Some(text.parse().with_context(|| format!("{text:?} is not a number"))?);
    }
    Ok(numbers)
}

#[expect(clippy::print_stdout, reason = "the report is what it is run for")]
async fn documents(arguments: &[String]) -> Result<ExitCode> {
    let [seed, kills] = numbers(arguments, "chaos documents [SEED] [KILLS]")?;
    let seed = seed.unwrap_or_else(rand::random);
    println!("seed {seed}: `make chaos ONLY=documents SEED={seed}` repeats the strikes");
    let kills = usize::try_from(kills.unwrap_or(KILLS))?;
    let reckoning = Campaign { seed, kills, lanes: LANES }.run().await?;
    print!("{reckoning}");
    Ok(if reckoning.holds() { ExitCode::SUCCESS } else { ExitCode::FAILURE })
}

#[expect(clippy::print_stdout, reason = "the report is what it is run for")]
async fn run(arguments: &[String]) -> Result<ExitCode> {
    let [seed, jobs, seconds] = numbers(arguments, "chaos [SEED] [JOBS] [SECONDS]")?;
    let (seed, jobs, seconds) = (seed.unwrap_or_else(rand::random), jobs.unwrap_or(JOBS), seconds.unwrap_or(SECONDS));
    println!("seed {seed}: `make chaos SEED={seed}` repeats the disturbances");
    let mut code = ExitCode::SUCCESS;
    for (persistence, share) in [(Persistence::EverySecond, 1), (Persistence::EveryWrite, ALWAYS_SHARE)] {
        let plan = Plan {
            program: std::env::current_exe().context("its own path")?,
            seed,
            jobs: usize::try_from(jobs / share)?,
            seconds: seconds / share,
            workers: WORKERS,
            persistence,
        };
        let report = plan.run().await?;
        print!("{report}");
        if !report.holds() {
            code = ExitCode::FAILURE;
        }
    }
    Ok(code)
}
