//! What the page's tables hold, as text. The template only places it.

use std::collections::BTreeMap;

use celeriac_queue::QueueName;
use chrono::{DateTime, Utc};

use crate::human::{bytes, clock, relative, rfc3339, span, took};
use crate::views::backups::BackupRow;
use crate::views::costs::CostRow;
use crate::views::dead::GroupRow;
use crate::views::documents::{ListedDocument, STATUSES};
use crate::views::jobs::JobRow;
use crate::views::keys::{KeyRow, limits_text};
use crate::views::outbox::Backlog;
use crate::views::queues::{HeldRow, QueueRow};
use crate::views::schedules::ScheduleRow;
use crate::views::workers::WorkerRow;

/// Of a dead job whose outcome says nothing.
const NO_REASON: &str = "it left no reason";

/// A moment: short for people, exact on hovering and for machines.
pub(super) struct Moment {
    pub(super) short: String,
    pub(super) exact: String,
    pub(super) machine: String,
}

pub(super) struct Work {
    pub(super) ready_total: u64,
    pub(super) running_total: u64,
    pub(super) scheduled_total: u64,
    pub(super) dead_total: u64,
    /// Age of the oldest ready job of all queues.
    pub(super) oldest: Option<String>,
    pub(super) slots_used: usize,
    pub(super) slots: usize,
    pub(super) queues: Vec<Queue>,
    /// The busiest of each queue; empty where no job has a key.
    pub(super) keys: Vec<Key>,
    pub(super) workers: Vec<Worker>,
    pub(super) running: Vec<Running>,
    /// Why jobs are dead, the most frequent cause first.
    pub(super) causes: Vec<Cause>,
    pub(super) failures: Vec<Failure>,
}

pub(super) struct Queue {
    pub(super) name: String,
    pub(super) ready: u64,
    pub(super) oldest: Option<String>,
    pub(super) running: u64,
    pub(super) scheduled: u64,
    pub(super) dead: u64,
    pub(super) finished: u64,
    pub(super) paused: Option<Paused>,
    /// Absent without limits.
    pub(super) limits: Option<String>,
    /// Why ready jobs wait although the queue is open.
    pub(super) held: Option<String>,
    pub(super) suspects: u64,
}

/// A key that shares a queue.
pub(super) struct Key {
    pub(super) queue: String,
    pub(super) key: String,
    pub(super) ready: u64,
    pub(super) running: u64,
    /// At a limit: until when, if its rate is that limit.
    pub(super) held: Option<Option<Moment>>,
}

pub(super) struct Paused {
    pub(super) reason: String,
    pub(super) by: String,
    pub(super) at: Moment,
    pub(super) resumes: Option<Moment>,
}

pub(super) struct Worker {
    pub(super) host: String,
    pub(super) id: String,
    pub(super) state: &'static str,
    pub(super) in_flight: usize,
    pub(super) concurrency: usize,
    pub(super) queues: String,
    pub(super) seen: Moment,
    pub(super) trouble: Option<String>,
}

pub(super) struct Running {
    pub(super) job: String,
    pub(super) id: String,
    pub(super) queue: String,
    /// 0 to 100; absent for a job that has not told.
    pub(super) percent: Option<u8>,
    pub(super) message: String,
    pub(super) enqueued: Option<Moment>,
    pub(super) worker: String,
    pub(super) tries: Option<String>,
}

/// Dead jobs of one queue with one cause.
pub(super) struct Cause {
    pub(super) job: String,
    pub(super) fingerprint: String,
    pub(super) queue: String,
    pub(super) kind: String,
    pub(super) count: u64,
    pub(super) last: Moment,
    pub(super) reason: String,
}

pub(super) struct Failure {
    pub(super) job: String,
    pub(super) id: String,
    pub(super) queue: String,
    pub(super) at: Option<Moment>,
    pub(super) kind: String,
    pub(super) reason: String,
    pub(super) tries: Option<String>,
}

pub(super) struct Truth {
    pub(super) schedules: Vec<Schedule>,
    pub(super) documents: Vec<(&'static str, u64)>,
    pub(super) latest_documents: Vec<Document>,
    pub(super) calls: i64,
    pub(super) tokens: i64,
    pub(super) cost_usd: String,
    pub(super) backups: Vec<Backup>,
    /// Rows not yet in Redis.
    pub(super) unrelayed: i64,
    pub(super) unconfirmed: i64,
}

pub(super) struct Document {
    pub(super) id: i64,
    pub(super) user_id: i64,
    pub(super) status: String,
    pub(super) pages: Option<String>,
    pub(super) tokens: Option<i32>,
    pub(super) took: Option<String>,
    pub(super) added: Moment,
    pub(super) error: Option<String>,
}

pub(super) struct Schedule {
    pub(super) name: String,
    pub(super) when: String,
    pub(super) job: String,
    pub(super) enabled: bool,
    pub(super) overdue: Option<String>,
    pub(super) next: Option<Moment>,
    pub(super) last: Option<Moment>,
    pub(super) outcome: Option<String>,
    pub(super) error: Option<String>,
}

pub(super) struct Backup {
    pub(super) started: Moment,
    pub(super) state: String,
    pub(super) size: Option<String>,
    pub(super) proved: Option<Moment>,
    pub(super) error: Option<String>,
}

impl Moment {
    fn new(at: DateTime<Utc>, now: DateTime<Utc>) -> Self {
        Self { short: relative(at, now), exact: clock(at), machine: rfc3339(at) }
    }
}

impl Work {
    pub(super) fn new(
        queues: &[QueueRow],
        keys: &[(QueueName, KeyRow)],
        workers: &[WorkerRow],
        running: &[JobRow],
        failures: &[JobRow],
        causes: &[GroupRow],
        now: DateTime<Utc>,
    ) -> Self {
        let total = |count: fn(&QueueRow) -> u64| queues.iter().map(count).sum();
        let oldest = queues.iter().filter_map(|row| row.oldest_ready_seconds).max_by(f64::total_cmp);
        Self {
            ready_total: total(|row| row.ready),
            running_total: total(|row| row.running),
            scheduled_total: total(|row| row.scheduled),
            dead_total: total(|row| row.dead),
            oldest: oldest.map(|seconds| span(seconds as u64)),
            slots_used: workers.iter().map(|row| row.in_flight).sum(),
            slots: workers.iter().map(|row| row.concurrency).sum(),
            queues: queues.iter().map(|row| Queue::new(row, now)).collect(),
            keys: keys.iter().map(|(queue, row)| Key::new(queue, row, now)).collect(),
            workers: workers.iter().map(|row| Worker::new(row, now)).collect(),
            running: running.iter().map(|row| Running::new(row, now)).collect(),
            causes: causes.iter().map(|row| Cause::new(row, now)).collect(),
            failures: failures.iter().map(|row| Failure::new(row, now)).collect(),
        }
    }
}

impl Queue {
    fn new(row: &QueueRow, now: DateTime<Utc>) -> Self {
        Self {
            name: row.queue.to_string(),
            ready: row.ready,
            oldest: row.oldest_ready_seconds.map(|seconds| span(seconds as u64)),
            running: row.running,
            scheduled: row.scheduled,
            dead: row.dead,
            finished: row.moves.get("finished").copied().unwrap_or(0),
            paused: row.paused.as_ref().map(|pause| Paused {
                reason: pause.reason.clone(),
                by: pause.by.clone(),
                at: Moment::new(pause.at, now),
                resumes: pause.resume_at.map(|at| Moment::new(at, now)),
            }),
            limits: limits_text(&row.limits),
            held: row.held_back.as_ref().map(HeldRow::sentence),
            suspects: row.suspects,
        }
    }
}

impl Key {
    fn new(queue: &QueueName, row: &KeyRow, now: DateTime<Utc>) -> Self {
        Self {
            queue: queue.to_string(),
            key: row.key.clone(),
            ready: row.ready,
            running: row.running,
            held: row.held_back.then(|| row.until.map(|at| Moment::new(at, now))),
        }
    }
}

impl Worker {
    fn new(row: &WorkerRow, now: DateTime<Utc>) -> Self {
        Self {
            host: format!("{} ({})", row.host, row.pid),
            id: row.worker.clone(),
            state: row.state(),
            in_flight: row.in_flight,
            concurrency: row.concurrency,
            queues: row.queues.join(", "),
            seen: Moment::new(row.seen_at, now),
            trouble: row.trouble.clone(),
        }
    }
}

impl Running {
    fn new(row: &JobRow, now: DateTime<Utc>) -> Self {
        let told = row.progress.as_ref();
        Self {
            job: row.name().to_owned(),
            id: row.id.to_string(),
            queue: row.queue.to_string(),
            percent: told.map(|progress| progress.percent.clamp(0.0, 100.0) as u8),
            message: match row.cancel_asked {
                true => "asked to stop".to_owned(),
                false => told.map(|progress| progress.message.clone()).unwrap_or_default(),
            },
            enqueued: row.enqueued_at.map(|at| Moment::new(at, now)),
            worker: row.worker.as_deref().map(short_worker).unwrap_or_default(),
            tries: row.tries_text(),
        }
    }
}

/// `<host>:<process id>:<random>` as the table of workers shows it.
fn short_worker(id: &str) -> String {
    let mut parts = id.rsplitn(3, ':').skip(1);
    match (parts.next(), parts.next()) {
        (Some(process), Some(host)) => format!("{host} ({process})"),
        _ => id.to_owned(),
    }
}

impl Cause {
    fn new(row: &GroupRow, now: DateTime<Utc>) -> Self {
        Self {
            job: row.job.clone().unwrap_or_else(|| "(unreadable)".to_owned()),
            fingerprint: row.fingerprint.to_string(),
            queue: row.queue.to_string(),
            kind: row.kind.clone().unwrap_or_default(),
            count: row.count,
            last: Moment::new(row.last_at, now),
            reason: row.reason.clone().unwrap_or_else(|| NO_REASON.to_owned()),
        }
    }
}

impl Failure {
    fn new(row: &JobRow, now: DateTime<Utc>) -> Self {
        Self {
            job: row.name().to_owned(),
            id: row.id.to_string(),
            queue: row.queue.to_string(),
            at: row.ended_at.map(|at| Moment::new(at, now)),
            kind: row.kind.clone().unwrap_or_default(),
            reason: row.reason.clone().unwrap_or_else(|| NO_REASON.to_owned()),
            tries: row.tries_text(),
        }
    }
}

impl Truth {
    pub(super) fn new(
        schedules: &[ScheduleRow],
        documents: &BTreeMap<&'static str, u64>,
        latest_documents: &[ListedDocument],
        costs: &[CostRow],
        backups: &[BackupRow],
        backlog: &Backlog,
        now: DateTime<Utc>,
    ) -> Self {
        Self {
            schedules: schedules.iter().map(|row| Schedule::new(row, now)).collect(),
            documents: STATUSES.iter().map(|status| (*status, documents.get(status).copied().unwrap_or(0))).collect(),
            latest_documents: latest_documents.iter().map(|row| Document::new(row, now)).collect(),
            calls: costs.iter().map(|row| row.calls).sum(),
            tokens: costs.iter().map(|row| row.input_tokens + row.output_tokens).sum(),
            // Added to zero: the sum of no floats is -0.0, and would be shown so.
            cost_usd: format!("{:.4}", 0.0 + costs.iter().map(|row| row.cost_usd).sum::<f64>()),
            backups: backups.iter().map(|row| Backup::new(row, now)).collect(),
            unrelayed: backlog.unrelayed,
            unconfirmed: backlog.unconfirmed,
        }
    }
}

impl Document {
    fn new(row: &ListedDocument, now: DateTime<Utc>) -> Self {
        Self {
            id: row.id,
            user_id: row.user_id,
            status: row.status.clone(),
            pages: row.pages_text(),
            tokens: row.ai_tokens_used,
            took: row.processing_ms.map(|ms| took(ms.unsigned_abs())),
            added: Moment::new(row.created_at, now),
            error: row.error_message.clone(),
        }
    }
}

impl Schedule {
    fn new(row: &ScheduleRow, now: DateTime<Utc>) -> Self {
        Self {
            name: row.name.clone(),
            when: row.when(),
            job: row.job.clone(),
            enabled: row.enabled,
            overdue: row.overdue_seconds.map(|seconds| span(seconds.unsigned_abs())),
            next: row.next_at.map(|at| Moment::new(at, now)),
            last: row.last_instant.map(|at| Moment::new(at, now)),
            outcome: row.last_word().map(str::to_owned),
            error: row.last_error.clone(),
        }
    }
}

impl Backup {
    fn new(row: &BackupRow, now: DateTime<Utc>) -> Self {
        Self {
            started: Moment::new(row.started_at, now),
            state: row.state.clone(),
            size: row.bytes.map(|count| bytes(count.unsigned_abs())),
            proved: row.verified_at.filter(|_| row.verify_error.is_none()).map(|at| Moment::new(at, now)),
            error: row.error.clone().or_else(|| row.verify_error.clone()),
        }
    }
}
