//! `celeriac stats`: queues in numbers, and what they take of Redis' memory.

use std::time::Duration;

use celeriac_queue::{QueueName, StoreMemory};
use clap::Args;

use super::inspect::queue_table;
use crate::human::{bytes, parse_duration};
use crate::nearest::nearest;
use crate::reply::{Cell, Reply, Table, Tone};
use crate::stores::Stores;
use crate::views::queues::QueueRow;
use crate::views::stats::{self, StatsRow};

/// Longest time to watch, so that a mistyped unit does not hold the shell for a day.
const WATCH_MAX: Duration = Duration::from_secs(600);

#[derive(Debug, Args)]
pub(crate) struct StatsCommand {
    /// Only this queue, key by key; unset: all.
    queue: Option<QueueName>,
    /// Watch for so long, as in 10s, and tell the moves a second in that time; at most 10m.
    #[arg(long, value_name = "DURATION", value_parser = parse_duration)]
    over: Option<Duration>,
}

impl StatsCommand {
    pub(crate) async fn run(self, stores: &Stores) -> anyhow::Result<Reply> {
        let inspector = stores.inspector().await?;
        if let Some(queue) = &self.queue {
            expect_known(&inspector.queue_names().await?, queue)?;
        }
        let stats = match self.over {
            Some(over) => {
                anyhow::ensure!(over <= WATCH_MAX && !over.is_zero(), "--over takes more than nothing and at most 10m");
                stats::watch(&inspector, self.queue.as_ref(), over).await?
            }
            None => stats::read(&inspector, self.queue.as_ref()).await?,
        };
        let counts: Vec<QueueRow> = stats.queues.iter().map(|row| row.counts.clone()).collect();
        let mut reply = Reply::of(&stats).table(queue_table(&counts));
        if !stats.queues.is_empty() {
            reply = reply.table(moves(&stats.queues)).table(memory(&stats.queues));
        }
        if let [row] = &stats.queues[..]
            && self.queue.is_some()
        {
            reply = reply.table(keys(row));
        }
        Ok(reply.line(store_sentence(&stats.redis)))
    }
}

fn expect_known(known: &[QueueName], queue: &QueueName) -> anyhow::Result<()> {
    if known.contains(queue) {
        return Ok(());
    }
    match nearest(queue.as_str(), known.iter().map(QueueName::as_str)) {
        Some(near) => anyhow::bail!("no job was ever enqueued in queue {queue}; did you mean {near}?"),
        None => anyhow::bail!("no job was ever enqueued in queue {queue}; `celeriac queue list` shows all queues"),
    }
}

/// One line a queue and move: since the queue began, and a second while the command watched.
fn moves(rows: &[StatsRow]) -> Table {
    let mut table = Table::new(&["QUEUE", "MOVE", "SINCE THE BEGINNING", "PER SECOND NOW"], "No move has been made yet.");
    for row in rows {
        for (name, count) in &row.counts.moves {
            let rate = row.per_second.as_ref().and_then(|rates| rates.get(name)).map(|rate| format!("{rate:.1}"));
            table.push(vec![(&row.counts.queue).into(), name.into(), count.into(), Cell::maybe(rate)]);
        }
    }
    table
}

fn memory(rows: &[StatsRow]) -> Table {
    let mut table = Table::new(&["QUEUE", "JOBS", "MEMORY", "PAYLOADS", "OVERHEAD", "OVERHEAD A JOB"], "");
    for row in rows {
        let memory = &row.memory;
        let a_job = memory.overhead_bytes.checked_div(memory.jobs).map(bytes);
        table.push(vec![
            (&row.counts.queue).into(),
            memory.jobs.into(),
            bytes(memory.total_bytes).into(),
            bytes(memory.payload_bytes).into(),
            bytes(memory.overhead_bytes).into(),
            Cell::maybe(a_job),
        ]);
    }
    table
}

/// The largest first.
fn keys(row: &StatsRow) -> Table {
    let mut sizes: Vec<(&str, u64)> = row.memory.keys.iter().map(|(name, size)| (name.as_str(), *size)).collect();
    sizes.push(("(keys of single jobs)", row.memory.own_keys_bytes));
    sizes.sort_by_key(|(_, size)| std::cmp::Reverse(*size));
    let mut table = Table::new(&["KEY", "MEMORY"], "");
    for (name, size) in sizes.into_iter().filter(|(_, size)| *size > 0) {
        table.push(vec![name.into(), Cell::toned(bytes(size), Tone::Plain)]);
    }
    table
}

fn store_sentence(store: &StoreMemory) -> String {
    let used = bytes(store.used_bytes);
    match store.max_bytes {
        Some(max) => {
            let share = store.used_bytes as f64 / max as f64 * 100.0;
            format!("Redis uses {used} of {} ({share:.0} %). Figures of large queues are estimates from samples.", bytes(max))
        }
        None => format!("Redis uses {used} and has no limit (maxmemory 0). Figures of large queues are estimates from samples."),
    }
}
