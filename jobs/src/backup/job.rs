//! Both as jobs: which end of a run is the job's end.

use std::time::Duration;

use celeriac_queue::{Job, JobContext, JobError, JobResult, Outcome, Policy};

use super::report::{BackedUp, Verified};
use super::{BACKUP_NAME, BackupDatabase, BackupError, Backups, VERIFY_NAME, VerifyBackup, VerifyError, policy, retention};

/// Until the other run may be over.
const BUSY_WAIT: Duration = Duration::from_secs(60);

impl Job for BackupDatabase {
    const NAME: &'static str = BACKUP_NAME;
    type State = Backups;
    type Output = BackedUp;

    fn policy() -> Policy {
        policy()
    }

    async fn run(self, state: Backups, ctx: JobContext) -> JobResult<BackedUp> {
        state.back_up(ctx.id().as_str(), self.dry_run).await.map_err(|error| match error {
            BackupError::Busy => JobError::Snooze(BUSY_WAIT, error.to_string()),
            BackupError::NotAllowed(error) => JobError::Bury(error),
            BackupError::Failed(error) => JobError::Retry(error),
        })
    }

    /// What a killed or cancelled run had begun is not left `running` until the next night.
    async fn on_terminal(self, state: Backups, ctx: JobContext, outcome: Outcome) -> anyhow::Result<()> {
        // Without a store nothing was begun.
        let Ok(store) = state.store() else { return Ok(()) };
        let sentence = format!("its job ended unfinished ({})", outcome.state);
        retention::sweep(&state.pool, &store, Some(ctx.id().as_str()), &sentence).await?;
        Ok(())
    }
}

impl Job for VerifyBackup {
    const NAME: &'static str = VERIFY_NAME;
    type State = Backups;
    type Output = Verified;

    fn policy() -> Policy {
        policy()
    }

    async fn run(self, state: Backups, _ctx: JobContext) -> JobResult<Verified> {
        state.verify(self.backup_id, self.dry_run).await.map_err(|error| match error {
            VerifyError::Busy => JobError::Snooze(BUSY_WAIT, error.to_string()),
            VerifyError::NotAllowed(error) => JobError::Bury(error),
            VerifyError::Broken { .. } => JobError::bury(error.to_string()),
            VerifyError::Failed(error) => JobError::Retry(error),
        })
    }
}
