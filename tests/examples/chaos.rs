//! `make chaos`: many jobs, and everything that can go wrong with workers and Redis, on servers of its own.
//!
//! ```text
//! chaos [SEED] [JOBS] [SECONDS]     both variants; SEED repeats an earlier run's disturbances
//! chaos worker ORDERS               one of its workers
//! ```

use std::process::ExitCode;

use anyhow::{Context, Result, bail};
use celeriac_ops::devstack::Persistence;
use celeriac_tests::chaos::{Plan, work};

const JOBS: u64 = 200_000;
const SECONDS: u64 = 100;
const WORKERS: usize = 4;
/// The second variant shows one thing only: nothing is lost, so nothing is done twice.
const ALWAYS_SHARE: u64 = 4;

#[tokio::main]
async fn main() -> Result<ExitCode> {
    let arguments: Vec<String> = std::env::args().skip(1).collect();
    if let [role, orders] = &arguments[..]
        && role == "worker"
    {
        work(orders).await?;
        return Ok(ExitCode::SUCCESS);
    }
    run(&arguments).await
}

#[expect(clippy::print_stdout, reason = "the report is what it is run for")]
async fn run(arguments: &[String]) -> Result<ExitCode> {
    let mut numbers = arguments.iter().map(|text| text.parse::<u64>().with_context(|| format!("{text:?} is not a number")));
    let seed = numbers.next().transpose()?.unwrap_or_else(rand::random);
    let jobs = numbers.next().transpose()?.unwrap_or(JOBS);
    let seconds = numbers.next().transpose()?.unwrap_or(SECONDS);
    if numbers.next().is_some() {
        bail!("usage: chaos [SEED] [JOBS] [SECONDS]");
    }
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
