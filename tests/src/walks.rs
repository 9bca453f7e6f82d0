//! A job of steps that says each time one runs, and rests between them until it may go on: so a test can end its worker there.

use std::fs::File;
use std::io::Write;
use std::path::PathBuf;
use std::time::Duration;

use celeriac_queue::{Job, JobContext, JobError, JobResult, Policy};
use serde::{Deserialize, Serialize};

/// How often it looks whether it may go on.
const LOOK_EVERY: Duration = Duration::from_millis(10);

/// Run by `napping-worker`.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub struct Walk {
    /// `journal` gets a line with the name of every step that runs; a step after the first is begun when `go-<its name>` is there.
    pub folder: PathBuf,
    pub steps: Vec<String>,
}

impl Job for Walk {
    const NAME: &'static str = "walk";
    type State = ();
    /// What its steps came to, one behind the other.
    type Output = String;

    async fn run(self, _: (), ctx: JobContext) -> JobResult<String> {
        let mut way = String::new();
        for (number, step) in self.steps.iter().enumerate() {
            while number > 0 && !self.folder.join(format!("go-{step}")).exists() {
                tokio::time::sleep(LOOK_EVERY).await;
            }
            way += &ctx
                .step(step, || async {
                    let mut journal = File::options().create(true).append(true).open(self.folder.join("journal"))?;
                    journal.write_all(format!("{step}\n").as_bytes())?;
                    Ok::<_, JobError>(format!("{step} of attempt {};", ctx.tries().deliveries() + 1))
                })
                .await?;
        }
        Ok(way)
    }

    fn policy() -> Policy {
        Policy::default()
    }
}
