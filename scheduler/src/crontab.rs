//! Crontab lines with their Vixie meaning, over local wall-clock time that knows no zone.
//!
//! The `cron` crate evaluates, but speaks another dialect: it wants seconds, counts Sunday as 1 and lets both day fields restrict at
//! once. So the line is read here and handed over as plain lists of numbers.
//!
//! - Five fields: minute, hour, day of the month, month, day of the week; `*`, lists, ranges, steps, three-letter names; 0 and 7 are
//!   Sunday.
//! - Days: when neither day field begins with `*`, a day that matches **either** of them matches; otherwise it must match both.
//! - `@yearly` (`@annually`), `@monthly`, `@weekly`, `@daily` (`@midnight`), `@hourly`.
//! - `L`, `W`, `#`, `?`, seconds, `@reboot` and a time zone in the line are refused, each with a sentence.

use std::collections::BTreeSet;
use std::str::FromStr;

use chrono::{NaiveDate, NaiveDateTime};

use crate::field::{DAY_OF_MONTH, DAY_OF_WEEK, HOUR, MINUTE, MONTH};

const MACROS: [(&str, &str); 7] = [
    ("@yearly", "0 0 1 1 *"),
    ("@annually", "0 0 1 1 *"),
    ("@monthly", "0 0 1 * *"),
    ("@weekly", "0 0 * * 0"),
    ("@daily", "0 0 * * *"),
    ("@midnight", "0 0 * * *"),
    ("@hourly", "0 * * * *"),
];

/// A crontab line that occurs at least once.
#[derive(Debug, Clone)]
pub struct Crontab {
    /// One, or two of which either may match.
    alternatives: Vec<cron::Schedule>,
    follows_elapsed_time: bool,
}

/// Why a crontab line is refused, as a sentence with an example.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("\"{line}\" is not a crontab line: {problem}. For example \"30 3 * * 1-5\" (03:30 from Monday to Friday)")]
pub struct CrontabError {
    line: String,
    problem: String,
}

impl Crontab {
    /// # Errors
    /// [`CrontabError`] when a field cannot be read, their number is not five, or no date ever matches (30 February).
    pub fn parse(line: &str) -> Result<Self, CrontabError> {
        let parsed = expand(line.trim()).and_then(|fields| Self::from_fields(&fields));
        parsed.map_err(|problem| CrontabError { line: line.chars().take(100).collect(), problem })
    }

    fn from_fields(fields: &[&str; 5]) -> Result<Self, String> {
        let [minute, hour, day, month, weekday] = fields;
        let (minute, hour, month) = (MINUTE.parse(minute)?, HOUR.parse(hour)?, MONTH.parse(month)?);
        let (day, weekday) = (DAY_OF_MONTH.parse(day)?, DAY_OF_WEEK.parse(weekday)?);
        // The crate counts Sunday as 1.
        let weekdays: BTreeSet<u32> = weekday.set.iter().map(|day| day + 1).collect();
        let translate = |day: String, weekday: String| {
            let line = format!("0 {} {} {day} {} {weekday}", list(&minute.set), list(&hour.set), list(&month.set));
            cron::Schedule::from_str(&line).expect("lists of numbers within range are of the crate's dialect")
        };
        let any = || "*".to_owned();
        // Written as `*` where it says nothing: the crate then skips its look at the weekday.
        let weekday_list = if weekdays.len() == 7 { any() } else { list(&weekdays) };
        let alternatives = if day.star || weekday.star {
            vec![translate(list(&day.set), weekday_list)]
        } else {
            vec![translate(list(&day.set), any()), translate(any(), weekday_list)]
        };
        let cron = Self { alternatives, follows_elapsed_time: minute.star || hour.star };
        let long_ago = NaiveDate::from_ymd_opt(2000, 1, 1).and_then(|date| date.and_hms_opt(0, 0, 0)).expect("a date that exists");
        match cron.next_after(long_ago) {
            Some(_) => Ok(cron),
            None => Err("no such date ever comes".into()),
        }
    }

    /// The first match after a local time; `None` after the year 2100.
    pub fn next_after(&self, local: NaiveDateTime) -> Option<NaiveDateTime> {
        // UTC stands in for "no zone": it has neither gaps nor repeated hours.
        self.alternatives.iter().filter_map(|schedule| schedule.after(&local.and_utc()).next()).map(|next| next.naive_utc()).min()
    }

    /// Whether the minute or hour field begins with `*`: "every so often" rather than "at that time of day". What that means where
    /// clocks change is decided in [`crate::Calendar`].
    pub fn follows_elapsed_time(&self) -> bool {
        self.follows_elapsed_time
    }
}

fn list(values: &BTreeSet<u32>) -> String {
    values.iter().map(u32::to_string).collect::<Vec<_>>().join(",")
}

/// The five fields of a line or macro.
fn expand(line: &str) -> Result<[&str; 5], String> {
    let line = match line.strip_prefix('@') {
        None => line,
        Some("reboot") => return Err("@reboot has no moment of its own: start the job by hand after a deploy".into()),
        Some(_) => match MACROS.iter().find(|(name, _)| name.eq_ignore_ascii_case(line)) {
            Some((_, fields)) => fields,
            None => return Err("the macros are @yearly, @monthly, @weekly, @daily and @hourly; for other rhythms use every_seconds".into()),
        },
    };
    let fields: Vec<&str> = line.split_whitespace().collect();
    if fields.first().is_some_and(|first| first.contains('=')) {
        return Err("the time zone has a setting of its own, time_zone".into());
    }
    <[&str; 5]>::try_from(fields).map_err(|fields| match fields.len() {
        6 | 7 => format!("it has {} fields, and a crontab line has five: leave seconds and year out, or use every_seconds", fields.len()),
        count => format!("it has {count} fields, and a crontab line has five (minute, hour, day of the month, month, day of the week)"),
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn at(text: &str) -> NaiveDateTime {
        NaiveDateTime::parse_from_str(text, "%Y-%m-%d %H:%M").unwrap()
    }

    fn next(line: &str, after: &str) -> NaiveDateTime {
        Crontab::parse(line).unwrap().next_after(at(after)).unwrap()
    }

    #[test]
    fn one_is_monday_and_both_zero_and_seven_are_sunday() {
        // 21 November 2026 is a Saturday.
        assert_eq!(next("0 3 * * 1", "2026-11-21 00:00"), at("2026-11-23 03:00"));
        assert_eq!(next("0 3 * * 0", "2026-11-21 00:00"), at("2026-11-22 03:00"));
        assert_eq!(next("0 3 * * 7", "2026-11-21 00:00"), at("2026-11-22 03:00"));
    }

    #[test]
    fn two_restricted_day_fields_match_either_and_a_starred_one_matches_both() {
        // Friday the 13th or any Friday, whichever comes first.
        assert_eq!(next("0 0 13 * 5", "2026-11-11 00:00"), at("2026-11-13 00:00"));
        assert_eq!(next("0 0 25 * 5", "2026-11-21 00:00"), at("2026-11-25 00:00"));
        assert_eq!(next("0 0 25 * 5", "2026-11-25 00:00"), at("2026-11-27 00:00"));
        // As Vixie has it, */2 does not restrict: odd days that are Fridays.
        assert_eq!(next("0 0 */2 * 5", "2026-11-14 00:00"), at("2026-11-27 00:00"));
    }

    #[test]
    fn macros_are_their_lines() {
        assert_eq!(next("@hourly", "2026-11-21 10:00"), at("2026-11-21 11:00"));
        assert_eq!(next("@daily", "2026-11-21 10:00"), at("2026-11-22 00:00"));
        assert_eq!(next("@weekly", "2026-11-21 10:00"), at("2026-11-22 00:00"));
        assert_eq!(next("@Monthly", "2026-11-21 10:00"), at("2026-12-01 00:00"));
        assert_eq!(next("@yearly", "2026-11-21 10:00"), at("2027-01-01 00:00"));
    }

    #[test]
    fn a_leap_day_is_waited_for_and_the_thirtieth_of_february_is_refused() {
        assert_eq!(next("0 0 29 2 *", "2026-11-21 00:00"), at("2028-02-29 00:00"));
        assert!(Crontab::parse("0 0 30 2 *").unwrap_err().to_string().contains("no such date"));
        assert!(Crontab::parse("0 0 31 4,6,9,11 *").is_err());
        // Either day field will do, and Mondays come.
        assert!(Crontab::parse("0 0 30 2 1").is_ok());
    }

    #[test]
    fn a_refusal_names_the_line_and_gives_an_example() {
        for (line, clue) in [
            ("0 0 3 * * *", "6 fields"),
            ("0 3 * *", "4 fields"),
            ("", "0 fields"),
            ("@reboot", "by hand"),
            ("@every 5m", "every_seconds"),
            ("TZ=UTC 0 3 * * *", "time_zone"),
            ("0 3 L * *", "L, W or #"),
        ] {
            let refusal = Crontab::parse(line).unwrap_err().to_string();
            assert!(refusal.contains(clue) && refusal.contains("For example"), "{line:?}: {refusal}");
        }
    }
}
