//! `run_openai_batches` as a job.

use celeriac_queue::{Job, JobContext, JobResult, Policy};

use super::{BatchRun, BatchRunner, NAME, RunOpenaiBatches, policy};
use crate::exclusive::{Duty, exclusively};

impl Job for RunOpenaiBatches {
    const NAME: &'static str = NAME;
    type State = BatchRunner;
    type Output = BatchRun;

    fn policy() -> Policy {
        policy()
    }

    async fn run(self, runner: BatchRunner, ctx: JobContext) -> JobResult<BatchRun> {
        // Another run is at it: the next firing comes in a minute.
        let done = exclusively(&runner.pool, Duty::Batches, runner.run(ctx.client())).await?;
        Ok(done.transpose()?.unwrap_or_default())
    }
}
