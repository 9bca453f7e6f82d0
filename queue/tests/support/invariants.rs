//! What must hold in every state of a queue, whatever moves led there.

use std::collections::BTreeSet;

use super::snapshot::Snapshot;

/// Every key that a queue may have, but for the histories.
const KEYS: [&str; 27] = [
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

    /// Ids that will be handed out: what stands in the ready lists, but for the ghosts.
    pub(crate) fn ready(&self) -> Vec<(u8, String)> {
        let mut ghosts = self.set("ghosts");
        let mut ready = Vec::new();
        for priority in 0..10_u8 {
            for id in self.list(&format!("ready:{priority}")) {
                if !ghosts.remove(&format!("{priority}:{id}")) {
                    ready.push((priority, id));
                }
            }
        }
        ready
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

        let mut placed: Vec<&String> = ready.iter().chain(&scheduled).chain(&running).chain(&finished).chain(&dead).collect();
        placed.sort();
        let everywhere: BTreeSet<String> = placed.iter().map(|id| (*id).clone()).collect();
        must(placed.len() == everywhere.len(), format!("a job is in two places: {placed:?}"));
        must(everywhere == jobs, format!("jobs {jobs:?} are not those in some place {everywhere:?}"));

        must(self.fields("leases") == running, "the leases are not those of the running jobs".to_owned());
        let ended: BTreeSet<String> = &finished | &dead;
        must(self.fields("outcomes") == ended, "the outcomes are not those of the ended jobs".to_owned());
        let living = &jobs - &ended;
        for key in ["tries", "progress"] {
            must(self.fields(key).is_subset(&living), format!("{key} remembers a job that does not live"));
        }
        must(self.fields("cancels").is_subset(&running), "somebody is to be cancelled who does not run".to_owned());
        must(self.set("waited").is_subset(&living), "somebody waits for the end of a job that does not live".to_owned());
        must(self.fields("priorities").is_subset(&jobs), "a priority is kept of a job that is gone".to_owned());
        must(self.members("notices").is_subset(&ended), "a notice is open for a job that has not ended".to_owned());
        let in_lists: usize = (0..10).map(|priority| self.list(&format!("ready:{priority}")).len()).sum();
        must(in_lists == ready.len() + self.set("ghosts").len(), "a ghost stands in no ready list".to_owned());
        must(self.list("wake").len() <= 1, "there is more than one wake token".to_owned());
        for (id, priority) in self.ready().into_iter().map(|(priority, id)| (id, priority)) {
            let kept = self.hash("priorities").get(&id).map_or(5, |text| String::from_utf8_lossy(text).parse().unwrap());
            must(kept == priority, format!("{id} of priority {kept} stands in list {priority}"));
        }
        for key in self.keys.keys().filter(|key| *key != "wake" && !KEYS.contains(&key.as_str())) {
            let of = key.strip_prefix("history:");
            must(of.is_some_and(|id| jobs.contains(id)), format!("{key} is an orphan"));
        }
        broken
    }
}
