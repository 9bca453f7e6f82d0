//! `celeriac batch`: batches, how far they are, and what was enqueued at their end.

use anyhow::Context;
use celeriac_queue::{BatchId, Origin, QueueName};
use chrono::Utc;
use clap::Subcommand;

use super::given::read_object;
use crate::composite::accept_batch;
use crate::human::{clock, relative};
use crate::reply::{Reply, Table};
use crate::stores::Stores;
use crate::views::batches::{self, BatchRow};

const EXAMPLE: &str = r#"'{"jobs": [{"job": "read_row", "args": {"row": 1}}], "on_done": {"job": "report"}}'"#;

#[derive(Debug, Subcommand)]
pub(crate) enum BatchCommand {
    /// Enqueue many jobs, and others at their end.
    Enqueue {
        /// The batch as for POST /api/v1/batches: a JSON object, @FILE, or - for standard input.
        #[arg(value_name = "JSON")]
        batch: String,
    },
    /// Batches with their counts: those that have not ended, then those of the last day.
    List {
        /// Only those at home in this queue: the queue of their callbacks.
        #[arg(long)]
        queue: Option<QueueName>,
        /// Show at most so many.
        #[arg(long, default_value_t = 50)]
        limit: usize,
    },
    /// One batch: counts, callbacks, and members that have not ended.
    Show {
        id: BatchId,
        /// Look only in this queue; unset: in all.
        #[arg(long)]
        queue: Option<QueueName>,
    },
}

impl BatchCommand {
    pub(crate) async fn run(self, stores: &Stores) -> anyhow::Result<Reply> {
        match self {
            Self::Enqueue { batch } => enqueue(stores, &batch).await,
            Self::List { queue, limit } => list(stores, queue.as_ref(), limit).await,
            Self::Show { id, queue } => show(stores, &id, queue.as_ref()).await,
        }
    }
}

async fn enqueue(stores: &Stores, batch: &str) -> anyhow::Result<Reply> {
    let given = read_object(batch, "the jobs of a batch", EXAMPLE)?;
    let request = serde_json::from_str(given.get()).with_context(|| format!("this is no batch; it is written as in {EXAMPLE}"))?;
    let batch = accept_batch(stores, request, Origin::Cli, None).await?;
    let (id, members) = (&batch.id, batch.members);
    let line = match (batch.duplicate, batch.rejected) {
        (true, _) => format!("Batch {id} had been enqueued before; nothing was changed."),
        (false, 0) => format!("Batch {id} with {members} jobs is enqueued. See how far it is: celeriac batch show {id}"),
        (false, rejected) => format!("Batch {id} with {members} jobs is enqueued, {rejected} of them refused for their unique keys."),
    };
    Ok(Reply::of(&batch).line(line))
}

async fn list(stores: &Stores, home: Option<&QueueName>, limit: usize) -> anyhow::Result<Reply> {
    let rows = batches::all(&stores.inspector().await?, home, limit).await?;
    let now = Utc::now();
    let mut table = Table::new(&["QUEUE", "ID", "STATE", "CREATED", "JOBS", "PENDING", "FINISHED", "FAILED"], "There is no batch.");
    for row in &rows {
        table.push(vec![
            (&row.home).into(),
            (&row.id).into(),
            row.state.to_string().into(),
            relative(row.created_at, now).into(),
            row.total.to_string().into(),
            row.pending.to_string().into(),
            row.finished.to_string().into(),
            failed(row).to_string().into(),
        ]);
    }
    let mut reply = Reply::of(&rows).table(table);
    if rows.len() == limit {
        reply = reply.line(format!("Shown are {limit}; see more with --limit."));
    }
    Ok(reply)
}

async fn show(stores: &Stores, id: &BatchId, home: Option<&QueueName>) -> anyhow::Result<Reply> {
    let row = batches::find(&stores.inspector().await?, id, home).await?;
    let row = row.ok_or_else(|| anyhow::anyhow!("there is no batch {id}: it never was, or it has been forgotten (a day after its end)"))?;
    let mut reply = Reply::of(&row).pairs(pairs(&row));
    if !row.pending_jobs.is_empty() {
        let mut pending = Table::new(&["QUEUE", "PENDING JOB"], "");
        for member in &row.pending_jobs {
            pending.push(vec![(&member.queue).into(), (&member.id).into()]);
        }
        reply = reply.table(pending);
    }
    Ok(reply)
}

fn failed(row: &BatchRow) -> u64 {
    row.dead + row.cancelled + row.expired + row.rejected
}

fn pairs(row: &BatchRow) -> Vec<(&'static str, String)> {
    let now = Utc::now();
    let when = |at| format!("{} ({})", clock(at), relative(at, now));
    let mut pairs = vec![
        ("id", row.id.to_string()),
        ("home queue", row.home.to_string()),
        ("state", row.state.to_string()),
        ("created", when(row.created_at)),
    ];
    pairs.extend(row.ended_at.map(|at| ("ended", when(at))));
    pairs.push(("jobs", format!("{}: {} pending, {} finished, {} failed", row.total, row.pending, row.finished, failed(row))));
    if failed(row) > 0 {
        let counts = [(row.dead, "dead"), (row.cancelled, "cancelled"), (row.expired, "expired"), (row.rejected, "rejected")];
        let told: Vec<String> = counts.iter().filter(|(count, _)| *count > 0).map(|(count, what)| format!("{count} {what}")).collect();
        pairs.push(("failed", told.join(", ")));
    }
    for callback in &row.callbacks {
        let called = callback.called_at.map_or_else(|| "not called".to_owned(), |at| format!("enqueued {} as {}", clock(at), callback.id));
        let name = match callback.when.as_str() {
            "success" => "on success",
            "done" => "on done",
            _ => "on failure",
        };
        pairs.push((name, format!("{}, {called}", callback.job)));
    }
    pairs
}
