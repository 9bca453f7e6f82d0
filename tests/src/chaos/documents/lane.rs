//! One worker at a time, each ended by its strike.

use std::collections::BTreeMap;
use std::path::Path;
use std::sync::atomic::Ordering::Relaxed;
use std::time::{Duration, Instant};

use anyhow::{Result, ensure};
use tokio::time::sleep;

use super::plan::{CHECKPOINTS, Strike};
use super::{Ground, LEASE, frozen};
use crate::process::{Process, Signal, program};

/// Longest wait for a worker to come to its checkpoint; it is struck where it is then.
const PATIENCE: Duration = Duration::from_secs(10);
/// Between two looks for it.
const LOOK: Duration = Duration::from_millis(5);

/// Strikes until all are done.
pub(super) async fn run(ground: &Ground) -> Result<()> {
    while let Some((number, strike)) = ground.next() {
        turn(ground, number, strike).await?;
        ground.done.fetch_add(1, Relaxed);
    }
    Ok(())
}

async fn turn(ground: &Ground, number: usize, strike: Strike) -> Result<()> {
    let folder = ground.system.folder().join("checkpoints").join(number.to_string());
    std::fs::create_dir(&folder)?;
    let gates = Gates { folder: &folder };
    gates.open_all()?;
    let mut environment: BTreeMap<String, String> = ground.system.environment.clone();
    environment.insert("CELERIAC_CHECKPOINT_DIR".to_owned(), folder.display().to_string());
    let mut worker = Process::start(&program("celeriac-worker"), &[], &environment, ground.system.folder(), &format!("struck-{number}"));
    frozen::has_work(&ground.system, worker.id()).await?;
    sleep(strike.peace).await;
    let place = match strike.checkpoint() {
        Some(name) if gates.stops_at(name).await? => name,
        _ => "anywhere",
    };
    let ended = worker.has_ended();
    ensure!(ended.is_none(), "a worker ended by itself ({ended:?}); its log ends with:\n{}", worker.log_tail(20));

    worker.signal(Signal::STOP);
    let held = frozen::held_by(&ground.system, worker.id()).await?;
    ground.tally.inside.fetch_add(frozen::open_calls(&ground.system, &held).await?, Relaxed);
    ground.tally.place(place);
    if strike.sleeps {
        sleep(LEASE.mul_f64(1.5) + strike.peace / 4).await;
        gates.open_all()?;
        worker.signal(Signal::CONT);
        // Its end in good order is proof that whatever it would still write, it has written.
        let status = worker.stop().await;
        ensure!(status.success(), "a worker that had slept stopped with {status}");
        ground.tally.sleeps.fetch_add(1, Relaxed);
    } else {
        worker.kill();
        ground.tally.kills.fetch_add(1, Relaxed);
    }
    Ok(())
}

/// The folder in which a worker says at which checkpoint it is, and is told to go on.
struct Gates<'a> {
    folder: &'a Path,
}

impl Gates<'_> {
    fn open_all(&self) -> Result<()> {
        for name in CHECKPOINTS {
            std::fs::write(self.folder.join(format!("{name}.go")), b"")?;
        }
        Ok(())
    }

    /// Shuts one, and waits until the worker stands before it; false when it has not come.
    async fn stops_at(&self, name: &str) -> Result<bool> {
        let reached = self.folder.join(format!("{name}.reached"));
        std::fs::remove_file(self.folder.join(format!("{name}.go")))?;
        // Of an earlier passage, mostly. Should it stand there already, it is struck there when patience has run out.
        let _ = std::fs::remove_file(&reached);
        let begun = Instant::now();
        while !reached.exists() {
            if begun.elapsed() > PATIENCE {
                return Ok(false);
            }
            sleep(LOOK).await;
        }
        Ok(true)
    }
}
