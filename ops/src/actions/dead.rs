//! Replay or delete dead jobs: one, those of one cause, or all.
//!
//! A replay is spread out in Redis: each job is scheduled for its moment at once, so that nobody has to stay for it and a crash half-way
//! leaves the rest dead, to be replayed again.

use std::time::Duration;

use anyhow::Context;
use celeriac_queue::{Deleted, Fingerprint, JobId, QueueName, Rate, Replayed, State};
use serde::Serialize;
use serde_json::{Value, json};

use crate::audit::{self, Actor};
use crate::stores::Stores;
use crate::views::dead::DeadRow;
use crate::views::{dead, jobs};

/// As many go at once when no rate is given: one batch of the engine, which a claim promotes in one go. More is a decision about what
/// the jobs lean on, and that a person takes.
pub(crate) const AT_ONCE_MAX: usize = 500;
/// Jobs of one transaction in PostgreSQL: their rows stay locked while Redis answers.
const REPLAY_CHUNK: usize = 100;
const DELETE_CHUNK: usize = 500;

/// Which dead jobs.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Which {
    Job(JobId),
    Group(Fingerprint),
    All,
}

/// Dead jobs to act on: of which queue (none: of any), and the oldest so many.
#[derive(Debug, Clone)]
pub(crate) struct Selection {
    pub(crate) which: Which,
    pub(crate) queue: Option<QueueName>,
    pub(crate) limit: Option<usize>,
}

/// The chosen, of each queue the oldest first.
#[derive(Debug)]
pub(crate) struct Selected {
    pub(crate) rows: Vec<DeadRow>,
    /// As many would have been meant without the limit.
    pub(crate) matched: usize,
}

#[derive(Debug, thiserror::Error)]
pub(crate) enum Refused {
    #[error("there is no job {0} in any queue: it never was, or its record has been pruned")]
    NoSuchJob(JobId),
    #[error("job {id} is not dead (it is {state}); `celeriac job retry` repeats any job that has ended")]
    NotDead { id: JobId, state: State },
    #[error(
        "{0} jobs are more than the {AT_ONCE_MAX} that are replayed at once: say how fast with a rate, as in 10/s or 100/min, or how many with \
         a limit"
    )]
    TooManyAtOnce(usize),
    #[error(transparent)]
    Store(#[from] anyhow::Error),
}

impl From<celeriac_queue::Error> for Refused {
    fn from(error: celeriac_queue::Error) -> Self {
        Self::Store(error.into())
    }
}

/// What a replay came to, or (dry) would come to.
#[derive(Debug, Clone, Default, Serialize)]
pub(crate) struct ReplayReport {
    pub(crate) dry_run: bool,
    /// Dead jobs that were meant, before the limit.
    pub(crate) matched: usize,
    pub(crate) replayed: usize,
    /// When the last of them is due, seconds from now.
    pub(crate) last_due_in_seconds: f64,
    pub(crate) jobs: Vec<ReplayedJob>,
}

#[derive(Debug, Clone, Serialize)]
pub(crate) struct ReplayedJob {
    pub(crate) id: JobId,
    pub(crate) queue: QueueName,
    pub(crate) due_in_ms: u64,
    /// False: it was not dead any more.
    pub(crate) requeued: bool,
}

/// What a deletion came to, or (dry) would come to.
#[derive(Debug, Clone, Default, Serialize)]
pub(crate) struct DeleteReport {
    pub(crate) dry_run: bool,
    /// Dead jobs that were meant, before the limit.
    pub(crate) matched: usize,
    pub(crate) deleted: usize,
    /// They stay until a worker has told their end.
    pub(crate) notice_open: usize,
    pub(crate) jobs: Vec<DeletedJob>,
    #[serde(skip)]
    pub(crate) note: Option<String>,
}

#[derive(Debug, Clone, Serialize)]
pub(crate) struct DeletedJob {
    pub(crate) id: JobId,
    pub(crate) queue: QueueName,
    pub(crate) result: Deleted,
}

/// # Errors
/// [`Refused`] when one job was named and is not there or not dead, or Redis does not answer.
pub(crate) async fn select(stores: &Stores, selection: &Selection) -> Result<Selected, Refused> {
    let inspector = stores.inspector().await?;
    let queue = selection.queue.as_ref();
    let group = match &selection.which {
        Which::Job(id) => return select_one(jobs::find(&inspector, id, queue).await?, id),
        Which::Group(group) => Some(group),
        Which::All => None,
    };
    let mut rows = dead::jobs(&inspector, queue, group).await?;
    let matched = rows.len();
    // From the back, so that of two that died in the same millisecond the order of Redis holds.
    rows.reverse();
    rows.sort_by(|a, b| (&a.queue, a.died_at).cmp(&(&b.queue, b.died_at)));
    rows.truncate(selection.limit.unwrap_or(usize::MAX));
    Ok(Selected { rows, matched })
}

fn select_one(row: Option<jobs::JobRow>, id: &JobId) -> Result<Selected, Refused> {
    match row {
        Some(row) if row.state == State::Dead => Ok(Selected { rows: vec![row.into()], matched: 1 }),
        Some(row) => Err(Refused::NotDead { id: id.clone(), state: row.state }),
        None => Err(Refused::NoSuchJob(id.clone())),
    }
}

/// Runs them again from their first attempts; at a rate, which holds in each queue by itself, or all at once. Outbox rows and schedule runs
/// are open again until they end.
///
/// # Errors
/// [`Refused::TooManyAtOnce`] before anything is changed; or a store does not answer, then some may have been replayed: say it again for
/// the rest, what was replayed is not dead any more.
pub(crate) async fn replay(
    stores: &Stores,
    actor: &Actor,
    selection: &Selection,
    rate: Option<Rate>,
    dry_run: bool,
) -> Result<ReplayReport, Refused> {
    let Selected { rows, matched } = select(stores, selection).await?;
    if rate.is_none() && rows.len() > AT_ONCE_MAX {
        return Err(Refused::TooManyAtOnce(rows.len()));
    }
    let mut report = ReplayReport { dry_run, matched, ..ReplayReport::default() };
    for of_queue in rows.chunk_by(|a, b| a.queue == b.queue) {
        let queue = &of_queue[0].queue;
        let delay = |place| rate.map_or(Duration::ZERO, |rate| moment_in_row(rate, place));
        let plan: Vec<(JobId, Duration)> = of_queue.iter().enumerate().map(|(place, row)| (row.id.clone(), delay(place))).collect();
        for part in plan.chunks(REPLAY_CHUNK) {
            let requeued = match dry_run {
                true => vec![true; part.len()],
                false => replay_part(stores, actor, queue, part, detail(selection, queue, rate)).await?,
            };
            for ((id, delay), requeued) in part.iter().zip(requeued) {
                report.replayed += usize::from(requeued);
                report.last_due_in_seconds = report.last_due_in_seconds.max(delay.as_secs_f64());
                report.jobs.push(ReplayedJob { id: id.clone(), queue: queue.clone(), due_in_ms: delay.as_millis() as u64, requeued });
            }
        }
    }
    Ok(report)
}

/// When the job with that place in the row, from zero, is due: evenly, without a burst.
fn moment_in_row(rate: Rate, place: usize) -> Duration {
    let ms = place as f64 * rate.per().as_millis() as f64 / rate.units();
    // Casting saturates: a row of ten thousand at a job a month ends when it ends.
    Duration::from_millis(ms as u64)
}

async fn replay_part(
    stores: &Stores,
    actor: &Actor,
    queue: &QueueName,
    plan: &[(JobId, Duration)],
    detail: Value,
) -> anyhow::Result<Vec<bool>> {
    let ids: Vec<String> = plan.iter().map(|(id, _)| id.to_string()).collect();
    let mut transaction = stores.postgres().await?.begin().await.context("PostgreSQL does not answer")?;
    // Locked first and reopened last: a worker that ends a job at once waits for our lock to confirm it.
    sqlx::query!("select id from celeriac.outbox where id = any($1) order by id for update", &ids).fetch_all(&mut *transaction).await?;
    sqlx::query!("select job_id from celeriac.schedule_runs where job_id = any($1) order by job_id for update", &ids)
        .fetch_all(&mut *transaction)
        .await?;
    let answers = stores.client().await?.replay(queue, plan).await?;
    let requeued: Vec<bool> = answers.iter().map(|answer| matches!(answer, Ok(Replayed::Ready | Replayed::Scheduled))).collect();
    let ids: Vec<String> = ids.into_iter().zip(&requeued).filter(|(_, requeued)| **requeued).map(|(id, _)| id).collect();
    sqlx::query!(
        "update celeriac.outbox set done_at = null, outcome = null, error = null where id = any($1) and done_at is not null",
        &ids
    )
    .execute(&mut *transaction)
    .await?;
    sqlx::query!("update celeriac.schedule_runs set finished_at = null, outcome = null, error = null where job_id = any($1)", &ids)
        .execute(&mut *transaction)
        .await?;
    audit::record_many(&mut *transaction, actor, "replay", &ids, detail).await?;
    transaction.commit().await?;
    // What was replayed is on record before the first failure is told.
    for answer in answers {
        answer?;
    }
    Ok(requeued)
}

/// Deletes their records for good.
///
/// # Errors
/// When a store does not answer; some may have been deleted.
pub(crate) async fn delete(stores: &Stores, actor: &Actor, selection: &Selection, dry_run: bool) -> Result<DeleteReport, Refused> {
    let Selected { rows, matched } = select(stores, selection).await?;
    let mut report = DeleteReport { dry_run, matched, ..DeleteReport::default() };
    for of_queue in rows.chunk_by(|a, b| a.queue == b.queue) {
        let queue = &of_queue[0].queue;
        for part in of_queue.chunks(DELETE_CHUNK) {
            let ids: Vec<JobId> = part.iter().map(|row| row.id.clone()).collect();
            let results = match dry_run {
                true => vec![Deleted::Deleted; ids.len()],
                false => delete_part(stores, actor, queue, &ids, detail(selection, queue, None), &mut report.note).await?,
            };
            report.deleted += results.iter().filter(|result| **result == Deleted::Deleted).count();
            report.notice_open += results.iter().filter(|result| **result == Deleted::NoticeOpen).count();
            report.jobs.extend(ids.into_iter().zip(results).map(|(id, result)| DeletedJob { id, queue: queue.clone(), result }));
        }
    }
    Ok(report)
}

async fn delete_part(
    stores: &Stores,
    actor: &Actor,
    queue: &QueueName,
    ids: &[JobId],
    detail: Value,
    note: &mut Option<String>,
) -> anyhow::Result<Vec<Deleted>> {
    // Asked for first: nothing is deleted while the audit log cannot be written.
    let mut transaction = stores.postgres().await?.begin().await.context("PostgreSQL does not answer")?;
    let results = stores.client().await?.delete(queue, ids, true).await?;
    let gone = ids.iter().zip(&results).filter(|(_, result)| **result == Deleted::Deleted);
    let gone: Vec<String> = gone.map(|(id, _)| id.to_string()).collect();
    let written = async {
        audit::record_many(&mut *transaction, actor, "delete", &gone, detail).await?;
        transaction.commit().await
    };
    if let Err(error) = written.await {
        tracing::warn!(queue.name = %queue, deleted = gone.len(), error = %error, "the audit log was not written");
        *note = Some(format!("it was done, but the audit log could not be written: {error}"));
    }
    Ok(results)
}

/// What the audit log keeps beside the job's id.
fn detail(selection: &Selection, queue: &QueueName, rate: Option<Rate>) -> Value {
    let mut detail = json!({ "queue": queue });
    match &selection.which {
        Which::Job(_) => {}
        Which::Group(group) => detail["group"] = json!(group),
        Which::All => detail["all"] = json!(true),
    }
    if let Some(rate) = rate {
        detail["one_every_ms"] = json!(moment_in_row(rate, 1).as_millis() as u64);
    }
    detail
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_rate_spreads_a_row_evenly_from_now_on() {
        let delays = |rate: &str, places: [usize; 3]| places.map(|place| moment_in_row(Rate::parse(rate).unwrap(), place).as_millis());
        assert_eq!(delays("10/s", [0, 1, 25]), [0, 100, 2_500]);
        assert_eq!(delays("3/min burst 2", [0, 1, 10_000]), [0, 20_000, 200_000_000]);
        assert_eq!(delays("2000/s", [0, 1, 3]), [0, 0, 1]);
    }
}
