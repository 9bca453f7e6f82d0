//! `celeriac queue`: list, pause, resume.

use celeriac_queue::QueueName;
use clap::Subcommand;

use super::inspect::queue_table;
use crate::actions::queues;
use crate::audit::Actor;
use crate::reply::Reply;
use crate::stores::Stores;
use crate::views::queues::{QueueRow, all};

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
    },
    /// Hand out a queue's work again.
    Resume { queue: QueueName },
}

impl QueueCommand {
    pub(crate) async fn run(self, stores: &Stores, actor: &Actor) -> anyhow::Result<Reply> {
        match self {
            Self::List => list(stores).await,
            Self::Pause { queue, reason } => pause(stores, actor, &queue, &reason).await,
            Self::Resume { queue } => resume(stores, actor, &queue).await,
        }
    }
}

async fn list(stores: &Stores) -> anyhow::Result<Reply> {
    let rows = all(&stores.inspector().await?, None).await?;
    let mut reply = Reply::of(&rows).table(queue_table(&rows));
    for sentence in rows.iter().filter_map(QueueRow::pause_sentence) {
        reply = reply.line(sentence);
    }
    Ok(reply)
}

async fn pause(stores: &Stores, actor: &Actor, queue: &QueueName, reason: &str) -> anyhow::Result<Reply> {
    anyhow::ensure!(!reason.trim().is_empty(), "a pause needs a reason: whoever looks at the queue will want to know it");
    let report = queues::pause(stores, actor, queue, reason.trim()).await?;
    let line = match (&report.paused, report.changed) {
        (Some(standing), false) => format!("{queue} was paused before ({}, by {}); that reason stands.", standing.reason, standing.by),
        _ => format!("{queue} is paused. Running jobs go on; no other is handed out."),
    };
    Ok(Reply::of(&report).line(line).note(report.note))
}

async fn resume(stores: &Stores, actor: &Actor, queue: &QueueName) -> anyhow::Result<Reply> {
    let report = queues::resume(stores, actor, queue).await?;
    let line = if report.changed { format!("{queue} hands out work again.") } else { format!("{queue} was not paused.") };
    Ok(Reply::of(&report).line(line).note(report.note))
}
