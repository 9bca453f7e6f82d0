//! Dead jobs: which, and by what cause. Their payloads are neither read nor shown.

use celeriac_queue::{DeadGroup, DeadJob, Fingerprint, Inspector, JobId, QueueName};
use chrono::{DateTime, Utc};
use serde::Serialize;

use crate::human::moment;
use crate::views::jobs::JobRow;

/// One dead job.
#[derive(Debug, Clone, Serialize)]
pub(crate) struct DeadRow {
    pub(crate) id: JobId,
    pub(crate) queue: QueueName,
    pub(crate) job: Option<String>,
    pub(crate) kind: Option<String>,
    pub(crate) reason: Option<String>,
    pub(crate) fingerprint: Option<Fingerprint>,
    pub(crate) died_at: Option<DateTime<Utc>>,
}

/// Dead jobs of one queue with one cause.
#[derive(Debug, Clone, Serialize)]
pub(crate) struct GroupRow {
    pub(crate) fingerprint: Fingerprint,
    pub(crate) queue: QueueName,
    pub(crate) job: Option<String>,
    pub(crate) kind: Option<String>,
    pub(crate) count: u64,
    /// Of the newest.
    pub(crate) reason: Option<String>,
    pub(crate) first_at: DateTime<Utc>,
    pub(crate) last_at: DateTime<Utc>,
    /// The newest.
    pub(crate) example: JobId,
}

/// The causes in one queue or in all, the largest first. Looks at the newest so many of each queue.
///
/// # Errors
/// When Redis does not answer.
pub(crate) async fn groups(
    inspector: &Inspector,
    queue: Option<&QueueName>,
    newest: usize,
) -> Result<Vec<GroupRow>, celeriac_queue::Error> {
    let mut rows = Vec::new();
    for queue in queues(inspector, queue).await? {
        rows.extend(inspector.dead_groups(&queue, newest).await?.into_iter().map(GroupRow::from));
    }
    rows.sort_by_key(|row| std::cmp::Reverse((row.count, row.last_at)));
    Ok(rows)
}

/// Dead jobs of one queue or of all, of one cause or of any; of each queue the newest first.
///
/// # Errors
/// When Redis does not answer.
pub(crate) async fn jobs(
    inspector: &Inspector,
    queue: Option<&QueueName>,
    group: Option<&Fingerprint>,
) -> Result<Vec<DeadRow>, celeriac_queue::Error> {
    let mut rows = Vec::new();
    for queue in queues(inspector, queue).await? {
        rows.extend(inspector.dead_jobs(&queue, group).await?.into_iter().map(|job| DeadRow::new(&queue, job)));
    }
    Ok(rows)
}

async fn queues(inspector: &Inspector, queue: Option<&QueueName>) -> Result<Vec<QueueName>, celeriac_queue::Error> {
    match queue {
        Some(queue) => Ok(vec![queue.clone()]),
        None => inspector.queue_names().await,
    }
}

impl DeadRow {
    fn new(queue: &QueueName, job: DeadJob) -> Self {
        Self {
            id: job.id,
            queue: queue.clone(),
            job: job.job,
            kind: job.kind,
            reason: job.reason,
            fingerprint: Some(job.fingerprint),
            died_at: Some(moment(job.at)),
        }
    }
}

impl From<JobRow> for DeadRow {
    fn from(row: JobRow) -> Self {
        Self {
            id: row.id,
            queue: row.queue,
            job: row.job,
            kind: row.kind,
            reason: row.reason,
            fingerprint: row.fingerprint,
            died_at: row.ended_at,
        }
    }
}

impl From<DeadGroup> for GroupRow {
    fn from(group: DeadGroup) -> Self {
        Self {
            fingerprint: group.fingerprint,
            queue: group.queue,
            job: group.job,
            kind: group.kind,
            count: group.count,
            reason: group.reason,
            first_at: moment(group.first_at),
            last_at: moment(group.last_at),
            example: group.example,
        }
    }
}
