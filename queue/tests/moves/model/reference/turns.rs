//! What a claim may hand out. Which lane has its turn is for the queue to say (by virtual time); here is what must hold whichever it takes.

use std::collections::BTreeSet;

use celeriac_queue::{Claim, Company, Limits};

use super::{Job, Place, Reference};
use crate::support::ids;

/// Jobs that may overtake a waiting one of a lower priority.
const PASSED_MAX: usize = 15;

/// How often lower priorities were overtaken.
#[derive(Debug, Default)]
pub(super) struct Guard {
    /// Jobs handed out since one overtook a higher priority: at least what the queue has counted.
    since_lower: usize,
    /// Jobs handed out in a row while one of a lower priority could have been: at most what the queue has counted.
    passed: usize,
}

/// A claim as it was answered.
pub(crate) struct Handout<'a> {
    pub(crate) worker: usize,
    pub(crate) is_idle: bool,
    pub(crate) credit: usize,
    /// Who was emptying itself for a suspect before.
    pub(crate) examiner: Option<usize>,
    /// Cancelled jobs still stood in line before, which the queue takes for waiting ones until it meets them.
    pub(crate) is_haunted: bool,
    pub(crate) answer: &'a Claim,
}

impl Reference {
    /// Checks that a claim was answered as it may be, and follows it.
    pub(crate) fn claim(&mut self, handout: &Handout) {
        self.touch();
        self.recover();
        self.promote();
        let claimed = ids(&handout.answer.deliveries);
        assert_eq!(handout.answer.paused, self.paused);
        if self.paused {
            assert_eq!((claimed.len(), handout.answer.company), (0, Company::Any), "nothing is handed out of a paused queue");
            return;
        }
        let suspect = self.next_suspect().cloned();
        let is_examined = suspect.is_some() && handout.credit > 0;
        let may_examine = handout.is_idle || handout.examiner.is_none_or(|examiner| examiner == handout.worker);
        match handout.answer.company {
            Company::Alone => {
                assert!(handout.is_idle && is_examined);
                assert_eq!(claimed, [suspect.expect("there is one")], "the first suspect that may run comes first");
                self.suspects.retain(|id| id != claimed[0]);
                self.begin(claimed[0], handout.worker);
            }
            Company::Drain => {
                assert!(!handout.is_idle && is_examined && may_examine, "nobody had to drain");
                assert!(claimed.is_empty(), "who is to drain gets nothing");
            }
            Company::Any => {
                assert!(!(is_examined && may_examine), "a suspect was passed over");
                assert!(claimed.len() <= handout.credit);
                let is_exact = !handout.is_haunted && self.limits == Limits::default();
                for id in &claimed {
                    self.take_turn(id, handout.worker, is_exact);
                }
                let left = self.priorities_that_could_run();
                assert!(claimed.len() == handout.credit || left.is_empty(), "{left:?} could have run and were not handed out");
                assert!(handout.answer.work_left || left.is_empty(), "work is left and nobody is told");
                if left.len() < 2 || !is_exact {
                    self.turns.passed = 0;
                }
            }
        }
    }

    fn take_turn(&mut self, id: &str, worker: usize, is_exact: bool) {
        let could_run = self.priorities_that_could_run();
        let priority = self.job(id).new.priority;
        let lane = self.job(id).lane();
        assert!(could_run.contains(&priority), "{id} was not to be handed out");
        assert!(self.may_run(id), "{id} was handed out beyond a limit");
        assert_eq!(self.lanes[&lane].front().map(String::as_str), Some(id), "{id} was not the first of its lane");
        if priority > could_run[0] {
            assert!(self.turns.since_lower >= PASSED_MAX, "{id} overtook a higher priority after {}", self.turns.since_lower);
            self.turns = Guard::default();
        } else {
            self.turns.since_lower += 1;
            self.turns.passed = if could_run.len() > 1 { self.turns.passed + 1 } else { 0 };
            assert!(!is_exact || self.turns.passed <= PASSED_MAX, "{id} overtook a lower priority that was to have its turn");
        }
        self.lanes.get_mut(&lane).expect("it stands there").pop_front();
        self.begin(id, worker);
    }

    fn begin(&mut self, id: &str, worker: usize) {
        self.job(id).place = Place::Running(self.deliveries.len(), None);
        self.deliveries.push((id.to_owned(), worker));
        self.let_go(id, false);
    }

    /// Whether neither the queue's limits nor those of its key hold a job back.
    fn may_run(&self, id: &str) -> bool {
        let running = |key: Option<&str>| {
            let of_key = |job: &&Job| matches!(job.place, Place::Running(..)) && (key.is_none() || job.new.key == key);
            self.jobs.values().filter(of_key).count() as u32
        };
        let max_of = |key: &str| self.limits.keys.get(key).and_then(|of_key| of_key.concurrency).or(self.limits.key_concurrency);
        let key = self.jobs[id].new.key;
        self.limits.concurrency.is_none_or(|max| running(None) < max)
            && key.is_none_or(|key| max_of(key).is_none_or(|max| running(Some(key)) < max))
    }

    /// Rising; of the lanes whose first job could begin at once.
    fn priorities_that_could_run(&self) -> Vec<u8> {
        let firsts = self.lanes.values().filter_map(|lane| lane.front()).filter(|id| self.may_run(id));
        let priorities: BTreeSet<u8> = firsts.map(|id| self.jobs[id].new.priority).collect();
        priorities.into_iter().collect()
    }

    fn next_suspect(&self) -> Option<&String> {
        self.suspects.iter().find(|id| self.may_run(id))
    }

    /// Whether somebody must be woken: for ready work, or for a suspect that nobody empties himself for.
    pub(crate) fn hands_out_work(&self, is_examined: bool) -> bool {
        !self.paused && (!self.priorities_that_could_run().is_empty() || (!is_examined && self.next_suspect().is_some()))
    }

    pub(crate) fn is_idle(&self, worker: usize) -> bool {
        let is_held_by = |which: usize| self.deliveries[which].1 == worker;
        !self.jobs.values().any(|job| matches!(job.place, Place::Running(which, _) if is_held_by(which)))
    }

    pub(crate) fn overtake(&mut self, times: usize) {
        self.turns = Guard { since_lower: self.turns.since_lower.max(times), passed: times };
    }
}
