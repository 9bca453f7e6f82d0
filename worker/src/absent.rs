//! Queues whose server does not answer: asked in the background until it does.
//!
//! Claims are made one after the other, and one that waited for a node that fell silent would hold up those from the other nodes.

use std::sync::Arc;

use celeriac_queue::Consumer;
use tokio::task::JoinSet;

use crate::patience::pause_after;
use crate::trouble::Trouble;

/// One task for each queue that is away; they end with this.
pub(crate) struct Absent {
    duty: &'static str,
    trouble: Trouble,
    asking: JoinSet<usize>,
}

impl Absent {
    /// `duty` is what fails meanwhile.
    pub(crate) fn new(duty: &'static str, trouble: Trouble) -> Self {
        Self { duty, trouble, asking: JoinSet::new() }
    }

    /// Asks for the queue in that place from now on, first after the pause due to so many failures in a row.
    pub(crate) fn ask(&mut self, place: usize, consumer: Arc<Consumer>, mut failures: u32) {
        let (duty, trouble) = (self.duty, self.trouble.clone());
        self.asking.spawn(async move {
            loop {
                tokio::time::sleep(pause_after(failures)).await;
                match consumer.reach().await {
                    Ok(()) => return place,
                    Err(error) => trouble.begins(duty, error),
                }
                failures += 1;
            }
        });
    }

    /// The next queue whose server answers again; never, when none is away. May be dropped and called again.
    pub(crate) async fn back(&mut self) -> usize {
        match self.asking.join_next().await {
            Some(ended) => ended.expect("asking neither panics nor is aborted while this lives"),
            None => std::future::pending().await,
        }
    }
}
