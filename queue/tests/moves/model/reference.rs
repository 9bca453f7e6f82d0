//! The queue as one would explain it: jobs, each in one place, and ten lists.

use std::collections::{BTreeMap, BTreeSet, VecDeque};

use celeriac_queue::{Cancelled, LeaseState, Millis, Notice, Settled, State};

use super::moves::How;
use super::{CancelAnswer, EnqueueAnswer};

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
    pub(crate) priority: u8,
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

#[derive(Debug, Default)]
pub(crate) struct Reference {
    pub(crate) jobs: BTreeMap<String, Job>,
    pub(crate) ready: [VecDeque<String>; 10],
    pub(crate) seen: BTreeSet<String>,
    pub(crate) counts: BTreeMap<&'static str, u64>,
    /// Which delivery was of which job.
    deliveries: Vec<String>,
    paused: bool,
    silent: bool,
    moments: u32,
}

pub(crate) struct Claimed {
    pub(crate) claimed: Vec<String>,
    pub(crate) work_left: bool,
    pub(crate) paused: bool,
}

impl Reference {
    pub(crate) fn enqueue(&mut self, id: &str, priority: u8, later: bool) -> EnqueueAnswer {
        if self.jobs.contains_key(id) || self.seen.contains(id) {
            return None;
        }
        let place = if later { Place::Scheduled(None) } else { Place::Ready };
        let job = Job { place, priority, attempts: 0, losses: 0, snoozes: 0, history: 0, cancel_asked: false, notice: Told::NothingToTell };
        self.jobs.insert(id.to_owned(), job);
        self.count("enqueued");
        if later {
            return Some(State::Scheduled);
        }
        self.ready[priority as usize].push_back(id.to_owned());
        Some(State::Ready)
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

    pub(crate) fn claim(&mut self, credit: usize, first_delivery: usize) -> Claimed {
        self.touch();
        self.recover();
        self.promote();
        let mut claimed = Vec::new();
        if !self.paused {
            for list in &mut self.ready {
                let taken = list.len().min(credit - claimed.len());
                claimed.extend(list.drain(..taken));
            }
        }
        for (nth, id) in claimed.iter().enumerate() {
            self.job(id).place = Place::Running(first_delivery + nth, None);
            self.deliveries.push(id.clone());
        }
        Claimed { claimed, work_left: self.hands_out_work(), paused: self.paused }
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
            Place::Ready => self.ready[job.priority as usize].retain(|other| other != id),
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
        Some(true)
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
        u64::from(goes)
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

    /// Whether a claim would get something that is ready now.
    pub(crate) fn hands_out_work(&self) -> bool {
        !self.paused && self.ready.iter().any(|list| !list.is_empty())
    }

    pub(crate) fn tries(&self, id: &str) -> (u32, u32, u32) {
        let job = &self.jobs[id];
        (job.attempts, job.losses, job.snoozes)
    }

    /// The job of a delivery, while that holds its lease.
    pub(crate) fn held(&self, which: usize) -> Option<String> {
        let id = &self.deliveries[which];
        let held = matches!(self.jobs.get(id)?.place, Place::Running(delivery, _) if delivery == which);
        held.then(|| id.clone())
    }

    fn end(&mut self, id: &str, state: State) {
        self.seen.insert(id.to_owned());
        let job = self.job(id);
        job.place = Place::Ended(state);
        job.notice = Told::NotYet;
        job.cancel_asked = false;
        (job.attempts, job.losses, job.snoozes) = (0, 0, 0);
    }

    fn put_first(&mut self, id: &str) {
        self.job(id).place = Place::Ready;
        let priority = self.job(id).priority;
        self.ready[priority as usize].push_front(id.to_owned());
    }

    fn put_last(&mut self, id: &str) {
        self.job(id).place = Place::Ready;
        let priority = self.job(id).priority;
        self.ready[priority as usize].push_back(id.to_owned());
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
