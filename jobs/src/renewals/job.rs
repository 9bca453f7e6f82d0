//! `process_renewals` as a job: which end of a run is the job's end.

use std::time::Duration;

use anyhow::anyhow;
use celeriac_queue::{Job, JobContext, JobError, JobResult, Policy};

use super::{NAME, ProcessRenewals, Renewals, Renewing, RunError, policy};

/// Until the other run may be over.
const BUSY_WAIT: Duration = Duration::from_secs(30);

impl Job for ProcessRenewals {
    const NAME: &'static str = NAME;
    type State = Renewing;
    type Output = Renewals;

    fn policy() -> Policy {
        policy()
    }

    async fn run(self, state: Renewing, _ctx: JobContext) -> JobResult<Renewals> {
        let report = state.run(&self).await.map_err(|error| match error {
            RunError::Busy => JobError::Snooze(BUSY_WAIT, error.to_string()),
            RunError::TooEarly { .. } | RunError::NotAllowed(_) => JobError::bury(error.to_string()),
            RunError::Sql(error) => error.into(),
        })?;
        if report.left > 0 {
            tracing::warn!(left = report.left, "more renewals are due than RENEWALS_MAX allows in one run");
        }
        if let Some(first) = report.unanswered.first() {
            return Err(JobError::Retry(anyhow!("{} renewals stay open, as {first}", report.unanswered.len())));
        }
        // Dead, so that somebody looks; the next firing tries the rest again.
        if let Some(first) = report.for_a_person.first() {
            return Err(JobError::bury(format!("{} renewals need a person, as {first}", report.for_a_person.len())));
        }
        Ok(report)
    }
}
