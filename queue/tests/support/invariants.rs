//! What must hold in every state of a queue, whatever moves led there.

use std::collections::{BTreeMap, BTreeSet};

use serde_json::Value;

use super::snapshot::Snapshot;

/// Every key that a queue may have, but for the histories.
const KEYS: [&str; 51] = [
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
    "ready:0",
    "ready:1",
    "ready:2",
    "ready:3",
    "ready:4",
    "ready:5",
    "ready:6",
    "ready:7",
    "ready:8",
    "ready:9",
    "extras",
    "resting",
    "suspects",
    "logged",
    "stepped",
    "limits",
    "busy",
    "buckets",
    "uniques",
    "unique_until",
    "ring:0",
    "ring:1",
    "ring:2",
    "ring:3",
    "ring:4",
    "ring:5",
    "ring:6",
    "ring:7",
    "ring:8",
    "ring:9",
    "transfers",
    "transfers_due",
    "batches",
    "batches_ended",
];

impl Snapshot {
    /// # Panics
    /// When an invariant is broken, with all broken ones and the state.
    pub(crate) fn assert_sound(&self) {
        let broken = self.broken_invariants();
        assert!(
            broken.is_empty(),
            "the queue is in a state that must never be:\n  {}\nin{:?}",
            broken.join("\n  "),
            super::State::of(self)
        );
    }

    /// Ids that will be handed out, each with its lane: what stands in the lanes, but for the ghosts.
    pub(crate) fn ready(&self) -> Vec<(String, String)> {
        let mut ghosts = self.set("ghosts");
        let mut ready = Vec::new();
        for (lane, ids) in self.lanes() {
            for id in ids {
                if !ghosts.remove(&format!("{lane} {id}")) {
                    ready.push((lane.clone(), id));
                }
            }
        }
        ready
    }

    /// Every list of waiting jobs by the name of its lane.
    fn lanes(&self) -> Vec<(String, Vec<String>)> {
        let mut lanes: Vec<(String, Vec<String>)> =
            (0..10).map(|priority| (format!("{priority}@"), self.list(&format!("ready:{priority}")))).collect();
        for key in self.keys.keys() {
            if let Some(lane) = key.strip_prefix("lane:") {
                lanes.push((lane.to_owned(), self.list(key)));
            }
        }
        lanes
    }

    fn broken_invariants(&self) -> Vec<String> {
        let mut broken = Vec::new();
        let mut must = |holds: bool, what: String| {
            if !holds {
                broken.push(what);
            }
        };
        let jobs = self.fields("jobs");
        let (scheduled, running) = (self.members("scheduled"), self.members("running"));
        let (finished, dead) = (self.members("finished"), self.members("dead"));
        let ready: Vec<String> = self.ready().into_iter().map(|(_, id)| id).collect();

        let suspects = self.list("suspects");
        let mut placed: Vec<&String> =
            ready.iter().chain(&suspects).chain(&scheduled).chain(&running).chain(&finished).chain(&dead).collect();
        placed.sort();
        let everywhere: BTreeSet<String> = placed.iter().map(|id| (*id).clone()).collect();
        must(placed.len() == everywhere.len(), format!("a job is in two places: {placed:?}"));
        must(everywhere == jobs, format!("jobs {jobs:?} are not those in some place {everywhere:?}"));

        must(self.fields("leases") == running, "the leases are not those of the running jobs".to_owned());
        let ended: BTreeSet<String> = &finished | &dead;
        must(self.fields("outcomes") == ended, "the outcomes are not those of the ended jobs".to_owned());
        let living = &jobs - &ended;
        must(self.fields("extras").is_subset(&jobs), "extras are kept of a job that is gone".to_owned());
        for key in ["tries", "progress"] {
            must(self.fields(key).is_subset(&living), format!("{key} remembers a job that does not live"));
        }
        must(self.fields("cancels").is_subset(&running), "somebody is to be cancelled who does not run".to_owned());
        must(self.set("waited").is_subset(&living), "somebody waits for the end of a job that does not live".to_owned());
        must(self.fields("priorities").is_subset(&jobs), "a priority is kept of a job that is gone".to_owned());
        must(self.members("notices").is_subset(&ended), "a notice is open for a job that has not ended".to_owned());
        let in_lists: usize = self.lanes().iter().map(|(_, ids)| ids.len()).sum();
        must(in_lists == ready.len() + self.set("ghosts").len(), "a ghost stands in no ready list".to_owned());
        must(self.list("wake").len() <= 1, "there is more than one wake token".to_owned());
        let (priorities, extras) = (self.hash("priorities"), self.hash("extras"));
        let key_of = |id: &str| {
            let extra: Value = serde_json::from_slice(extras.get(id)?).unwrap();
            extra["key"].as_str().map(str::to_owned)
        };
        for (lane, id) in self.ready() {
            let priority = priorities.get(&id).map_or("5".into(), |text| String::from_utf8_lossy(text));
            let own = format!("{priority}@{}", key_of(&id).unwrap_or_default());
            must(own == lane, format!("{id} belongs to lane {own} and stands in lane {lane}"));
        }
        let rested = self.members("resting");
        let rings: BTreeSet<String> = (0..10).flat_map(|priority| self.members(&format!("ring:{priority}"))).collect();
        must(rings.is_disjoint(&rested), "a lane rests and takes part".to_owned());
        for lane in &rested {
            must(self.keys.contains_key(&format!("lane:{lane}")), format!("lane {lane} rests and is empty"));
        }
        let number = |text: &Vec<u8>| String::from_utf8_lossy(text).parse::<f64>().unwrap();
        let (stepped, gone) = (self.hash("stepped"), &finished);
        must(stepped.keys().all(|id| jobs.contains(id) && !gone.contains(id)), "steps are kept of a job that is over".to_owned());
        for (id, bytes) in &stepped {
            let kept: f64 = self.hash(&format!("steps:{id}")).values().map(|record| result_bytes(record)).sum();
            must(kept == number(bytes), format!("the steps of {id} hold {kept} bytes, and others are counted"));
        }
        let (limits, counted) = (self.hash("limits"), self.hash("busy"));
        let limit = |field: &str| limits.get(field).map(number);
        for (lane, _) in self.zset("resting").iter().filter(|(_, until)| until.is_infinite()) {
            let key = &lane[2..];
            let max = limit(&format!("concurrency:{key}")).or(limit("key_concurrency"));
            let running = counted.get(key).map_or(0.0, number);
            must(max.is_some_and(|max| running >= max), format!("lane {lane} waits for a job of its key to end, and has room"));
        }
        must(!self.keys.contains_key("limits") || self.fields("meta").contains("rich"), "claim does not know of the limits".to_owned());
        let is_rated = limit("rate").is_some() || limit("key_rate").is_some();
        must(!self.keys.contains_key("buckets") || is_rated, "there are buckets and no rate".to_owned());
        for (lane, ids) in self.lanes() {
            let is_seen = lane.len() == 2 || rings.contains(&lane) || rested.contains(&lane);
            must(ids.is_empty() || is_seen, format!("nobody will look at lane {lane}"));
            must(ids.is_empty() || lane == "5@" || self.fields("meta").contains("rich"), format!("claim does not know of lane {lane}"));
        }
        must(suspects.is_empty() || self.fields("meta").contains("rich"), "claim does not know of suspects".to_owned());
        let mut busy: BTreeMap<String, u64> = BTreeMap::new();
        for id in &running {
            if let Some(key) = key_of(id) {
                *busy.entry(key).or_default() += 1;
            }
        }
        let counted = counted.iter().map(|(key, count)| (key.clone(), number(count) as u64));
        must(busy == counted.collect(), format!("{busy:?} jobs of each key run, but others are counted"));
        for (key, holder) in self.hash("uniques") {
            let holder = String::from_utf8(holder).unwrap();
            let is_kept = self.members("unique_until").contains(&key);
            must(is_kept || living.contains(&holder), format!("unique key {key} is held by {holder}, which does not live"));
        }
        let kept: BTreeSet<String> = self.members("unique_until");
        must(kept.is_subset(&self.fields("uniques")), "a period is kept of a unique key that nobody has".to_owned());
        must(self.fields("transfers") == self.members("transfers_due"), "a transfer has no moment, or a moment no transfer".to_owned());
        let known = &self.members("batches") | &self.members("batches_ended");
        for (index, ended) in [("batches", false), ("batches_ended", true)] {
            for id in self.members(index) {
                let has_ended = self.hash(&format!("batch:{id}")).contains_key("ended");
                must(has_ended == ended, format!("batch {id} is among the {index}, but ended: {has_ended}"));
                must(!ended || self.set(&format!("batch_members:{id}")).is_empty(), format!("batch {id} has ended before its members"));
            }
        }
        for key in self.keys.keys().filter(|key| *key != "wake" && !key.starts_with("lane:") && !KEYS.contains(&key.as_str())) {
            if let Some(id) = key.strip_prefix("batch:").or_else(|| key.strip_prefix("batch_members:")) {
                must(known.contains(id), format!("{key} is kept of a batch that is gone"));
                continue;
            }
            let of = ["history:", "log:", "steps:"].iter().find_map(|stem| key.strip_prefix(stem));
            must(of.is_some_and(|id| jobs.contains(id)), format!("{key} is an orphan"));
            must(key.strip_prefix("steps:").is_none_or(|id| stepped.contains_key(id)), format!("{key} is not counted"));
        }
        broken
    }
}

/// Of a finished step: what stands behind its moment and its key.
fn result_bytes(record: &[u8]) -> f64 {
    record.splitn(3, |byte| *byte == b' ').nth(2).unwrap().len() as f64
}
