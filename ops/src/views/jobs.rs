//! Jobs in Redis, one row each. Payloads are not shown: they may hold personal data.

use celeriac_queue::{BatchId, Fingerprint, Inspector, JobId, JobView, QueueName, State, UniqueView};
use chrono::{DateTime, Utc};
use serde::{Deserialize, Serialize};

use crate::human::moment;

#[derive(Debug, Clone, Serialize)]
pub(crate) struct JobRow {
    pub(crate) id: JobId,
    pub(crate) queue: QueueName,
    /// The wire name; absent when the stored envelope cannot be read.
    pub(crate) job: Option<String>,
    pub(crate) state: State,
    pub(crate) priority: u8,
    /// The batch it is a member of.
    pub(crate) batch: Option<BatchId>,
    /// The home queue of that batch.
    pub(crate) batch_home: Option<QueueName>,
    /// Whose work it is.
    pub(crate) key: Option<String>,
    pub(crate) units: u32,
    pub(crate) unique: Option<UniqueView>,
    /// Its worker died while it ran it: it is run alone.
    pub(crate) suspect: bool,
    pub(crate) enqueued_at: Option<DateTime<Utc>>,
    /// When a scheduled job is due.
    pub(crate) due_at: Option<DateTime<Utc>>,
    /// Until when a running job's lease holds without another heartbeat.
    pub(crate) lease_until: Option<DateTime<Utc>>,
    pub(crate) worker: Option<String>,
    /// Attempts that failed.
    pub(crate) failed_attempts: u32,
    /// Deliveries whose worker died or fell silent.
    pub(crate) losses: u32,
    /// Deliveries that gave the slot back without spending an attempt.
    pub(crate) snoozes: u32,
    pub(crate) cancel_asked: bool,
    pub(crate) progress: Option<Progress>,
    pub(crate) ended_at: Option<DateTime<Utc>>,
    /// Which kind of end, e.g. failed, refused, poison, unknown.
    pub(crate) kind: Option<String>,
    pub(crate) reason: Option<String>,
    /// The cause of a dead job's death: jobs with the same one died of the same.
    pub(crate) fingerprint: Option<Fingerprint>,
    pub(crate) duration_ms: Option<u64>,
    pub(crate) output: Option<serde_json::Value>,
    pub(crate) request_id: Option<String>,
    pub(crate) payload_bytes: usize,
    /// The name of the key that the arguments are encrypted with in Redis.
    pub(crate) encrypted_with: Option<String>,
    /// What is not run again when the job is, in the order in which it finished.
    pub(crate) steps: Vec<StepRow>,
    pub(crate) attempts: Vec<AttemptRow>,
}

#[derive(Debug, Clone, Serialize, Deserialize)]
pub(crate) struct Progress {
    pub(crate) percent: f64,
    #[serde(default)]
    pub(crate) message: String,
}

/// A finished step. What it came to is not shown: it may hold personal data.
#[derive(Debug, Clone, Serialize)]
pub(crate) struct StepRow {
    pub(crate) name: String,
    pub(crate) at: DateTime<Utc>,
    /// Of its result.
    pub(crate) bytes: usize,
}

/// One failed attempt.
#[derive(Debug, Clone, Serialize)]
pub(crate) struct AttemptRow {
    pub(crate) at: DateTime<Utc>,
    pub(crate) worker: String,
    pub(crate) error: String,
}

/// Jobs of one state: of one queue, or of all queues one after the other.
///
/// # Errors
/// When Redis does not answer.
pub(crate) async fn in_state(
    inspector: &Inspector,
    state: State,
    queue: Option<&QueueName>,
    limit: usize,
) -> Result<Vec<JobRow>, celeriac_queue::Error> {
    let queues = match queue {
        Some(queue) => vec![queue.clone()],
        None => inspector.queue_names().await?,
    };
    let mut rows = Vec::new();
    for queue in &queues {
        let views = inspector.list(queue, state, limit - rows.len()).await?;
        rows.extend(views.into_iter().map(JobRow::from));
        if rows.len() >= limit {
            break;
        }
    }
    Ok(rows)
}

/// The newest failures of all queues together.
///
/// # Errors
/// When Redis does not answer.
pub(crate) async fn recently_dead(inspector: &Inspector, limit: usize) -> Result<Vec<JobRow>, celeriac_queue::Error> {
    let mut rows = Vec::new();
    for queue in inspector.queue_names().await? {
        rows.extend(inspector.list(&queue, State::Dead, limit).await?.into_iter().map(JobRow::from));
    }
    rows.sort_by_key(|row| std::cmp::Reverse(row.ended_at));
    rows.truncate(limit);
    Ok(rows)
}

/// Dead jobs of one cause, of one queue or of all, newest first.
///
/// # Errors
/// When Redis does not answer.
pub(crate) async fn of_group(
    inspector: &Inspector,
    group: &Fingerprint,
    queue: Option<&QueueName>,
    limit: usize,
) -> Result<Vec<JobRow>, celeriac_queue::Error> {
    let mut dead = super::dead::jobs(inspector, queue, Some(group)).await?;
    dead.sort_by_key(|row| std::cmp::Reverse(row.died_at));
    let mut rows = Vec::new();
    for row in dead.iter().take(limit) {
        rows.extend(find(inspector, &row.id, Some(&row.queue)).await?);
    }
    Ok(rows)
}

/// A job by its id, in the named queue or wherever it is. `None`: Redis does not know it.
///
/// # Errors
/// When Redis does not answer.
pub(crate) async fn find(inspector: &Inspector, id: &JobId, queue: Option<&QueueName>) -> Result<Option<JobRow>, celeriac_queue::Error> {
    let found = match queue {
        Some(queue) => inspector.job(queue, id).await,
        None => inspector.find(id).await,
    };
    match found {
        Ok(view) => Ok(Some(view.into())),
        Err(celeriac_queue::Error::NoSuchJob { .. }) => Ok(None),
        Err(error) => Err(error),
    }
}

impl JobRow {
    pub(crate) fn name(&self) -> &str {
        self.job.as_deref().unwrap_or("(unreadable)")
    }

    /// `62 %: reading page 3`
    pub(crate) fn progress_text(&self) -> Option<String> {
        self.progress.as_ref().map(|progress| match progress.message.as_str() {
            "" => format!("{:.0} %", progress.percent),
            message => format!("{:.0} %: {message}", progress.percent),
        })
    }

    /// `2 failed, 1 lost`; absent for a job that never stumbled.
    pub(crate) fn tries_text(&self) -> Option<String> {
        let parts = [(self.failed_attempts, "failed"), (self.losses, "lost"), (self.snoozes, "snoozed")];
        let told: Vec<String> = parts.iter().filter(|(count, _)| *count > 0).map(|(count, what)| format!("{count} {what}")).collect();
        (!told.is_empty()).then(|| told.join(", "))
    }
}

/// `invoice-7 while running (reject)`
pub(crate) fn unique_text(unique: &UniqueView) -> String {
    let UniqueView { key, scope, period_ms, conflict } = unique;
    let held = match period_ms {
        Some(ms) => format!("for {}", crate::human::took(*ms)),
        None => format!("while {scope}"),
    };
    format!("{key} {held} ({conflict})")
}

impl From<JobView> for JobRow {
    fn from(view: JobView) -> Self {
        let until = view.until.map(moment);
        let outcome = view.outcome;
        let fingerprint = outcome
            .as_ref()
            .filter(|outcome| outcome.state == State::Dead)
            .map(|outcome| Fingerprint::of(view.name.as_deref(), outcome.kind.as_deref(), outcome.reason.as_deref()));
        let (batch_home, batch) = view.batch.unzip();
        Self {
            batch,
            batch_home,
            id: view.id,
            queue: view.queue,
            job: view.name,
            state: view.state,
            priority: view.priority,
            key: view.key,
            units: view.units,
            unique: view.unique,
            suspect: view.suspect,
            enqueued_at: view.enqueued_at.map(moment),
            due_at: until.filter(|_| view.state == State::Scheduled),
            lease_until: until.filter(|_| view.state == State::Running),
            worker: view.worker.or_else(|| outcome.as_ref().and_then(|outcome| outcome.worker.clone())),
            failed_attempts: view.tries.attempts,
            losses: view.tries.losses,
            snoozes: view.tries.snoozes,
            cancel_asked: view.cancel_asked,
            progress: view.progress.and_then(|json| serde_json::from_value(json).ok()),
            ended_at: outcome.as_ref().map(|outcome| moment(outcome.at)),
            kind: outcome.as_ref().and_then(|outcome| outcome.kind.clone()),
            reason: outcome.as_ref().and_then(|outcome| outcome.reason.clone()),
            fingerprint,
            duration_ms: outcome.as_ref().and_then(|outcome| outcome.duration_ms),
            output: outcome.and_then(|outcome| outcome.output),
            request_id: view.request_id,
            payload_bytes: view.payload_bytes,
            encrypted_with: view.encrypted_with,
            steps: view.steps.into_iter().map(|step| StepRow { at: moment(step.at), name: step.name, bytes: step.bytes }).collect(),
            attempts: view
                .history
                .into_iter()
                .map(|attempt| AttemptRow { at: moment(attempt.at), worker: attempt.worker, error: attempt.error })
                .collect(),
        }
    }
}
