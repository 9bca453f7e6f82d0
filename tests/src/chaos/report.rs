//! What a run came to, beside what was promised.

use std::collections::BTreeMap;
use std::fmt;
use std::path::PathBuf;

use celeriac_ops::devstack::Persistence;

use super::load::Enqueues;
use super::run::Plan;
use super::tally::{Disturbed, Tally};

/// Counts and promises. Its text is a table.
#[derive(Debug)]
pub struct Report {
    pub plan: Plan,
    pub tally: Tally,
    pub(crate) disturbed: Disturbed,
    pub(crate) enqueues: Enqueues,
    /// Completions by Redis's own count.
    pub(crate) finished: usize,
    /// Jobs that have not ended.
    pub(crate) open: usize,
    /// Keys left, without the prefix, with their entries.
    pub(crate) keys: BTreeMap<String, usize>,
    pub(crate) seconds: u64,
    /// Where journals and logs are kept, after a failure.
    pub(crate) records: Option<PathBuf>,
}

/// Keys that stay by design, by their last part: counters, the queue's own facts, a wake-up token, ids remembered for idempotent enqueue,
/// and the register of queues and workers, dead ones for some minutes.
const STAYS: [&str; 7] = ["stats", "meta", "wake", "seen", "queues", "workers", "worker:<id>"];

/// A sentence that the run proves or refutes.
pub struct Promise {
    pub text: String,
    pub holds: bool,
}

/// A sleeper that is killed before it wakes, or that held nothing, is not fenced off. So many of them are not all like that.
const SLEEPS_TELLING: usize = 5;

impl Report {
    pub fn holds(&self) -> bool {
        self.promises().iter().all(|promise| promise.holds)
    }

    pub fn promises(&self) -> Vec<Promise> {
        let (tally, jobs) = (&self.tally, self.plan.jobs);
        let seen: usize = self.entries("seen");
        let left: Vec<String> = self.left().iter().map(|(name, size)| format!("{name} ({size})")).collect();
        let promise = |holds: bool, text: String| Promise { text, holds };
        vec![
            promise(
                tally.unrun == 0 && self.open == 0 && self.finished == jobs,
                format!("every job has run and ended: {} unrun, {} open, {} of {jobs} finished", tally.unrun, self.open, self.finished),
            ),
            promise(
                tally.twice <= tally.twice_max,
                format!("none completed twice, but those that Redis lost: {} of at most {}", tally.twice, tally.twice_max),
            ),
            promise(
                tally.beyond <= tally.beyond_max(),
                format!("none ran again without a reason: {} of at most {}", tally.beyond, tally.beyond_max()),
            ),
            promise(
                self.disturbed.sleeps.len() < SLEEPS_TELLING || tally.fenced > 0,
                format!("workers that slept past their leases were fenced off: {} executions", tally.fenced),
            ),
            promise(tally.otherwise == 0, format!("no job was buried, cancelled or expired: {}", tally.otherwise)),
            promise(
                left.is_empty() && seen == jobs,
                format!(
                    "nothing is left but {seen} remembered ids: {}",
                    if left.is_empty() { "nothing".to_owned() } else { left.join(", ") }
                ),
            ),
        ]
    }

    /// Keys that should not be there.
    fn left(&self) -> Vec<(&String, &usize)> {
        let stays = |name: &str| STAYS.contains(&name.rsplit_once("}:").map_or(name, |(_, last)| last));
        self.keys.iter().filter(|(name, _)| !stays(name)).collect()
    }

    fn entries(&self, last: &str) -> usize {
        self.keys.iter().filter(|(name, _)| name.ends_with(&format!("}}:{last}"))).map(|(_, size)| size).sum()
    }

    fn rows(&self) -> Vec<(&'static str, String)> {
        let (tally, disturbed, enqueues) = (&self.tally, &self.disturbed, &self.enqueues);
        let bytes: u64 = disturbed.outages.iter().map(|outage| outage.bytes_lost).sum();
        let down: u64 = disturbed.outages.iter().map(|outage| outage.back_at - outage.killed_at).sum();
        let keys: Vec<String> = self.keys.iter().map(|(name, size)| format!("{name} ({size})")).collect();
        vec![
            ("jobs", self.plan.jobs.to_string()),
            ("executions", format!("{}, {} expected", tally.executions, tally.turns)),
            ("executions beyond", format!("{}, bound {}", tally.beyond, tally.beyond_max())),
            ("  in flight at kills of workers", tally.lost_with_killed.to_string()),
            ("  held by workers put to sleep", tally.lost_with_sleeping.to_string()),
            ("  under way in a second that Redis lost", tally.lost_with_redis.to_string()),
            ("completions answered", format!("{}, {} twice, bound {}", tally.completions, tally.twice, tally.twice_max)),
            ("completions counted by Redis", format!("{} ({} settled, their answer lost)", self.finished, tally.unsure)),
            ("workers killed", disturbed.kills.len().to_string()),
            ("workers put to sleep past their leases", format!("{}, {} executions fenced off", disturbed.sleeps.len(), tally.fenced)),
            ("leases lost otherwise", tally.lost_otherwise.to_string()),
            ("CLIENT KILL of all", format!("{}, {} connections", disturbed.cuts.len(), disturbed.cuts.iter().sum::<usize>())),
            ("Redis killed", format!("{}, {down} ms down, {bytes} bytes of its file lost", disturbed.outages.len())),
            ("batches enqueued again", format!("{}, and {} after kills of Redis", enqueues.repeated, enqueues.repeated_after_kills)),
            ("  jobs that Redis had lost", enqueues.taken_again.to_string()),
            ("keys left", keys.join(", ")),
            ("seconds", self.seconds.to_string()),
        ]
    }
}

impl fmt::Display for Report {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let sync = if self.plan.persistence == Persistence::EveryWrite { "always" } else { "everysec" };
        writeln!(f, "chaos, appendfsync {sync}, {} workers, seed {}", self.plan.workers, self.plan.seed)?;
        for (name, value) in self.rows() {
            writeln!(f, "  {name:<42} {value}")?;
        }
        for Promise { text, holds } in self.promises() {
            writeln!(f, "  {} {text}", if holds { "PASS" } else { "FAIL" })?;
        }
        if let Some(records) = &self.records {
            writeln!(f, "  what each process did stands in {}", records.display())?;
        }
        Ok(())
    }
}
