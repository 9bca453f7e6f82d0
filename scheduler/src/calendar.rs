//! When a schedule is due: a crontab line in a time zone, or an interval.
//!
//! A line is matched against the wall clock of its zone, and that clock jumps twice a year. What then holds:
//!
//! | line | clocks go forward over it | clocks go back over it |
//! |---|---|---|
//! | names its time of day (`30 2 * * *`, `0,30 1 * * *`) | fires once, at the next instant that exists (03:00) | fires once, at the first of the two |
//! | minute or hour begins with `*` (`*/30 * * * *`, `15 * * * *`) | the missing times are left out: real time goes on | fires in both hours, in order |
//! | `every_seconds` | knows no clocks: multiples of the interval since 1970 (UTC) | the same |
//!
//! That is Vixie cron's rule. So a daily job runs every day, exactly once, and a half-hourly one runs every half hour.

use chrono::{DateTime, NaiveDateTime, Offset, TimeDelta, TimeZone, Utc};
use chrono_tz::Tz;

use crate::crontab::{Crontab, CrontabError};

/// No zone ever skipped more than a day.
const GAP_MINUTES_MAX: i64 = 25 * 60;

#[derive(Debug, Clone)]
pub struct Calendar {
    rhythm: Rhythm,
}

#[derive(Debug, Clone)]
enum Rhythm {
    Cron(Crontab, Tz),
    /// Seconds, at least 1.
    Every(i64),
}

#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum CalendarError {
    #[error(transparent)]
    Crontab(#[from] CrontabError),
    #[error("\"{0}\" is not a time zone: write its IANA name, as in America/New_York or UTC")]
    TimeZone(String),
    #[error("every_seconds is {0}: it must be at least 1, as in every_seconds = 300")]
    Interval(i64),
    #[error("give it either cron (as in \"0 3 * * *\") or every_seconds (as in 300), not both and not neither")]
    CronOrInterval,
}

impl Calendar {
    /// # Errors
    /// [`CalendarError`], each a sentence with an example.
    pub fn new(crontab: Option<&str>, every_seconds: Option<i64>, time_zone: &str) -> Result<Self, CalendarError> {
        let zone: Tz = time_zone.parse().map_err(|_| CalendarError::TimeZone(time_zone.chars().take(100).collect()))?;
        let rhythm = match (crontab, every_seconds) {
            (Some(line), None) => Rhythm::Cron(Crontab::parse(line)?, zone),
            (None, Some(seconds)) if seconds >= 1 => Rhythm::Every(seconds),
            (None, Some(seconds)) => return Err(CalendarError::Interval(seconds)),
            _ => return Err(CalendarError::CronOrInterval),
        };
        Ok(Self { rhythm })
    }

    /// The first occurrence after an instant; `None` when there is none before the year 2100.
    pub fn next_after(&self, after: DateTime<Utc>) -> Option<DateTime<Utc>> {
        match &self.rhythm {
            Rhythm::Every(seconds) => DateTime::from_timestamp((after.timestamp().div_euclid(*seconds) + 1) * seconds, 0),
            Rhythm::Cron(crontab, zone) if crontab.follows_elapsed_time() => next_by_elapsed_time(crontab, *zone, after),
            Rhythm::Cron(crontab, zone) => next_by_time_of_day(crontab, *zone, after),
        }
    }

    /// Every occurrence after an instant, in order.
    pub fn after(&self, after: DateTime<Utc>) -> impl Iterator<Item = DateTime<Utc>> {
        std::iter::successors(self.next_after(after), |instant| self.next_after(*instant))
    }

    pub(crate) fn crontab(&self) -> Option<(&Crontab, Tz)> {
        match &self.rhythm {
            Rhythm::Cron(crontab, zone) => Some((crontab, *zone)),
            Rhythm::Every(_) => None,
        }
    }
}

/// Each local time once: moved to the end of a gap, or taken at its first coming.
fn next_by_time_of_day(crontab: &Crontab, zone: Tz, after: DateTime<Utc>) -> Option<DateTime<Utc>> {
    // First comings only ever move forward with local time, so the first later one is the answer. In the second of two equal hours
    // the walk passes over the times that already came.
    let mut local = after.with_timezone(&zone).naive_local();
    loop {
        local = crontab.next_after(local)?;
        if let Some(instant) = first_coming(zone, local).filter(|instant| *instant > after) {
            return Some(instant);
        }
    }
}

/// The instant of a local time; of two the first; of none the end of the gap it lies in.
fn first_coming(zone: Tz, local: NaiveDateTime) -> Option<DateTime<Utc>> {
    // Gaps have ended on whole minutes since 1972.
    let existing = |minutes| zone.from_local_datetime(&(local + TimeDelta::minutes(minutes))).earliest();
    (0..=GAP_MINUTES_MAX).find_map(existing).map(|instant| instant.to_utc())
}

/// Every instant whose local time matches, in the order of time itself.
fn next_by_elapsed_time(crontab: &Crontab, zone: Tz, after: DateTime<Utc>) -> Option<DateTime<Utc>> {
    let mut from = after;
    let mut local = from.naive_utc() + offset(zone, from);
    loop {
        let instant = (crontab.next_after(local)? - offset(zone, from)).and_utc();
        match first_change(zone, from, instant) {
            None => return Some(instant),
            // The clock changes before that: look again from the change on, its own second included.
            Some(change) => {
                from = change;
                local = change.naive_utc() + offset(zone, change) - TimeDelta::seconds(1);
            }
        }
    }
}

fn offset(zone: Tz, instant: DateTime<Utc>) -> TimeDelta {
    TimeDelta::seconds(zone.offset_from_utc_datetime(&instant.naive_utc()).fix().local_minus_utc().into())
}

/// The first second after `from`, `to` at the latest, from which the zone's clock is set otherwise than at `from`.
fn first_change(zone: Tz, from: DateTime<Utc>, to: DateTime<Utc>) -> Option<DateTime<Utc>> {
    let before = offset(zone, from);
    let changed = |second: i64| offset(zone, DateTime::from_timestamp(second, 0).expect("between two instants that exist")) != before;
    let last = to.timestamp();
    let mut unchanged = from.timestamp();
    // No zone changes its clock and changes it back within a day.
    let mut probe = unchanged;
    while probe < last {
        probe = (probe + 86_400).min(last);
        if changed(probe) {
            while probe - unchanged > 1 {
                let middle = unchanged + (probe - unchanged) / 2;
                if changed(middle) { probe = middle } else { unchanged = middle }
            }
            return DateTime::from_timestamp(probe, 0);
        }
        unchanged = probe;
    }
    None
}

#[cfg(test)]
mod tests {
    use super::*;

    fn new_york(line: &str) -> Calendar {
        Calendar::new(Some(line), None, "America/New_York").unwrap()
    }

    /// The occurrences of that New York day, as local times with their zone.
    fn on(line: &str, day: &str) -> Vec<String> {
        let start: DateTime<Utc> = format!("{day}T03:00:00Z").parse().unwrap();
        let zone = chrono_tz::America::New_York;
        let calendar = new_york(line);
        let local = calendar.after(start).map(|instant| instant.with_timezone(&zone));
        let all = local.skip_while(|at| *at.date_naive().to_string() < *day).take_while(|at| *at.date_naive().to_string() == *day);
        all.map(|at| at.format("%H:%M %Z").to_string()).collect()
    }

    const SPRING: &str = "2027-03-14"; // 02:00 EST becomes 03:00 EDT
    const AUTUMN: &str = "2026-11-01"; // 02:00 EDT becomes 01:00 EST

    #[test]
    fn a_time_of_day_that_does_not_exist_fires_once_at_the_next_instant() {
        assert_eq!(on("30 2 * * *", SPRING), ["03:00 EDT"]);
        assert_eq!(on("15,45 2 * * *", SPRING), ["03:00 EDT"]);
        assert_eq!(on("0,30 2,3 * * *", SPRING), ["03:00 EDT", "03:30 EDT"]);
        assert_eq!(on("0 3 * * *", SPRING), ["03:00 EDT"]);
    }

    #[test]
    fn a_time_of_day_that_exists_twice_fires_once_at_the_first() {
        assert_eq!(on("30 1 * * *", AUTUMN), ["01:30 EDT"]);
        assert_eq!(on("0,30 1,2 * * *", AUTUMN), ["01:00 EDT", "01:30 EDT", "02:00 EST", "02:30 EST"]);
        // Asked in the second of the two hours, it does not come again.
        let second_hour: DateTime<Utc> = "2026-11-01T06:10:00Z".parse().unwrap();
        assert_eq!(new_york("30 1 * * *").next_after(second_hour).unwrap().to_string(), "2026-11-02 06:30:00 UTC");
    }

    #[test]
    fn a_starred_line_follows_elapsed_time_through_both_changes() {
        assert_eq!(on("*/30 0-3 * * *", SPRING), ["00:00 EST", "00:30 EST", "01:00 EST", "01:30 EST", "03:00 EDT", "03:30 EDT"]);
        assert_eq!(on("15 * * * *", SPRING)[..3], ["00:15 EST", "01:15 EST", "03:15 EDT"]);
        assert_eq!(on("*/10 2 * * *", SPRING), [""; 0]);
        let both = ["00:30 EDT", "01:00 EDT", "01:30 EDT", "01:00 EST", "01:30 EST", "02:00 EST"];
        assert_eq!(on("*/30 * * * *", AUTUMN)[1..7], both);
        assert_eq!(on("@hourly", AUTUMN).len(), 25);
        assert_eq!(on("@hourly", SPRING).len(), 23);
    }

    #[test]
    fn a_gap_that_ends_on_another_day_is_no_reason_to_drop_an_occurrence() {
        let first = |line, zone: Tz, after: &str| {
            let calendar = Calendar::new(Some(line), None, zone.name()).unwrap();
            calendar.next_after(after.parse().unwrap()).unwrap().with_timezone(&zone).naive_local().to_string()
        };
        // Samoa went from 29 to 31 December 2011; at Scoresbysund clocks go forward at 23:00.
        assert_eq!(first("0 9 30 12 *", chrono_tz::Pacific::Apia, "2011-12-01T00:00:00Z"), "2011-12-31 00:00:00");
        assert_eq!(first("30 23 29 3 *", chrono_tz::America::Scoresbysund, "2025-03-01T00:00:00Z"), "2025-03-30 00:00:00");
    }

    #[test]
    fn an_interval_is_aligned_to_the_epoch() {
        let calendar = Calendar::new(None, Some(300), "America/New_York").unwrap();
        let start: DateTime<Utc> = "2026-11-21T10:07:31.5Z".parse().unwrap();
        let next: Vec<String> = calendar.after(start).take(2).map(|at| at.format("%T").to_string()).collect();
        assert_eq!(next, ["10:10:00", "10:15:00"]);
    }

    #[test]
    fn what_cannot_be_a_calendar_is_refused_with_an_example() {
        let refusal = |cron, every, zone| Calendar::new(cron, every, zone).unwrap_err().to_string();
        assert!(refusal(Some("0 3 * * *"), None, "Eastern").contains("America/New_York"));
        assert!(refusal(None, Some(0), "UTC").contains("at least 1"));
        assert!(refusal(None, None, "UTC").contains("either cron"));
        assert!(refusal(Some("0 3 * * *"), Some(5), "UTC").contains("either cron"));
        assert!(refusal(Some("0 0 3 * * *"), None, "UTC").contains("6 fields"));
    }
}
