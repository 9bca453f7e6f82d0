//! `celeriac inspect`: work and workers, in the words that Celery's users know: active is running, reserved is ready.

use celeriac_queue::{QueueName, State};
use chrono::{DateTime, Utc};
use clap::{Args, Subcommand};
use serde_json::json;

use crate::human::{clock, relative, span};
use crate::reply::{Cell, Reply, Table, Tone};
use crate::stores::Stores;
use crate::views::jobs::JobRow;
use crate::views::queues::QueueRow;
use crate::views::workers::WorkerRow;
use crate::views::{jobs, queues, workers};

#[derive(Debug, Subcommand)]
pub(crate) enum Inspect {
    /// Jobs that run now.
    Active(Which),
    /// Jobs that are ready and wait for a free worker.
    Reserved(Which),
    /// Jobs that are due later: delayed, or waiting for their next attempt.
    Scheduled(Which),
    /// Counts of every queue.
    Stats,
    /// Workers that are alive.
    Workers,
}

#[derive(Debug, Args)]
pub(crate) struct Which {
    /// Only this queue.
    #[arg(long)]
    queue: Option<QueueName>,
    /// Show at most so many.
    #[arg(long, default_value_t = 50)]
    limit: usize,
}

impl Inspect {
    pub(crate) async fn run(self, stores: &Stores) -> anyhow::Result<Reply> {
        match self {
            Self::Active(which) => which.list(stores, State::Running, active).await,
            Self::Reserved(which) => which.list(stores, State::Ready, reserved).await,
            Self::Scheduled(which) => which.list(stores, State::Scheduled, scheduled).await,
            Self::Stats => stats(stores).await,
            Self::Workers => list_workers(stores).await,
        }
    }
}

impl Which {
    async fn list(self, stores: &Stores, state: State, table: fn(&[JobRow], DateTime<Utc>) -> Table) -> anyhow::Result<Reply> {
        let inspector = stores.inspector().await?;
        let rows = jobs::in_state(&inspector, state, self.queue.as_ref(), self.limit).await?;
        let mut reply = Reply::of(&rows).table(table(&rows, Utc::now()));
        if rows.len() == self.limit {
            reply = reply.line(format!("Shown are the first {}; see more with --limit.", self.limit));
        }
        Ok(with_remarks(reply, &queues::all(&inspector, self.queue.as_ref()).await?))
    }
}

/// A pause, limits and suspects are said wherever somebody may wonder why nothing moves.
pub(super) fn with_remarks(mut reply: Reply, queues: &[QueueRow]) -> Reply {
    for row in queues {
        for sentence in [row.pause_sentence(), row.limits_sentence(), row.suspects_sentence()].into_iter().flatten() {
            reply = reply.line(sentence);
        }
    }
    reply
}

fn active(rows: &[JobRow], now: DateTime<Utc>) -> Table {
    let mut table = Table::new(&["QUEUE", "JOB", "ID", "ENQUEUED", "WORKER", "TRIES", "PROGRESS"], "No job is running.");
    for row in rows {
        let progress = if row.cancel_asked { Some("asked to stop".to_owned()) } else { row.progress_text() };
        table.push(vec![
            (&row.queue).into(),
            row.name().into(),
            (&row.id).into(),
            Cell::maybe(row.enqueued_at.map(|at| relative(at, now))),
            Cell::maybe(row.worker.clone()),
            Cell::maybe(row.tries_text()),
            Cell::maybe(progress),
        ]);
    }
    table
}

fn reserved(rows: &[JobRow], now: DateTime<Utc>) -> Table {
    let mut table = Table::new(&["QUEUE", "JOB", "ID", "PRIORITY", "ENQUEUED", "TRIES"], "No job is ready: nothing waits for a worker.");
    for row in rows {
        table.push(vec![
            (&row.queue).into(),
            row.name().into(),
            (&row.id).into(),
            row.priority.into(),
            Cell::maybe(row.enqueued_at.map(|at| relative(at, now))),
            Cell::maybe(row.tries_text()),
        ]);
    }
    table
}

fn scheduled(rows: &[JobRow], now: DateTime<Utc>) -> Table {
    let mut table = Table::new(&["QUEUE", "JOB", "ID", "DUE", "IN", "TRIES"], "No job is scheduled.");
    for row in rows {
        table.push(vec![
            (&row.queue).into(),
            row.name().into(),
            (&row.id).into(),
            Cell::maybe(row.due_at.map(clock)),
            Cell::maybe(row.due_at.map(|at| relative(at, now))),
            Cell::maybe(row.tries_text()),
        ]);
    }
    table
}

async fn stats(stores: &Stores) -> anyhow::Result<Reply> {
    let rows = queues::all(&stores.inspector().await?, None).await?;
    let workers = workers::all(&stores.workers().await?).await?;
    let in_flight: usize = workers.iter().map(|worker| worker.in_flight).sum();
    let slots: usize = workers.iter().map(|worker| worker.concurrency).sum();
    let json = json!({ "queues": rows, "workers": workers.len(), "slots": slots, "in_flight": in_flight });
    let line = format!("{}, {in_flight} of {slots} slots in use.", crate::human::plural(workers.len() as u64, "worker", "workers"));
    Ok(with_remarks(Reply::of(&json).table(queue_table(&rows)).line(line), &rows))
}

/// Counts of queues; `celeriac queue list` shows the same.
pub(super) fn queue_table(rows: &[QueueRow]) -> Table {
    let header = &["QUEUE", "READY", "OLDEST", "SCHEDULED", "RUNNING", "DEAD", "FINISHED", "RETRIED", "RECOVERED", "STATE"];
    let mut table = Table::new(header, "No queue has been used yet.");
    for row in rows {
        let moves = |name: &str| row.moves.get(name).copied().unwrap_or(0);
        table.push(vec![
            (&row.queue).into(),
            row.ready.into(),
            Cell::maybe(row.oldest_ready_seconds.map(|seconds| span(seconds as u64))),
            row.scheduled.into(),
            row.running.into(),
            Cell::alarming(row.dead, Tone::Bad),
            moves("finished").into(),
            Cell::alarming(moves("retried"), Tone::Warning),
            Cell::alarming(moves("recovered"), Tone::Warning),
            state(row),
        ]);
    }
    table
}

fn state(row: &QueueRow) -> Cell {
    let tone = match (&row.paused, &row.held_back) {
        (Some(_), _) => Tone::Bad,
        (None, Some(_)) => Tone::Warning,
        (None, None) => Tone::Good,
    };
    Cell::toned(row.state(), tone)
}

async fn list_workers(stores: &Stores) -> anyhow::Result<Reply> {
    let rows = workers::all(&stores.workers().await?).await?;
    let now = Utc::now();
    let mut table = Table::new(
        &["WORKER", "STATE", "IN FLIGHT", "QUEUES", "VERSION", "STARTED", "SEEN", "TROUBLE"],
        "No worker is alive. Start one with: celeriac-worker",
    );
    for row in &rows {
        table.push(vec![
            (&row.worker).into(),
            row.state().into(),
            format!("{}/{}", row.in_flight, row.concurrency).into(),
            row.queues.join(" ").into(),
            (&row.version).into(),
            relative(row.started_at, now).into(),
            relative(row.seen_at, now).into(),
            trouble(row),
        ]);
    }
    Ok(Reply::of(&rows).table(table))
}

fn trouble(row: &WorkerRow) -> Cell {
    match &row.trouble {
        Some(trouble) => Cell::toned(trouble, Tone::Bad),
        None => Cell::maybe(None::<String>),
    }
}
