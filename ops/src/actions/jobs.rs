//! Cancel a job, or run an ended one again.

use anyhow::Context;
use celeriac_queue::{Cancelled, Error, JobId, QueueName};
use serde::Serialize;
use serde_json::json;

use crate::audit::{self, Actor};
use crate::stores::Stores;
use crate::views::jobs;

/// What a cancellation came to.
#[derive(Debug, Clone, Serialize)]
pub(crate) struct CancelReport {
    pub(crate) id: JobId,
    /// Absent when the job had not left the outbox.
    pub(crate) queue: Option<QueueName>,
    /// cancelled, asked (it is running and will stop within a second) or already_ended.
    pub(crate) result: Cancelled,
    #[serde(skip)]
    pub(crate) note: Option<String>,
}

/// What a repetition came to.
#[derive(Debug, Clone, Serialize)]
pub(crate) struct RequeueReport {
    pub(crate) id: JobId,
    pub(crate) queue: QueueName,
    /// False: it has not ended, so there is nothing to repeat.
    pub(crate) requeued: bool,
}

/// # Errors
/// When no store knows the job, or one does not answer.
pub(crate) async fn cancel(stores: &Stores, actor: &Actor, id: &JobId, queue: Option<&QueueName>) -> anyhow::Result<CancelReport> {
    let Some(found) = jobs::find(&stores.inspector().await?, id, queue).await? else {
        return cancel_in_outbox(stores, actor, id).await;
    };
    let result = stores.client().await?.cancel(&found.queue, id, actor.as_str()).await?;
    let note = audit::record_after(stores, actor, "cancel", id.as_str(), json!({ "queue": found.queue, "result": result })).await;
    Ok(CancelReport { id: id.clone(), queue: Some(found.queue), result, note })
}

/// A job that the relay has not given to Redis yet is ended where it lies.
async fn cancel_in_outbox(stores: &Stores, actor: &Actor, id: &JobId) -> anyhow::Result<CancelReport> {
    let mut transaction = stores.postgres().await?.begin().await?;
    let ended = sqlx::query!(
        "update celeriac.outbox set done_at = now(), outcome = 'cancelled', error = 'cancelled by ' || $2::text
         where id = $1 and relayed_at is null and done_at is null returning job",
        id.as_str(),
        actor.as_str()
    );
    if ended.fetch_optional(&mut *transaction).await?.is_none() {
        anyhow::bail!("no queue knows a job {id}, and none of that id waits in the outbox");
    }
    audit::record(&mut *transaction, actor, "cancel", id.as_str(), json!({ "result": "cancelled", "in": "outbox" })).await?;
    transaction.commit().await?;
    Ok(CancelReport { id: id.clone(), queue: None, result: Cancelled::Cancelled, note: None })
}

/// Runs an ended job again from its first attempt. Its outbox row and its schedule run, if it has them, are open again until it ends.
///
/// # Errors
/// When Redis does not know the job, or a store does not answer; then nothing was repeated.
pub(crate) async fn requeue(stores: &Stores, actor: &Actor, action: &str, id: &JobId, queue: &QueueName) -> anyhow::Result<RequeueReport> {
    let mut transaction = stores.postgres().await?.begin().await.context("PostgreSQL does not answer")?;
    // Reopened first and committed last: a worker that ends the job at once waits for our row lock to confirm it.
    sqlx::query!(
        "update celeriac.outbox set done_at = null, outcome = null, error = null, duplicate_of = null where id = $1 and done_at is not null",
        id.as_str()
    )
    .execute(&mut *transaction)
    .await?;
    sqlx::query!("update celeriac.schedule_runs set finished_at = null, outcome = null, error = null where job_id = $1", id.as_str())
        .execute(&mut *transaction)
        .await?;
    audit::record(&mut *transaction, actor, action, id.as_str(), json!({ "queue": queue })).await?;
    let requeued = match stores.client().await?.requeue(queue, id).await {
        Ok(requeued) => requeued,
        Err(Error::NoSuchJob { .. }) => anyhow::bail!("there is no job {id} in queue {queue}: it never was, or its record has been pruned"),
        Err(error) => return Err(error.into()),
    };
    if requeued {
        transaction.commit().await?;
    }
    Ok(RequeueReport { id: id.clone(), queue: queue.clone(), requeued })
}
