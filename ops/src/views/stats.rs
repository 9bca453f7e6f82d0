//! Queues in numbers: counts, moves, and what they take of Redis' memory.

use std::collections::BTreeMap;
use std::time::Duration;

use celeriac_queue::{Inspector, QueueMemory, QueueName, StoreMemory};
use serde::Serialize;

use crate::views::queues::{self, QueueRow};

#[derive(Debug, Clone, Serialize)]
pub(crate) struct Stats {
    pub(crate) queues: Vec<StatsRow>,
    pub(crate) redis: StoreMemory,
}

#[derive(Debug, Clone, Serialize)]
pub(crate) struct StatsRow {
    #[serde(flatten)]
    pub(crate) counts: QueueRow,
    pub(crate) memory: QueueMemory,
    /// Moves a second, counted while the command watched; absent when it did not.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) per_second: Option<BTreeMap<String, f64>>,
}

/// Of one queue or of all.
///
/// # Errors
/// When Redis does not answer, or this user may not ask it for `MEMORY USAGE`.
pub(crate) async fn read(inspector: &Inspector, queue: Option<&QueueName>) -> Result<Stats, celeriac_queue::Error> {
    let mut rows = Vec::new();
    for counts in queues::all(inspector, queue).await? {
        let memory = inspector.memory(&counts.queue).await?;
        rows.push(StatsRow { counts, memory, per_second: None });
    }
    Ok(Stats { queues: rows, redis: inspector.store_memory().await? })
}

/// As [`read`], with the moves a second that happen while it watches: the counters go back to the queue's beginning, and no rate of now
/// can be told from one look at them.
///
/// # Errors
/// As [`read`].
pub(crate) async fn watch(inspector: &Inspector, queue: Option<&QueueName>, span: Duration) -> Result<Stats, celeriac_queue::Error> {
    let began = tokio::time::Instant::now();
    let before: BTreeMap<QueueName, BTreeMap<String, u64>> =
        queues::all(inspector, queue).await?.into_iter().map(|row| (row.queue, row.moves)).collect();
    tokio::time::sleep(span).await;
    let mut stats = read(inspector, queue).await?;
    let seconds = began.elapsed().as_secs_f64();
    for row in &mut stats.queues {
        let earlier = before.get(&row.counts.queue);
        let gained = |(name, count): (&String, &u64)| {
            let base = earlier.and_then(|moves| moves.get(name)).copied().unwrap_or(0);
            (name.clone(), count.saturating_sub(base) as f64 / seconds)
        };
        row.per_second = Some(row.counts.moves.iter().map(gained).collect());
    }
    Ok(stats)
}
