//! Every Redis key of the engine, and nowhere else.

use std::sync::Arc;

use crate::{BatchId, Error, JobId, QueueName};

/// The first part of every key, so that several installations (or tests) share one Redis. `celeriac` unless set.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub struct Namespace(Arc<str>);

impl Default for Namespace {
    fn default() -> Self {
        Self("celeriac".into())
    }
}

impl Namespace {
    /// # Errors
    /// [`Error::InvalidName`] unless it is 1 to 40 of `a-z A-Z 0-9 _ -`.
    pub fn parse(name: &str) -> Result<Self, Error> {
        let allowed = |b: u8| b.is_ascii_alphanumeric() || b == b'_' || b == b'-';
        if (1..=40).contains(&name.len()) && name.bytes().all(allowed) {
            return Ok(Self(name.into()));
        }
        Err(Error::invalid_name("Redis key prefix", name, "1 to 40 of a-z A-Z 0-9 _ -, as in celeriac"))
    }

    pub fn as_str(&self) -> &str {
        &self.0
    }

    /// `celeriac:queues` (set): every queue that was ever enqueued to.
    pub(crate) fn queues(&self) -> String {
        format!("{}:queues", self.0)
    }

    /// `celeriac:workers` (zset: worker id → its last heartbeat, ms).
    pub(crate) fn workers(&self) -> String {
        format!("{}:workers", self.0)
    }

    /// `celeriac:worker:<id>` (string: the worker's JSON card; expires when it falls silent).
    pub(crate) fn worker(&self, id: &str) -> String {
        format!("{}:worker:{id}", self.0)
    }

    pub(crate) fn queue(&self, queue: &QueueName) -> QueueKeys {
        QueueKeys::new(self, queue)
    }
}

/// The fixed keys of one queue, in the order in which `lua/keys.lua` names them: those of [`Key`], then `…:ready:0` to `…:ready:9` (lists:
/// ids of the jobs of that priority that have no key).
#[derive(Debug, Clone)]
pub(crate) struct QueueKeys {
    all: Arc<[String]>,
}

/// A fixed key of a queue; the number is its place in `KEYS`, from zero.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[expect(dead_code, reason = "some only the scripts read; the variants count the places of KEYS")]
pub(crate) enum Key {
    /// `celeriac:{queue}:jobs` (hash: job id → envelope)
    Jobs,
    /// `…:scheduled` (zset: job id → due, ms)
    Scheduled,
    /// `…:running` (zset: job id → lease expiry, ms)
    Running,
    /// `…:leases` (hash: job id → token of this delivery)
    Leases,
    /// `…:tries` (hash: job id → "attempts losses snoozes"; only jobs that had one of them)
    Tries,
    /// `…:priorities` (hash: job id → 0-9; only jobs of another than the default priority)
    Priorities,
    /// `…:finished` (zset: job id → kept until, ms; finished, cancelled and expired jobs)
    Finished,
    /// `…:dead` (zset: job id → buried at, ms)
    Dead,
    /// `…:outcomes` (hash: job id → outcome JSON of an ended job)
    Outcomes,
    /// `…:notices` (zset: job id → visible at, ms; ended without a handler, on_terminal still to run)
    Notices,
    /// `…:ghosts` (set: `<lane> <job id>` of what was cancelled and still stands in that lane; the first of that id there)
    Ghosts,
    /// `…:cancels` (hash: running id whose end was asked for → outcome JSON in the words of who asked)
    Cancels,
    /// `…:progress` (hash: job id → progress JSON)
    Progress,
    /// `…:waited` (set: ids of living jobs whose end somebody waits for)
    Waited,
    /// `…:seen` (zset: id → remembered until, ms; ids given by the caller, kept for idempotent enqueue)
    Seen,
    /// `…:meta` (hash: paused → pause JSON, touched → ms of the last claim or extend, rich → set while more than the default ready list
    /// is in use, passed and turn → of the starvation guard, examiner → the worker that empties itself for a suspect)
    Meta,
    /// `…:stats` (hash: move → count since the queue began)
    Stats,
    /// `…:wake` (list: at most one token; idle workers block on it)
    Wake,
    /// `…:history` (stem: `…:history:<job id>` is a list of failed attempts, at most 20)
    History,
    /// `…:cancel` (channel: ids to cancel)
    CancelChannel,
    /// `…:ended` (channel: `<job id>\n<outcome JSON>`)
    EndedChannel,
    /// `…:extras` (hash: job id → JSON of its key, units, unique key and batch; only jobs that have one of them)
    Extras,
}

const NAMES: [&str; 22] = [
    "jobs",
    "scheduled",
    "running",
    "leases",
    "tries",
    "priorities",
    "finished",
    "dead",
    "outcomes",
    "notices",
    "ghosts",
    "cancels",
    "progress",
    "waited",
    "seen",
    "meta",
    "stats",
    "wake",
    "history",
    "cancel",
    "ended",
    "extras",
];

impl QueueKeys {
    fn new(namespace: &Namespace, queue: &QueueName) -> Self {
        let stem = format!("{}:{{{queue}}}:", namespace.0);
        let named = NAMES.iter().map(|name| format!("{stem}{name}"));
        let ready = (0..10).map(|priority| format!("{stem}ready:{priority}"));
        Self { all: named.chain(ready).collect() }
    }

    /// What every script receives as `KEYS`.
    pub(crate) fn all(&self) -> &[String] {
        &self.all
    }

    pub(crate) fn get(&self, key: Key) -> &str {
        &self.all[key as usize]
    }

    /// The fixed keys that few queues have, beside [`QueueKeys::all`]: all but the lanes, of which a queue has one a key.
    pub(crate) fn rare(&self) -> Vec<String> {
        let named = ["resting", "suspects", "logged", "stepped", "limits", "busy", "buckets", "uniques", "unique_until"];
        let across = ["transfers", "transfers_due", "batches", "batches_ended"];
        let rings = (0..10).map(|priority| self.ring(priority));
        named.iter().chain(&across).map(|name| format!("{}{name}", self.stem())).chain(rings).collect()
    }

    /// What stands before every key of this queue.
    fn stem(&self) -> &str {
        self.get(Key::Jobs).trim_end_matches("jobs")
    }

    /// `…:ring:0` to `…:ring:9` (zset: lane that may have its turn → virtual time; one that ran empty stays until its turn)
    pub(crate) fn ring(&self, priority: u8) -> String {
        format!("{}ring:{priority}", self.stem())
    }

    /// `…:resting` (zset: lane at a limit → when it may go on, ms; infinite until one of its jobs ends)
    pub(crate) fn resting(&self) -> String {
        format!("{}resting", self.stem())
    }

    /// The list of a lane: `…:lane:<priority>@<key>`, or the ready list of its priority when it has no key.
    pub(crate) fn lane(&self, lane: &str) -> String {
        match lane.split_once('@') {
            Some((priority, "")) => format!("{}ready:{priority}", self.stem()),
            _ => format!("{}lane:{lane}", self.stem()),
        }
    }

    /// `…:live` (channel: `<job id>\nlog <number> <line JSON>` or `<job id>\nprogress <progress JSON>`)
    pub(crate) fn live(&self) -> String {
        format!("{}live", self.stem())
    }

    /// `…:log:<job id>` (list: `<number> <line JSON>`, oldest first, at most 200). Beside it `…:logged` (hash: job id → lines ever).
    pub(crate) fn log_of(&self, id: &JobId) -> String {
        format!("{}log:{id}", self.stem())
    }

    /// `…:logged` (hash: job id → lines ever)
    pub(crate) fn logged(&self) -> String {
        format!("{}logged", self.stem())
    }

    /// `…:steps:<job id>` (hash: finished step → its record: see `lua/steps.lua`)
    pub(crate) fn steps_of(&self, id: &JobId) -> String {
        format!("{}steps:{id}", self.stem())
    }

    /// `…:stepped` (hash: job id → bytes of what its finished steps came to)
    pub(crate) fn stepped(&self) -> String {
        format!("{}stepped", self.stem())
    }

    /// `…:suspects` (list: ids of jobs whose worker died while it ran them)
    pub(crate) fn suspects(&self) -> String {
        format!("{}suspects", self.stem())
    }

    /// `…:limits` (hash: field of the queue's limits → number)
    pub(crate) fn limits(&self) -> String {
        format!("{}limits", self.stem())
    }

    /// `…:buckets` (zset: key, or nothing for the queue as a whole → when its bucket is full again, ms)
    pub(crate) fn buckets(&self) -> String {
        format!("{}buckets", self.stem())
    }

    /// `…:busy` (hash: key → how many of its jobs run). Beside it, for the scripts alone: `…:uniques` (hash: unique key → id of the job that has it), `…:unique_until` (zset: unique key → end of its period, ms).
    pub(crate) fn busy(&self) -> String {
        format!("{}busy", self.stem())
    }

    /// `…:transfers_due` (zset: entry of `…:transfers` → when a mover may take it, ms)
    pub(crate) fn transfers_due(&self) -> String {
        format!("{}transfers_due", self.stem())
    }

    /// `…:transfers` (hash: `end <job id>` or `next <job id>` → what another slot is still to hear of that job's end)
    pub(crate) fn transfers(&self) -> String {
        format!("{}transfers", self.stem())
    }

    /// `…:batches` (zset: id of a batch that has not ended → when it is forgotten, ms)
    pub(crate) fn batches(&self) -> String {
        format!("{}batches", self.stem())
    }

    /// `…:batches_ended` (zset: id of a batch that has ended → when it is forgotten, ms)
    pub(crate) fn batches_ended(&self) -> String {
        format!("{}batches_ended", self.stem())
    }

    /// `…:batch:<id>` (hash: see `lua/batch.lua`)
    pub(crate) fn batch(&self, id: &BatchId) -> String {
        format!("{}batch:{id}", self.stem())
    }

    /// `…:batch_members:<id>` (set: `<queue>/<job id>` of members that have not ended)
    pub(crate) fn batch_members(&self, id: &BatchId) -> String {
        format!("{}batch_members:{id}", self.stem())
    }

    /// `…:history:<job id>` (list: attempt JSON, oldest first)
    pub(crate) fn history_of(&self, id: &JobId) -> String {
        format!("{}:{id}", self.get(Key::History))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_key_of_a_queue_carries_its_tag_and_stands_where_keys_lua_reads_it() {
        let keys = Namespace::default().queue(&QueueName::parse("documents").unwrap());
        assert_eq!(keys.all().len(), 32);
        assert!(keys.all().iter().all(|key| key.contains(":{documents}:")));
        let named = include_str!("../lua/keys.lua");
        let places = [
            (Key::Jobs, "jobs"),
            (Key::Wake, "wake"),
            (Key::EndedChannel, "ended_channel"),
            (Key::Tries, "tries"),
            (Key::Extras, "extras"),
        ];
        for (key, name) in places {
            let line = named.lines().find(|l| l.starts_with("local") && l.contains(name)).unwrap();
            let (names, values) = line.trim_start_matches("local ").split_once(" = ").unwrap();
            let at = names.split(", ").position(|n| n == name).unwrap();
            assert_eq!(values.split(", ").nth(at).unwrap(), format!("KEYS[{}]", key as usize + 1));
        }
        assert_eq!(keys.all()[NAMES.len() + 9], "celeriac:{documents}:ready:9");
    }
}
