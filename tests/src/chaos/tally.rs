//! From the journals to counts.

use std::collections::HashMap;

use super::jobs::Mix;
use super::journal::{Fact, Record};
use super::store::Outage;

/// A body that began, and what became of it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Execution {
    /// Which process, by its number.
    pub process: usize,
    pub job: usize,
    /// Lost deliveries before this one.
    pub losses: u32,
    /// Ms since the epoch.
    pub began: u64,
    /// When and how it was settled; `None`: the process died first.
    pub end: Option<(u64, Fact)>,
}

impl Execution {
    fn ends_with(&self, fact: Fact) -> bool {
        self.end.is_some_and(|(_, how)| how == fact)
    }

    /// Whether it was under way at some moment of that time.
    fn meets(&self, from: u64, until: u64) -> bool {
        self.began <= until && self.end.is_none_or(|(at, _)| at >= from)
    }

    /// Told that its lease was lost: by the answer to its settling, or by the heartbeat before it came to that.
    fn was_fenced(&self) -> bool {
        self.end.is_some_and(|(_, how)| matches!(how, Fact::Refused | Fact::Dropped))
    }
}

/// All executions, from the journals of all processes.
pub(crate) fn executions(journals: &[Vec<Record>]) -> Vec<Execution> {
    let mut executions: Vec<Execution> = Vec::new();
    for (process, journal) in journals.iter().enumerate() {
        // By job: its executions in this process, the oldest first.
        let mut of_job: HashMap<usize, Vec<usize>> = HashMap::new();
        for record in journal {
            let known = of_job.entry(record.job).or_default();
            if record.fact == Fact::Began {
                known.push(executions.len());
                executions.push(Execution { process, job: record.job, losses: record.losses, began: record.at, end: None });
                continue;
            }
            let open = known.iter().find(|at| executions[**at].end.is_none());
            // What was dropped is released next, where the worker stops.
            let dropped = known.iter().rfind(|at| record.fact == Fact::Released && executions[**at].ends_with(Fact::Dropped));
            // Neither: released before it began.
            if let Some(at) = dropped.or(open).copied() {
                executions[at].end = Some((record.at, record.fact));
            }
        }
    }
    executions
}

/// A worker put to sleep.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Sleep {
    pub(crate) process: usize,
    /// Ms since the epoch.
    pub(crate) from: u64,
    /// Held when it fell asleep, by Redis's own account.
    pub(crate) leases: usize,
}

/// What was done to the run.
#[derive(Debug, Default)]
pub(crate) struct Disturbed {
    /// For each kill of a worker, the leases that it held, by Redis's own account.
    pub(crate) kills: Vec<usize>,
    pub(crate) sleeps: Vec<Sleep>,
    pub(crate) outages: Vec<Outage>,
    /// For each cut of all connections, how many.
    pub(crate) cuts: Vec<usize>,
}

/// Counts of a run.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Tally {
    pub executions: usize,
    /// What there would have been if nothing had gone wrong.
    pub turns: usize,
    /// Jobs that began less often than they have turns.
    pub unrun: usize,
    /// Executions of jobs beyond their turns.
    pub beyond: usize,
    pub lost_with_killed: usize,
    pub lost_with_sleeping: usize,
    /// Under way within the second before a kill of Redis that syncs once a second.
    pub lost_with_redis: usize,
    /// Answered as done.
    pub completions: usize,
    /// Answers beyond the first of each job.
    pub twice: usize,
    /// Answered within the second before a kill of Redis that syncs once a second.
    pub twice_max: usize,
    /// Settled, but the line broke before the answer: counted by Redis alone.
    pub unsure: usize,
    /// Executions of workers that slept past their leases, refused by Redis when they woke.
    pub fenced: usize,
    /// Executions that lost their lease without any of those reasons.
    pub lost_otherwise: usize,
    /// Ends that no job of the run should come to.
    pub otherwise: usize,
}

/// What a Redis that syncs once a second may lose.
const UNSYNCED_MS: u64 = 1_000;

impl Tally {
    pub(crate) fn of(executions: &[Execution], mix: Mix, jobs: usize, disturbed: &Disturbed, loses_a_second: bool) -> Self {
        let mut begun = vec![0; jobs];
        let mut completed = vec![0_usize; jobs];
        for execution in executions {
            begun[execution.job] += 1;
            completed[execution.job] += usize::from(execution.ends_with(Fact::Completed));
        }
        let turns = |job: usize| mix.turns(job);
        let lossy: Vec<&Outage> = disturbed.outages.iter().filter(|_| loses_a_second).collect();
        let in_that_second = |execution: &&Execution| {
            lossy.iter().any(|outage| execution.meets(outage.killed_at.saturating_sub(UNSYNCED_MS), outage.back_at))
        };
        let settled_in_that_second = |execution: &&Execution| {
            let of = |outage: &&Outage| outage.killed_at.saturating_sub(UNSYNCED_MS)..=outage.back_at;
            execution.end.is_some_and(|(at, how)| how == Fact::Completed && lossy.iter().any(|outage| of(outage).contains(&at)))
        };
        let slept = |execution: &&Execution| {
            let of = |sleep: &Sleep| sleep.process == execution.process && execution.end.is_none_or(|(at, _)| at >= sleep.from);
            disturbed.sleeps.iter().any(of)
        };
        let count = |fact: Fact| executions.iter().filter(|execution| execution.ends_with(fact)).count();
        let fenced = || executions.iter().filter(|execution| execution.was_fenced());
        Self {
            executions: executions.len(),
            turns: (0..jobs).map(turns).sum(),
            unrun: (0..jobs).filter(|job| begun[*job] < turns(*job)).count(),
            beyond: (0..jobs).map(|job| begun[job].saturating_sub(turns(job))).sum(),
            lost_with_killed: disturbed.kills.iter().sum(),
            lost_with_sleeping: disturbed.sleeps.iter().map(|sleep| sleep.leases).sum(),
            lost_with_redis: executions.iter().filter(in_that_second).count(),
            completions: count(Fact::Completed),
            twice: completed.iter().map(|count| count.saturating_sub(1)).sum(),
            twice_max: executions.iter().filter(settled_in_that_second).count(),
            unsure: count(Fact::Unsure),
            fenced: fenced().filter(slept).count(),
            lost_otherwise: fenced().filter(|execution| !slept(execution) && !in_that_second(execution)).count(),
            otherwise: count(Fact::Otherwise),
        }
    }

    /// The most executions beyond the turns that the disturbances excuse.
    pub fn beyond_max(&self) -> usize {
        self.lost_with_killed + self.lost_with_sleeping + self.lost_with_redis
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn record(at: u64, fact: Fact, job: usize) -> Record {
        Record { at, fact, job, losses: 0 }
    }

    #[test]
    fn a_job_that_ran_again_after_a_kill_is_excused_by_the_kill_and_no_other() {
        let journals = [vec![record(10, Fact::Began, 0)], vec![record(3_000, Fact::Began, 0), record(3_010, Fact::Completed, 0)]];
        let executions = executions(&journals);
        let killed = Disturbed { kills: vec![1], ..Disturbed::default() };
        let tally = Tally::of(&executions, Mix::Short, 1, &killed, false);
        assert_eq!((tally.executions, tally.beyond, tally.beyond_max(), tally.completions, tally.twice), (2, 1, 1, 1, 0));
        let undisturbed = Tally::of(&executions, Mix::Short, 1, &Disturbed::default(), false);
        assert!(undisturbed.beyond > undisturbed.beyond_max());
    }

    #[test]
    fn a_second_completion_is_excused_only_if_the_first_stood_in_the_second_that_redis_lost() {
        let journals =
            [0, 1].map(|process| vec![record(5_000 + process, Fact::Began, 0), record(5_100 + 9_000 * process, Fact::Completed, 0)]);
        let executions = executions(&journals);
        let disturbed =
            |killed_at| Disturbed { outages: vec![Outage { killed_at, back_at: killed_at + 300, bytes_lost: 1 }], ..Disturbed::default() };
        for (killed_at, syncs_once_a_second, excused) in [(6_050, true, 1), (6_150, true, 0), (6_050, false, 0)] {
            let tally = Tally::of(&executions, Mix::Short, 1, &disturbed(killed_at), syncs_once_a_second);
            assert_eq!((tally.twice, tally.twice_max), (1, excused), "killed at {killed_at}");
        }
    }

    #[test]
    fn what_a_stopping_worker_dropped_and_put_back_is_released() {
        let journal = vec![record(1, Fact::Began, 0), record(2, Fact::Dropped, 0), record(3, Fact::Released, 0)];
        assert_eq!(executions(&[journal])[0].end, Some((3, Fact::Released)));
    }
}
