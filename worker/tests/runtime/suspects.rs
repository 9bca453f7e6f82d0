//! A job whose worker died while it ran it is run alone.

use std::time::Duration;

use celeriac_queue::{Consumer, Enqueued, LeaseConfig, Policy, Registry, State, WorkerId};
use tokio::sync::mpsc;

use crate::harness::{Stage, eventually};
use crate::job;

/// As if a worker had claimed so many jobs and died.
async fn die_with(stage: &Stage, jobs: usize) {
    let lease = LeaseConfig { lease: Duration::from_secs(1), ..LeaseConfig::default() };
    let dead = Consumer::new(stage.connection.clone(), stage.queue.clone(), WorkerId::generate("dead"), lease);
    assert_eq!(dead.claim(jobs, 0).await.unwrap().deliveries.len(), jobs);
}

#[derive(Clone)]
struct Room {
    entered: mpsc::UnboundedSender<String>,
    leave: tokio_util::sync::CancellationToken,
}

#[tokio::test]
async fn while_a_suspect_runs_its_worker_runs_nothing_else() {
    job!(Stay, "stay", Room, Policy::default(), |room: Room, ctx: celeriac_queue::JobContext| async move {
        room.entered.send(ctx.id().to_string())?;
        room.leave.cancelled().await;
        Ok(())
    });
    let stage = Stage::new().await;
    let suspects = [stage.enqueue(&Stay).await, stage.enqueue(&Stay).await];
    die_with(&stage, 2).await;
    let innocent = stage.enqueue(&Stay).await;
    let (entered, mut entering) = mpsc::unbounded_channel();
    let leave = tokio_util::sync::CancellationToken::new();
    // A worker that begins before the leases run out takes the innocent one, and must then let it end before the first suspect.
    let worker = stage.start(Registry::new().with::<Stay>(Room { entered, leave: leave.clone() }));
    assert_eq!(entering.recv().await.unwrap(), innocent.id.to_string());
    // The dead worker's leases have run out and the worker has been told to empty itself: nothing new is begun beside the innocent job.
    eventually("both lost jobs are suspects", async || {
        let queue = stage.inspector.queue(&stage.queue).await.unwrap();
        (queue.moves.get("recovered") == Some(&2)).then_some(())
    })
    .await;
    let late = stage.enqueue(&Stay).await;
    leave.cancel();
    for expected in [&suspects[0], &suspects[1], &late] {
        assert_eq!(entering.recv().await.unwrap(), expected.id.to_string());
        stage.in_state(expected, State::Finished).await;
    }
    worker.stop().await;
}

#[tokio::test]
async fn of_jobs_that_were_lost_together_only_the_guilty_one_is_buried() {
    job!(Innocent, "innocent", (), Policy::default(), |(), _| async { Ok(()) });
    let stage = Stage::new().await;
    let jobs: Vec<Enqueued> = [stage.enqueue(&Innocent).await, stage.enqueue(&Innocent).await, stage.enqueue(&Innocent).await].into();
    die_with(&stage, 3).await;
    let worker = stage.start(Registry::new().with::<Innocent>(()));
    for job in &jobs {
        let view = stage.in_state(job, State::Finished).await;
        assert_eq!(view.history.len(), 1, "the loss is on record");
    }
    worker.stop().await;
}
