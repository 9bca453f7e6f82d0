//! `celeriac dead`: jobs that failed for good, and their replay.

use celeriac_queue::{JobId, QueueName, State};
use chrono::Utc;
use clap::Subcommand;
use serde_json::json;

use crate::actions::jobs::{RequeueReport, requeue};
use crate::audit::Actor;
use crate::human::{plural, relative};
use crate::reply::{Cell, Reply, Table, Tone};
use crate::stores::Stores;
use crate::views::jobs;

/// Dead jobs that one `replay --all` takes from one queue.
const REPLAY_MAX: usize = 1_000;

#[derive(Debug, Subcommand)]
pub(crate) enum Dead {
    /// Dead jobs, newest first, with the reason of each.
    List {
        /// Only this queue.
        #[arg(long)]
        queue: Option<QueueName>,
        /// Show at most so many.
        #[arg(long, default_value_t = 50)]
        limit: usize,
    },
    /// Run a dead job again from its first attempt; or all of them.
    Replay {
        #[arg(required_unless_present = "all", conflicts_with = "all")]
        id: Option<JobId>,
        /// Every dead job (of --queue, if given), at most 1000 a queue.
        #[arg(long)]
        all: bool,
        /// Only this queue.
        #[arg(long)]
        queue: Option<QueueName>,
    },
}

impl Dead {
    pub(crate) async fn run(self, stores: &Stores, actor: &Actor) -> anyhow::Result<Reply> {
        match self {
            Self::List { queue, limit } => list(stores, queue.as_ref(), limit).await,
            Self::Replay { id: Some(id), queue, .. } => replay_one(stores, actor, &id, queue.as_ref()).await,
            Self::Replay { id: None, queue, .. } => replay_all(stores, actor, queue.as_ref()).await,
        }
    }
}

async fn list(stores: &Stores, queue: Option<&QueueName>, limit: usize) -> anyhow::Result<Reply> {
    let inspector = stores.inspector().await?;
    let rows = match queue {
        Some(queue) => jobs::in_state(&inspector, State::Dead, Some(queue), limit).await?,
        None => jobs::recently_dead(&inspector, limit).await?,
    };
    let now = Utc::now();
    let mut table = Table::new(&["QUEUE", "JOB", "ID", "DIED", "KIND", "TRIES", "REASON"], "No job is dead.");
    for row in &rows {
        table.push(vec![
            (&row.queue).into(),
            row.name().into(),
            (&row.id).into(),
            Cell::maybe(row.ended_at.map(|at| relative(at, now))),
            Cell::maybe(row.kind.clone()),
            Cell::maybe(row.tries_text()),
            Cell::toned(row.reason.clone().unwrap_or_default(), Tone::Bad),
        ]);
    }
    let mut reply = Reply::of(&rows).table(table);
    if rows.len() == limit {
        reply = reply.line(format!("Shown are the newest {limit}; see more with --limit."));
    }
    Ok(reply)
}

async fn replay_one(stores: &Stores, actor: &Actor, id: &JobId, queue: Option<&QueueName>) -> anyhow::Result<Reply> {
    let row = jobs::find(&stores.inspector().await?, id, queue).await?;
    match row {
        Some(row) if row.state == State::Dead => {
            let report = requeue(stores, actor, "replay", id, &row.queue).await?;
            Ok(answer(vec![report]))
        }
        Some(row) => anyhow::bail!("job {id} is not dead (it is {}); `celeriac job retry` repeats any job that has ended", row.state),
        None => anyhow::bail!("there is no job {id} in any queue: it never was, or its record has been pruned"),
    }
}

async fn replay_all(stores: &Stores, actor: &Actor, queue: Option<&QueueName>) -> anyhow::Result<Reply> {
    let inspector = stores.inspector().await?;
    let queues = match queue {
        Some(queue) => vec![queue.clone()],
        None => inspector.queue_names().await?,
    };
    let mut reports = Vec::new();
    for queue in queues {
        for row in inspector.list(&queue, State::Dead, REPLAY_MAX).await? {
            reports.push(requeue(stores, actor, "replay", &row.id, &queue).await?);
        }
    }
    Ok(answer(reports))
}

fn answer(reports: Vec<RequeueReport>) -> Reply {
    let count = reports.iter().filter(|report| report.requeued).count() as u64;
    let line = match count {
        0 => "No job was dead; nothing was replayed.".to_owned(),
        _ => format!("{} ready again.", plural(count, "job is", "jobs are")),
    };
    Reply::of(&json!({ "replayed": count, "jobs": reports })).line(line)
}
