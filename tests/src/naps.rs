//! A job that says each time it runs, and then takes its time: so a test can count how often each ran.

use std::collections::BTreeMap;
use std::fs::File;
use std::io::Write;
use std::path::{Path, PathBuf};
use std::time::Duration;

use celeriac_queue::{Job, JobContext, JobResult, Policy};
use serde::{Deserialize, Serialize};

/// Run by `napping-worker`.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub struct Nap {
    /// Gets a line with the job's id at the beginning of every run.
    pub journal: PathBuf,
    pub duration_ms: u64,
}

impl Job for Nap {
    const NAME: &'static str = "nap";
    type State = ();
    type Output = ();

    fn policy() -> Policy {
        Policy { keep: Duration::ZERO, ..Policy::default() }
    }

    async fn run(self, _: (), ctx: JobContext) -> JobResult {
        let mut journal = File::options().create(true).append(true).open(&self.journal).map_err(anyhow::Error::from)?;
        // One write, so that lines of several workers do not mix.
        journal.write_all(format!("{}\n", ctx.id()).as_bytes()).map_err(anyhow::Error::from)?;
        tokio::time::sleep(Duration::from_millis(self.duration_ms)).await;
        Ok(())
    }
}

/// How often each job has begun to run.
pub fn runs(journal: &Path) -> BTreeMap<String, usize> {
    let mut runs = BTreeMap::new();
    for id in std::fs::read_to_string(journal).unwrap_or_default().lines() {
        *runs.entry(id.to_owned()).or_default() += 1;
    }
    runs
}
