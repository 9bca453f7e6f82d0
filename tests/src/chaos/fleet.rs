//! The worker processes of a run, each in its place; whoever dies is replaced at once.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};

use anyhow::{Result, ensure};

use super::worker::Orders;
use crate::process::{Process, Signal};

/// Workers by place.
pub(crate) struct Fleet {
    program: PathBuf,
    orders: Orders,
    folder: PathBuf,
    places: Vec<Member>,
    started: usize,
}

/// A process in a place.
pub(crate) struct Member {
    pub(crate) process: Process,
    /// From 0, in the order of their starts: the place of its journal among [`Fleet::journals`].
    pub(crate) number: usize,
}

impl Fleet {
    /// Starts `count` workers; `program` is called as `program worker ORDERS`, and everything they write stands in `folder`.
    pub(crate) fn start(program: &Path, orders: Orders, folder: &Path, count: usize) -> Self {
        let mut fleet = Self { program: program.to_owned(), orders, folder: folder.to_owned(), places: Vec::new(), started: 0 };
        for _ in 0..count {
            fleet.add();
        }
        fleet
    }

    /// One more, in a new place.
    pub(crate) fn add(&mut self) {
        let member = self.recruit();
        self.places.push(member);
    }

    pub(crate) fn member(&mut self, place: usize) -> &mut Member {
        &mut self.places[place]
    }

    /// A new worker takes the place; the one that was there is handed out.
    pub(crate) fn replace(&mut self, place: usize) -> Member {
        let recruit = self.recruit();
        std::mem::replace(&mut self.places[place], recruit)
    }

    /// SIGKILL; a new one starts at once. Returns the process id of the dead, which is gone.
    pub(crate) fn kill(&mut self, place: usize) -> u32 {
        self.places[place].process.signal(Signal::KILL);
        let Member { process, .. } = self.replace(place);
        let id = process.id();
        process.kill();
        id
    }

    /// # Errors
    /// Names a worker that ended though nobody told it to.
    pub(crate) fn all_live(&mut self) -> Result<()> {
        for member in &mut self.places {
            let ended = member.process.has_ended();
            ensure!(ended.is_none(), "a worker ended by itself ({ended:?}); its log ends with:\n{}", member.process.log_tail(20));
        }
        Ok(())
    }

    /// SIGTERM to all; they must end in good order.
    ///
    /// # Errors
    /// Names one that did not.
    pub(crate) async fn stop(&mut self) -> Result<()> {
        for Member { process, .. } in std::mem::take(&mut self.places) {
            let tail = process.log_tail(20);
            let status = process.stop().await;
            ensure!(status.success(), "a worker stopped with {status}; its log ends with:\n{tail}");
        }
        Ok(())
    }

    /// The journals of all processes there ever were.
    pub(crate) fn journals(&self) -> Vec<PathBuf> {
        (0..self.started).map(|number| self.journal(number)).collect()
    }

    fn journal(&self, number: usize) -> PathBuf {
        self.folder.join(format!("journal-{number}"))
    }

    fn recruit(&mut self) -> Member {
        let number = self.started;
        self.started += 1;
        let orders = Orders { journal: self.journal(number), ..self.orders.clone() };
        let orders = serde_json::to_string(&orders).expect("orders have only text keys");
        let process = Process::start(&self.program, &["worker", &orders], &BTreeMap::new(), &self.folder, &format!("worker-{number}"));
        Member { process, number }
    }
}
