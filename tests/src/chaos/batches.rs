//! Whether a batch calls back, once, however many of the workers die that run its members and carry their ends.

use std::path::Path;
use std::time::Duration;

use anyhow::{Result, ensure};
use celeriac_ops::devstack::Persistence;
use celeriac_queue::{BatchId, BatchState, BatchView, EnqueueOptions, Inspector, QueueName, When};
use tokio::time::sleep;

use super::jobs::Work;
use super::scene::{Scene, Setting, until};

/// Short, so that the work of the dead comes back within the run.
const LEASE: Duration = Duration::from_secs(1);
const WORKERS: usize = 3;
/// Every tenth member is a chain of so many links, each in another queue.
const LINKS: usize = 3;

/// What came of it.
#[derive(Debug)]
pub struct Reckoning {
    pub batch: BatchView,
    /// Jobs that were ever enqueued: what the client enqueued, links of chains and callbacks.
    pub enqueued: u64,
    /// Jobs that should have been.
    pub expected: u64,
    /// Entries that no mover has moved.
    pub transfers: u64,
    /// Workers that were killed before the batch had ended.
    pub killed: usize,
}

/// A batch of so many members in three queues, while one worker after the other is killed with SIGKILL. `program` is called as
/// `program worker ORDERS`; Redis is one of its own.
///
/// # Errors
/// When the batch has not ended, or its callbacks have not run, within a minute after the last kill.
pub async fn batch_among_kills(program: &Path, members: usize, kills: usize, every: Duration) -> Result<Reckoning> {
    let queues: Vec<QueueName> = ["first", "second", "third"].iter().map(|name| QueueName::parse(name)).collect::<Result<_, _>>()?;
    let (persistence, grace) = (Persistence::Nothing, Duration::from_secs(5));
    let mut scene =
        Scene::set(Setting { program, persistence, queues: &queues, workers: WORKERS, concurrency: 8, lease: LEASE, grace }).await?;
    let id = BatchId::parse("b")?;
    let in_queue = |number: usize| EnqueueOptions { queue: Some(queues[number % queues.len()].clone()), ..EnqueueOptions::default() };
    let callback = Work { ms: 1 };
    let mut batch = scene.client.batch().id(id.clone());
    let mut expected = 2;
    for number in 0..members {
        let work = Work { ms: 5 + (number * 7 % 35) as u64 };
        if number % 10 == 0 {
            let chain = (0..LINKS).fold(scene.client.chain(), |chain, link| chain.then_with(&work, in_queue(number + link)));
            batch = batch.add_chain(chain);
            expected += LINKS as u64;
        } else {
            batch = batch.add_with(&work, in_queue(number));
            expected += 1;
        }
    }
    for when in When::ALL {
        batch = batch.on_with(when, &callback, in_queue(0));
    }
    let home = batch.enqueue().await?.home;

    let inspector = Inspector::new(scene.client.connection().clone());
    let mut killed = 0;
    while killed < kills && inspector.batch(&home, &id).await?.state != BatchState::Ended {
        sleep(every).await;
        scene.fleet.kill(killed % WORKERS);
        killed += 1;
    }
    until("the batch has ended", async || Ok(inspector.batch(&home, &id).await?.state == BatchState::Ended)).await?;
    until("no transfer waits", async || Ok(waiting(&inspector).await? == 0)).await?;
    scene.fleet.all_live()?;
    scene.fleet.stop().await?;
    let batch = inspector.batch(&home, &id).await?;
    let enqueued = inspector.queues().await?.iter().filter_map(|queue| queue.moves.get("enqueued")).sum();
    ensure!(killed > 0, "the batch had ended before a worker could be killed");
    Ok(Reckoning { batch, enqueued, expected, transfers: waiting(&inspector).await?, killed })
}

async fn waiting(inspector: &Inspector) -> Result<u64> {
    Ok(inspector.queues().await?.iter().map(|queue| queue.transfers.waiting).sum())
}
