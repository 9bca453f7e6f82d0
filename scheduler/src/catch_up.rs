//! Which of the occurrences that have come due are fired: the catch-up policy, as a pure function.

use std::collections::VecDeque;

use chrono::{DateTime, TimeDelta, Utc};

use crate::Calendar;

/// An occurrence that is fired within this is on time, not missed: a follower needs that long to take over from a dead leader.
const ON_TIME: TimeDelta = TimeDelta::seconds(60);
/// The most that is fired at once after an outage, newest first; what is older is left out.
const FIRED_MAX: usize = 100;

/// What becomes of occurrences that passed while no scheduler ran.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum CatchUp {
    /// They are left out; only one that is on time fires.
    Skip,
    /// The newest fires, for all of them.
    Once,
    /// All fire, the newest hundred at most.
    All,
}

/// Why a run was fired, as `schedule_runs.reason` has it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Reason {
    Due,
    CatchUp,
}

/// What to do about one schedule.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Plan {
    /// Oldest first.
    pub(crate) fire: Vec<(DateTime<Utc>, Reason)>,
    /// Occurrences were left out.
    pub(crate) left_out: bool,
    /// `None`: no occurrence is to come.
    pub(crate) next_at: Option<DateTime<Utc>>,
}

impl CatchUp {
    pub(crate) fn parse(text: &str) -> Option<Self> {
        match text {
            "skip" => Some(Self::Skip),
            "once" => Some(Self::Once),
            "all" => Some(Self::All),
            _ => None,
        }
    }

    /// What to fire of the occurrences from `due` to `now`, both included.
    pub(crate) fn plan(self, calendar: &Calendar, due: DateTime<Utc>, now: DateTime<Utc>) -> Plan {
        let most = if self == Self::All { FIRED_MAX } else { 1 };
        // One more than is fired, to know whether any is left out.
        let mut newest = newest_between(calendar, due, now, most + 1);
        let mut left_out = newest.len() > most;
        if left_out {
            newest.pop_front();
        }
        let reason = |instant: DateTime<Utc>| if now - instant <= ON_TIME { Reason::Due } else { Reason::CatchUp };
        let mut fire: Vec<_> = newest.into_iter().map(|instant| (instant, reason(instant))).collect();
        if self == Self::Skip {
            let before = fire.len();
            fire.retain(|(_, reason)| *reason == Reason::Due);
            left_out |= fire.len() < before;
        }
        Plan { fire, left_out, next_at: calendar.next_after(now) }
    }
}

impl Reason {
    pub(crate) fn as_str(self) -> &'static str {
        match self {
            Self::Due => "due",
            Self::CatchUp => "catch_up",
        }
    }
}

/// The newest occurrences from `from` to `to`, both included, oldest first.
fn newest_between(calendar: &Calendar, from: DateTime<Utc>, to: DateTime<Utc>, most: usize) -> VecDeque<DateTime<Utc>> {
    // From the end backwards in growing steps: after a year without a scheduler, a schedule of every minute is not counted through.
    let mut span = TimeDelta::hours(1);
    loop {
        let start = (to - span).max(from);
        let mut found = VecDeque::new();
        for instant in calendar.after(start - TimeDelta::milliseconds(1)).take_while(|instant| *instant <= to) {
            if found.len() == most {
                found.pop_front();
            }
            found.push_back(instant);
        }
        if found.len() == most || start <= from {
            return found;
        }
        span = span * 4;
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn at(text: &str) -> DateTime<Utc> {
        format!("2026-11-{text}Z").parse().unwrap()
    }

    fn hourly() -> Calendar {
        Calendar::new(Some("@hourly"), None, "UTC").unwrap()
    }

    #[test]
    fn one_that_is_on_time_fires_under_every_policy() {
        for policy in [CatchUp::Skip, CatchUp::Once, CatchUp::All] {
            for now in [at("21T10:00:00"), at("21T10:00:20")] {
                let plan = policy.plan(&hourly(), at("21T10:00:00"), now);
                let expected = Plan { fire: vec![(at("21T10:00:00"), Reason::Due)], left_out: false, next_at: Some(at("21T11:00:00")) };
                assert_eq!(plan, expected, "{policy:?}");
            }
        }
    }

    #[test]
    fn missed_ones_are_left_out_fired_once_or_all_fired() {
        let (due, now) = (at("21T07:00:00"), at("21T10:30:00"));
        let plan = |policy: CatchUp| policy.plan(&hourly(), due, now);
        assert_eq!(plan(CatchUp::Skip), Plan { fire: vec![], left_out: true, next_at: Some(at("21T11:00:00")) });
        let newest = (at("21T10:00:00"), Reason::CatchUp);
        assert_eq!(plan(CatchUp::Once), Plan { fire: vec![newest], left_out: true, next_at: Some(at("21T11:00:00")) });
        let all = plan(CatchUp::All);
        assert_eq!(
            all.fire.iter().map(|(instant, _)| *instant).collect::<Vec<_>>(),
            hourly().after(at("21T06:30:00")).take(4).collect::<Vec<_>>()
        );
        assert!(!all.left_out && all.fire.iter().all(|(_, reason)| *reason == Reason::CatchUp));
    }

    #[test]
    fn after_a_year_of_minutes_the_newest_hundred_fire() {
        let calendar = Calendar::new(None, Some(60), "UTC").unwrap();
        let now = at("21T10:00:30");
        let plan = CatchUp::All.plan(&calendar, now - TimeDelta::days(365), now);
        assert_eq!((plan.fire.len(), plan.left_out), (100, true));
        assert_eq!(plan.fire[99], (at("21T10:00:00"), Reason::Due));
        assert_eq!(plan.fire[0], (at("21T08:21:00"), Reason::CatchUp));
    }

    #[test]
    fn a_due_moment_that_the_calendar_no_longer_has_fires_nothing() {
        let plan = CatchUp::All.plan(&hourly(), at("21T10:10:00"), at("21T10:20:00"));
        assert_eq!(plan, Plan { fire: vec![], left_out: false, next_at: Some(at("21T11:00:00")) });
    }
}
