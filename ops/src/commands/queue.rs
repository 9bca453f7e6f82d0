//! `celeriac queue`: list, pause, resume, limit, and the keys that share one.

use std::time::Duration;

use celeriac_queue::QueueName;
use clap::Subcommand;

use super::inspect::{queue_table, with_remarks};
use super::limit::Limit;
use crate::actions::queues;
use crate::audit::Actor;
use crate::human::{clock, parse_duration};
use crate::reply::{Cell, Reply, Table, Tone};
use crate::stores::Stores;
use crate::views::keys;
use crate::views::queues::{PauseRow, all};

#[derive(Debug, Subcommand)]
pub(crate) enum QueueCommand {
    /// Every queue that was ever used.
    List,
    /// Hand out no more of a queue's work; what runs goes on.
    Pause {
        queue: QueueName,
        /// Why: shown wherever the queue is.
        #[arg(long)]
        reason: String,
        /// Resume by itself after so long, as in 30m.
        #[arg(long = "for", value_name = "DURATION", value_parser = parse_duration)]
        time: Option<Duration>,
    },
    /// Hand out a queue's work again.
    Resume { queue: QueueName },
    /// Show a queue's limits, or change those that are named.
    Limit(Box<Limit>),
    /// The keys (tenants) that share a queue, those with the most jobs first.
    Keys {
        queue: QueueName,
        /// Show at most so many.
        #[arg(long, default_value_t = 50)]
        limit: usize,
    },
}

impl QueueCommand {
    pub(crate) async fn run(self, stores: &Stores, actor: &Actor) -> anyhow::Result<Reply> {
        match self {
            Self::List => list(stores).await,
            Self::Pause { queue, reason, time } => pause(stores, actor, &queue, &reason, time).await,
            Self::Resume { queue } => resume(stores, actor, &queue).await,
            Self::Limit(limit) => limit.run(stores, actor).await,
            Self::Keys { queue, limit } => keys(stores, &queue, limit).await,
        }
    }
}

async fn list(stores: &Stores) -> anyhow::Result<Reply> {
    let rows = all(&stores.inspector().await?, None).await?;
    Ok(with_remarks(Reply::of(&rows).table(queue_table(&rows)), &rows))
}

async fn keys(stores: &Stores, queue: &QueueName, limit: usize) -> anyhow::Result<Reply> {
    let rows = keys::all(&stores.inspector().await?, queue, limit).await?;
    let mut table = Table::new(&["KEY", "READY", "RUNNING", "WEIGHT", "STATE"], "No job with a key waits or runs in this queue.");
    for row in &rows {
        let state = match row.hold_text() {
            Some(text) => Cell::toned(text, Tone::Warning),
            None => Cell::toned("open", Tone::Good),
        };
        table.push(vec![(&row.key).into(), row.ready.into(), row.running.into(), row.weight.into(), state]);
    }
    let mut reply = Reply::of(&rows).table(table);
    if rows.len() == limit {
        reply = reply.line(format!("Shown are the {limit} with the most jobs; see more with --limit."));
    }
    Ok(reply)
}

async fn pause(stores: &Stores, actor: &Actor, queue: &QueueName, reason: &str, time: Option<Duration>) -> anyhow::Result<Reply> {
    anyhow::ensure!(!reason.trim().is_empty(), "a pause needs a reason: whoever looks at the queue will want to know it");
    let report = queues::pause(stores, actor, queue, reason.trim(), time).await?;
    let line = match (&report.paused, report.changed) {
        (Some(standing), false) => format!("{queue} was paused before ({}, by {}); that reason stands.", standing.reason, standing.by),
        (Some(PauseRow { resume_at: Some(resume_at), .. }), true) => {
            format!("{queue} is paused until {}. Running jobs go on; no other is handed out.", clock(*resume_at))
        }
        _ => format!("{queue} is paused. Running jobs go on; no other is handed out."),
    };
    Ok(Reply::of(&report).line(line).note(report.note))
}

async fn resume(stores: &Stores, actor: &Actor, queue: &QueueName) -> anyhow::Result<Reply> {
    let report = queues::resume(stores, actor, queue).await?;
    let line = if report.changed { format!("{queue} hands out work again.") } else { format!("{queue} was not paused.") };
    Ok(Reply::of(&report).line(line).note(report.note))
}
