//! The queue as one would explain it: jobs, each in one place, and a list a lane.

use std::collections::{BTreeMap, BTreeSet, VecDeque};

use celeriac_queue::{Cancelled, Conflict, Deleted, LeaseState, Limits, Millis, Notice, Replayed, Settled, State};

use super::moves::{How, New, Scope};
use super::{CancelAnswer, EnqueueAnswer};

mod turns;

pub(crate) use turns::Handout;

/// Buried as poison after so many lost workers.
const LOSSES_MAX: u32 = 3;
const HISTORY_MAX: usize = 20;

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Place {
    Ready,
    /// With the moment, once it has passed.
    Scheduled(Option<u32>),
    /// By a delivery, with the moment at which its lease ran out, once it has.
    Running(usize, Option<u32>),
    Ended(State),
}

#[derive(Debug, Clone)]
pub(crate) struct Job {
    pub(crate) place: Place,
    pub(crate) new: New,
    pub(crate) arguments: usize,
    pub(crate) attempts: u32,
    pub(crate) losses: u32,
    pub(crate) snoozes: u32,
    pub(crate) history: usize,
    pub(crate) cancel_asked: bool,
    pub(crate) notice: Told,
}

/// Whether a job's end has been told to its `on_terminal`.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Told {
    NothingToTell,
    NotYet,
    /// Handed to a worker, visible again at that moment.
    UnderWay(Millis),
}

/// Who has a unique key.
#[derive(Debug)]
pub(crate) struct Hold {
    pub(crate) holder: String,
    pub(crate) scope: Scope,
    /// Its period is over: whoever comes takes it.
    pub(crate) over: bool,
}

#[derive(Debug, Default)]
pub(crate) struct Reference {
    pub(crate) jobs: BTreeMap<String, Job>,
    /// By name, as in `5@x`.
    pub(crate) lanes: BTreeMap<String, VecDeque<String>>,
    pub(crate) suspects: VecDeque<String>,
    pub(crate) uniques: BTreeMap<&'static str, Hold>,
    pub(crate) seen: BTreeSet<String>,
    pub(crate) counts: BTreeMap<&'static str, u64>,
    pub(crate) limits: Limits,
    turns: turns::Guard,
    /// Which delivery was of which job, and of which worker.
    deliveries: Vec<(String, usize)>,
    paused: bool,
    silent: bool,
    moments: u32,
}

impl Job {
    fn lane(&self) -> String {
        format!("{}@{}", self.new.priority, self.new.key.unwrap_or_default())
    }

    fn is_suspect(&self) -> bool {
        self.losses > 0
    }
}

impl Reference {
    pub(crate) fn enqueue(&mut self, new: New, arguments: usize) -> EnqueueAnswer {
        if self.jobs.contains_key(new.id) || self.seen.contains(new.id) {
            return EnqueueAnswer::Known;
        }
        if let Some((key, _, conflict)) = new.unique
            && let Some(holder) = self.uniques.get(key).filter(|hold| !hold.over).map(|hold| hold.holder.clone())
        {
            // Of an earlier life of the same job the answer cannot be told from that of a known id.
            return if holder == new.id { EnqueueAnswer::Known } else { self.settle_conflict(holder, conflict, new.later, arguments) };
        }
        let place = if new.later { Place::Scheduled(None) } else { Place::Ready };
        let notice = Told::NothingToTell;
        let job = Job { place, new, arguments, attempts: 0, losses: 0, snoozes: 0, history: 0, cancel_asked: false, notice };
        self.jobs.insert(new.id.to_owned(), job);
        self.count("enqueued");
        self.take_hold(new.id);
        if new.later {
            return EnqueueAnswer::Fresh(State::Scheduled);
        }
        self.put_last(new.id);
        EnqueueAnswer::Fresh(State::Ready)
    }

    fn settle_conflict(&mut self, holder: String, conflict: Conflict, later: bool, arguments: usize) -> EnqueueAnswer {
        match self.jobs.get_mut(&holder) {
            Some(job) if conflict != Conflict::Reject && matches!(job.place, Place::Ready | Place::Scheduled(_)) => {
                job.arguments = arguments;
                if conflict == Conflict::KeepLast && later && job.place != Place::Ready {
                    job.place = Place::Scheduled(None);
                }
                EnqueueAnswer::Replaced(holder)
            }
            _ => EnqueueAnswer::Held(holder),
        }
    }

    fn take_hold(&mut self, id: &str) {
        let Some((key, scope, _)) = self.jobs[id].new.unique else { return };
        if self.uniques.get(key).is_none_or(|hold| hold.over) {
            self.uniques.insert(key, Hold { holder: id.to_owned(), scope, over: false });
        }
    }

    fn let_go(&mut self, id: &str, at_end: bool) {
        let Some((key, scope, _)) = self.jobs[id].new.unique else { return };
        let is_over = match scope {
            Scope::Queued => true,
            Scope::Running => at_end,
            Scope::Period => false,
        };
        if is_over && self.uniques.get(key).is_some_and(|hold| hold.holder == id) {
            self.uniques.remove(key);
        }
    }

    /// Whether somebody has the key for a period that was not over.
    pub(crate) fn end_period(&mut self, key: &str) -> bool {
        match self.uniques.get_mut(key) {
            Some(hold) if hold.scope == Scope::Period => !std::mem::replace(&mut hold.over, true),
            _ => false,
        }
    }

    /// The moment to set, if the job is scheduled.
    pub(crate) fn fall_due(&mut self, id: &str) -> Option<u32> {
        self.moments += 1;
        let Place::Scheduled(due) = &mut self.jobs.get_mut(id)?.place else { return None };
        *due = Some(self.moments);
        *due
    }

    /// The moment to set, if the job is running.
    pub(crate) fn lose_lease(&mut self, id: &str) -> Option<u32> {
        self.moments += 1;
        let Place::Running(_, lapsed) = &mut self.jobs.get_mut(id)?.place else { return None };
        *lapsed = Some(self.moments);
        *lapsed
    }

    pub(crate) fn outage(&mut self) {
        self.silent = true;
    }

    /// Whoever comes first after an outage gives every running job a new lease.
    fn touch(&mut self) {
        if std::mem::take(&mut self.silent) {
            for job in self.jobs.values_mut() {
                if let Place::Running(_, lapsed) = &mut job.place {
                    *lapsed = None;
                }
            }
        }
    }

    fn recover(&mut self) {
        let lapsed = |job: &Job| if let Place::Running(_, lapsed) = job.place { lapsed } else { None };
        let mut lost: Vec<_> = self.jobs.iter().filter_map(|(id, job)| Some((lapsed(job)?, id.clone()))).collect();
        lost.sort();
        for (_, id) in lost.into_iter().rev() {
            self.count("recovered");
            self.record(&id);
            let job = self.job(&id);
            job.losses += 1;
            if job.cancel_asked {
                self.count("cancelled");
                self.end(&id, State::Cancelled);
            } else if job.losses >= LOSSES_MAX {
                self.count("dead");
                self.end(&id, State::Dead);
            } else {
                self.put_first(&id);
            }
        }
    }

    fn promote(&mut self) {
        let due = |job: &Job| if let Place::Scheduled(due) = job.place { due } else { None };
        let mut due: Vec<_> = self.jobs.iter().filter_map(|(id, job)| Some((due(job)?, id.clone()))).collect();
        due.sort();
        for (_, id) in due {
            self.put_last(&id);
        }
    }

    /// Of the open notices some were handed out: no more than wanted, no fewer than there are, none twice.
    pub(crate) fn hand_out_notices(&mut self, handed_out: &[Notice], wanted: usize) {
        let open = self.jobs.values().filter(|job| job.notice == Told::NotYet).count();
        assert_eq!(handed_out.len(), open.min(wanted));
        for notice in handed_out {
            let before = std::mem::replace(&mut self.job(notice.id.as_str()).notice, Told::UnderWay(notice.visible_at));
            assert_eq!(before, Told::NotYet, "the notice of {} was not to be handed out", notice.id);
        }
    }

    pub(crate) fn acknowledge(&mut self, id: &str, visible_at: Millis) {
        if let Some(job) = self.jobs.get_mut(id)
            && job.notice == Told::UnderWay(visible_at)
        {
            job.notice = Told::NothingToTell;
        }
    }

    /// Whether a worker had the notice and lost it.
    pub(crate) fn lose_notice(&mut self, id: &str) -> bool {
        match self.jobs.get_mut(id) {
            Some(job) if matches!(job.notice, Told::UnderWay(_)) => {
                job.notice = Told::NotYet;
                true
            }
            _ => false,
        }
    }

    pub(crate) fn extend(&mut self, deliveries: &[usize]) -> Vec<LeaseState> {
        self.touch();
        deliveries
            .iter()
            .map(|which| match self.held(*which) {
                None => LeaseState::Lost,
                Some(id) => {
                    let job = self.job(&id);
                    job.place = Place::Running(*which, None);
                    if job.cancel_asked { LeaseState::CancelAsked } else { LeaseState::Kept }
                }
            })
            .collect()
    }

    pub(crate) fn release(&mut self, deliveries: &[usize]) -> Vec<Settled> {
        let mut settled = Vec::new();
        for which in deliveries.iter().rev() {
            settled.push(match self.held(*which) {
                None => Settled::LeaseLost,
                Some(id) if self.job(&id).cancel_asked => {
                    self.count("cancelled");
                    self.end(&id, State::Cancelled);
                    Settled::Cancelled
                }
                Some(id) => {
                    self.put_first(&id);
                    Settled::Done
                }
            });
        }
        settled.reverse();
        settled
    }

    pub(crate) fn settle(&mut self, which: usize, how: How) -> Settled {
        let Some(id) = self.held(which) else { return Settled::LeaseLost };
        let asked = self.job(&id).cancel_asked;
        match how {
            How::Complete { keep } => {
                self.count("finished");
                self.end(&id, State::Finished);
                self.job(&id).notice = Told::NothingToTell;
                if !keep {
                    self.jobs.remove(&id);
                }
            }
            How::Retry => {
                self.count("retried");
                self.record(&id);
                if asked {
                    self.count("cancelled");
                    self.end(&id, State::Cancelled);
                    return Settled::Cancelled;
                }
                self.job(&id).attempts += 1;
                self.job(&id).place = Place::Scheduled(None);
            }
            How::Snooze => {
                if asked {
                    self.count("cancelled");
                    self.end(&id, State::Cancelled);
                    return Settled::Cancelled;
                }
                self.count("snoozed");
                self.job(&id).snoozes += 1;
                self.job(&id).place = Place::Scheduled(None);
            }
            How::Bury => {
                self.count("dead");
                self.record(&id);
                self.end(&id, State::Dead);
            }
            How::Expire => {
                self.count("expired");
                self.end(&id, State::Expired);
            }
            How::Cancel => {
                self.count("cancelled");
                self.end(&id, State::Cancelled);
            }
        }
        Settled::Done
    }

    pub(crate) fn cancel(&mut self, id: &str) -> CancelAnswer {
        let job = self.jobs.get_mut(id)?;
        match job.place {
            Place::Ended(_) => return Some(Cancelled::AlreadyEnded),
            Place::Running(..) => {
                job.cancel_asked = true;
                return Some(Cancelled::Asked);
            }
            Place::Ready => {
                let list = if job.is_suspect() { &mut self.suspects } else { self.lanes.get_mut(&job.lane()).expect("it stands there") };
                list.retain(|other| other != id);
            }
            Place::Scheduled(_) => {}
        }
        self.count("cancelled");
        self.end(id, State::Cancelled);
        Some(Cancelled::Cancelled)
    }

    pub(crate) fn requeue(&mut self, id: &str) -> Option<bool> {
        let job = self.jobs.get_mut(id)?;
        if !matches!(job.place, Place::Ended(_)) {
            return Some(false);
        }
        job.notice = Told::NothingToTell;
        self.count("requeued");
        self.put_last(id);
        self.take_hold(id);
        Some(true)
    }

    pub(crate) fn replay(&mut self, id: &str, later: bool) -> Replayed {
        match self.jobs.get_mut(id) {
            Some(job) if job.place == Place::Ended(State::Dead) => job.notice = Told::NothingToTell,
            _ => return Replayed::NotDead,
        }
        self.count("requeued");
        self.take_hold(id);
        if later {
            self.job(id).place = Place::Scheduled(None);
            return Replayed::Scheduled;
        }
        self.put_last(id);
        Replayed::Ready
    }

    pub(crate) fn delete(&mut self, id: &str) -> Deleted {
        let Some(job) = self.jobs.get(id) else { return Deleted::Missing };
        if !matches!(job.place, Place::Ended(_)) {
            return Deleted::Refused;
        }
        if job.notice != Told::NothingToTell {
            return Deleted::NoticeOpen;
        }
        self.jobs.remove(id);
        self.count("deleted");
        Deleted::Deleted
    }

    /// The sorted set that holds the record of an ended job.
    pub(crate) fn kept_in(&self, id: &str) -> Option<&'static str> {
        match self.jobs.get(id)?.place {
            Place::Ended(State::Dead) => Some("dead"),
            Place::Ended(_) => Some("finished"),
            _ => None,
        }
    }

    pub(crate) fn prune(&mut self, id: &str) -> u64 {
        let goes = self.kept_in(id).is_some() && self.jobs[id].notice == Told::NothingToTell;
        if goes {
            self.jobs.remove(id);
        }
        let before = self.uniques.len();
        self.uniques.retain(|_, hold| !hold.over);
        u64::from(goes) + (before - self.uniques.len()) as u64
    }

    pub(crate) fn forget(&mut self, id: &str) {
        self.seen.remove(id);
    }

    pub(crate) fn pause(&mut self) {
        self.paused = true;
    }

    pub(crate) fn resume(&mut self) -> bool {
        std::mem::take(&mut self.paused)
    }

    pub(crate) fn tries(&self, id: &str) -> (u32, u32, u32) {
        let job = &self.jobs[id];
        (job.attempts, job.losses, job.snoozes)
    }

    /// The job of a delivery, while that holds its lease.
    pub(crate) fn held(&self, which: usize) -> Option<String> {
        let (id, _) = &self.deliveries[which];
        let held = matches!(self.jobs.get(id)?.place, Place::Running(delivery, _) if delivery == which);
        held.then(|| id.clone())
    }

    fn end(&mut self, id: &str, state: State) {
        self.let_go(id, true);
        self.seen.insert(id.to_owned());
        let job = self.job(id);
        job.place = Place::Ended(state);
        job.notice = Told::NotYet;
        job.cancel_asked = false;
        (job.attempts, job.losses, job.snoozes) = (0, 0, 0);
    }

    fn put_first(&mut self, id: &str) {
        self.list_of(id).push_front(id.to_owned());
    }

    fn put_last(&mut self, id: &str) {
        self.list_of(id).push_back(id.to_owned());
    }

    /// Where a job waits that is ready from now on.
    fn list_of(&mut self, id: &str) -> &mut VecDeque<String> {
        let job = self.jobs.get_mut(id).expect("the reference knows its jobs");
        job.place = Place::Ready;
        if job.is_suspect() { &mut self.suspects } else { self.lanes.entry(job.lane()).or_default() }
    }

    fn record(&mut self, id: &str) {
        let job = self.job(id);
        job.history = (job.history + 1).min(HISTORY_MAX);
    }

    fn count(&mut self, what: &'static str) {
        *self.counts.entry(what).or_default() += 1;
    }

    fn job(&mut self, id: &str) -> &mut Job {
        self.jobs.get_mut(id).expect("the reference knows its jobs")
    }
}
