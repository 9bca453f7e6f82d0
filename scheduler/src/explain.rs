//! The next occurrences of a schedule in words, with the reason wherever a change of clocks moves, repeats or suppresses one.

use std::fmt;

use chrono::{DateTime, LocalResult, NaiveDateTime, TimeDelta, TimeZone, Utc};
use chrono_tz::Tz;

use crate::Calendar;

/// One occurrence to come.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Explained {
    pub instant: DateTime<Utc>,
    /// As the clock on the wall of the schedule's zone shows it; UTC for an interval.
    pub local: DateTime<Tz>,
    /// Why it is not simply what the line says.
    pub note: Option<String>,
}

impl fmt::Display for Explained {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}  {}", self.local.format("%a %Y-%m-%d %H:%M:%S %Z"), self.instant.format("(%Y-%m-%dT%H:%M:%SZ)"))?;
        match &self.note {
            Some(note) => write!(f, "  {note}"),
            None => Ok(()),
        }
    }
}

/// The next `count` occurrences after an instant; fewer when the calendar ends before.
pub fn explain(calendar: &Calendar, after: DateTime<Utc>, count: usize) -> Vec<Explained> {
    let zone = calendar.crontab().map_or(Tz::UTC, |(_, zone)| zone);
    let occurrences = calendar.after(after).take(count);
    occurrences.map(|instant| Explained { instant, local: instant.with_timezone(&zone), note: note(calendar, instant) }).collect()
}

fn note(calendar: &Calendar, instant: DateTime<Utc>) -> Option<String> {
    let (crontab, zone) = calendar.crontab()?;
    let local = instant.with_timezone(&zone).naive_local();
    let clock = |time: NaiveDateTime| time.format("%H:%M").to_string();
    match zone.from_local_datetime(&local) {
        LocalResult::Ambiguous(first, _) if !crontab.follows_elapsed_time() => {
            debug_assert_eq!(first.to_utc(), instant, "a time of day fires at its first coming");
            Some(format!("{} comes twice that night, as clocks go back: it fires once, at the first", clock(local)))
        }
        LocalResult::Ambiguous(first, _) if first.to_utc() == instant => {
            Some("clocks go back that night: this is the first of two equal hours, and it fires in both".into())
        }
        LocalResult::Ambiguous(..) => Some("clocks go back that night: this is the second of two equal hours".into()),
        _ if crontab.follows_elapsed_time() => None,
        _ => {
            // The first wish that this occurrence fulfils: earlier than the clock's own time when it lay in a gap.
            let just_before = (instant - TimeDelta::seconds(1)).with_timezone(&zone).naive_local();
            let wish = crontab.next_after(just_before).filter(|wish| *wish < local)?;
            Some(format!("{} does not exist that night, as clocks go forward: it fires at the next instant that does", clock(wish)))
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn notes(line: &str, after: &str, count: usize) -> Vec<String> {
        let calendar = Calendar::new(Some(line), None, "America/New_York").unwrap();
        explain(&calendar, after.parse().unwrap(), count).iter().map(ToString::to_string).collect()
    }

    #[test]
    fn an_occurrence_moved_by_a_change_of_clocks_says_why() {
        assert_eq!(
            notes("30 2 * * *", "2027-03-13T00:00:00Z", 3),
            [
                "Sat 2027-03-13 02:30:00 EST  (2027-03-13T07:30:00Z)",
                "Sun 2027-03-14 03:00:00 EDT  (2027-03-14T07:00:00Z)  02:30 does not exist that night, as clocks go forward: it fires at \
                 the next instant that does",
                "Mon 2027-03-15 02:30:00 EDT  (2027-03-15T06:30:00Z)",
            ]
        );
        assert!(notes("30 1 * * *", "2026-11-01T00:00:00Z", 1)[0].ends_with("it fires once, at the first"));
        let both = notes("@hourly", "2026-11-01T04:30:00Z", 3);
        assert!(both[0].ends_with("it fires in both") && both[1].ends_with("the second of two equal hours"), "{both:?}");
        assert!(both[2].ends_with("02:00:00 EST  (2026-11-01T07:00:00Z)"));
    }

    #[test]
    fn an_interval_is_shown_in_utc_without_notes() {
        let calendar = Calendar::new(None, Some(3_600), "America/New_York").unwrap();
        let next = explain(&calendar, "2026-11-01T05:30:00Z".parse().unwrap(), 1);
        assert_eq!(next[0].to_string(), "Sun 2026-11-01 06:00:00 UTC  (2026-11-01T06:00:00Z)");
    }
}
