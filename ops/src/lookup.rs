//! Where a job is: in Redis, in the outbox, or both.

use celeriac_queue::{JobId, QueueName};
use serde::Serialize;

use crate::stores::Stores;
use crate::views::jobs::JobRow;
use crate::views::outbox::OutboxRow;
use crate::views::{jobs, outbox};

/// What is known of one job. At least one of the two parts is there.
#[derive(Debug, Clone, Serialize)]
pub(crate) struct Found {
    pub(crate) id: JobId,
    /// As in Redis; for a job that only the outbox knows: in outbox, relayed, or how it ended.
    pub(crate) state: String,
    pub(crate) in_queue: Option<JobRow>,
    pub(crate) in_outbox: Option<OutboxRow>,
}

/// Asks both stores. `None`: neither knows the id. When PostgreSQL is away, what Redis knows is still told, with the remark why the rest
/// is missing.
///
/// # Errors
/// When Redis does not answer, or PostgreSQL does not and Redis does not know the job.
pub(crate) async fn find(stores: &Stores, id: &JobId, queue: Option<&QueueName>) -> anyhow::Result<(Option<Found>, Option<String>)> {
    let in_queue = jobs::find(&stores.inspector().await?, id, queue).await?;
    let asked = async { anyhow::Ok(outbox::find(&stores.postgres().await?, id).await?) };
    let (in_outbox, remark) = match asked.await {
        Ok(row) => (row, None),
        Err(error) if in_queue.is_some() => (None, Some(format!("its row in the outbox cannot be read: {error:#}"))),
        Err(error) => return Err(error),
    };
    let state = match (&in_queue, &in_outbox) {
        (Some(row), _) => row.state.to_string(),
        (None, Some(row)) => row.state().to_owned(),
        (None, None) => return Ok((None, remark)),
    };
    Ok((Some(Found { id: id.clone(), state, in_queue, in_outbox }), remark))
}
