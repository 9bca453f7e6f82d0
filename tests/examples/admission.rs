//! `make admission`: 1,000 documents, four workers, a model limited to 300 requests a minute that answers one request in fifty with a fault.
//!
//! ```text
//! admission [SEED] [DOCUMENTS]     four minutes; ends with 1 when a document failed or the limit was exceeded by more than 2 %
//! ```

use std::process::ExitCode;
use std::time::Duration;

use anyhow::{Context, Result};
use celeriac_tests::crowd::Crowd;

const DOCUMENTS: u64 = 1_000;

#[expect(clippy::print_stdout, reason = "the report is what it is run for")]
#[tokio::main]
async fn main() -> Result<ExitCode> {
    let mut numbers = std::env::args().skip(1).map(|text| text.parse::<u64>().with_context(|| format!("{text:?} is not a number")));
    let seed = numbers.next().transpose()?.unwrap_or_else(rand::random);
    let documents = numbers.next().transpose()?.unwrap_or(DOCUMENTS);
    let crowd = Crowd {
        documents,
        workers: 4,
        requests_per_minute: 300,
        workers_know: true,
        fault_rate: 0.02,
        seed,
        longest: Duration::from_secs(30 + documents),
    };
    let report = crowd.run().await;
    print!("{report}");
    Ok(if report.holds() { ExitCode::SUCCESS } else { ExitCode::FAILURE })
}
