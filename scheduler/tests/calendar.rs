//! The calendar against croner, an independent implementation, over random lines, zones and instants.
//!
//! The policies differ in three places, and there the cases are kept apart: croner takes a list of times of day for an interval, takes a
//! starred day field with a step for a restriction, and drops an occurrence whose gap ends on a day that the line does not name (so no
//! zone that skips the hour before midnight is asked here).

use std::str::FromStr;

use celeriac_scheduler::{Calendar, Crontab};
use chrono::{DateTime, NaiveDateTime, Offset, TimeDelta, TimeZone, Utc};
use chrono_tz::Tz;
use croner::Cron;
use proptest::prelude::*;
use proptest::sample::select;

/// Half an hour, three quarters, midnight, two hours, both hemispheres, none.
const ZONES: [&str; 13] = [
    "America/New_York",
    "Europe/Berlin",
    "Australia/Lord_Howe",
    "Pacific/Chatham",
    "America/Sao_Paulo",
    "Atlantic/Azores",
    "America/Havana",
    "Antarctica/Troll",
    "Africa/Casablanca",
    "America/Santiago",
    "Africa/Cairo",
    "Asia/Kolkata",
    "UTC",
];

/// One part of a list: a number, a range or a range with a step.
fn part(low: u32, high: u32) -> impl Strategy<Value = String> {
    (low..=high, low..=high, 1..=6_u32, 0..4_u8).prop_map(|(a, b, step, shape)| {
        let (first, last) = (a.min(b), a.max(b));
        match shape {
            1 if first < last => format!("{first}-{last}"),
            2 if first + step <= last => format!("{first}-{last}/{step}"),
            _ => first.to_string(),
        }
    })
}

fn plain(low: u32, high: u32) -> impl Strategy<Value = String> {
    prop::collection::vec(part(low, high), 1..=3).prop_map(|parts| parts.join(","))
}

fn starred(steps: u32) -> impl Strategy<Value = String> {
    prop_oneof![3 => Just("*".to_owned()), 2 => (1..=steps).prop_map(|step| format!("*/{step}"))]
}

/// Day of the month, month, day of the week.
fn days() -> impl Strategy<Value = String> {
    let month = prop_oneof![4 => Just("*".to_owned()), 2 => plain(1, 12), 1 => starred(6), 1 => Just("jan,MAR-may,Nov".to_owned())];
    let weekday = prop_oneof![plain(0, 7), Just("MON-FRI".to_owned()), Just("sun,WED".to_owned())];
    let pair = prop_oneof![
        4 => Just(("*".to_owned(), "*".to_owned())),
        2 => plain(1, 31).prop_map(|day| (day, "*".to_owned())),
        1 => starred(9).prop_map(|day| (day, "*".to_owned())),
        2 => weekday.prop_map(|weekday| ("*".to_owned(), weekday)),
        2 => (plain(1, 31), plain(0, 7)),
    ];
    (pair, month).prop_map(|((day, weekday), month)| format!("{day} {month} {weekday}"))
}

/// Lines of any shape.
fn line() -> impl Strategy<Value = String> {
    let minute = prop_oneof![plain(0, 59), starred(30)];
    let hour = prop_oneof![plain(0, 23), starred(12)];
    (minute, hour, days()).prop_map(|(minute, hour, days)| format!("{minute} {hour} {days}"))
}

/// Lines that both implementations class alike: one time of day, or a starred minute or hour.
fn line_of_one_class() -> impl Strategy<Value = String> {
    let early = prop_oneof![2 => 0..4_u32, 1 => 0..24_u32];
    let times = prop_oneof![
        3 => (0..60_u32, early).prop_map(|(minute, hour)| format!("{minute} {hour}")),
        1 => (plain(0, 59), starred(12)).prop_map(|(minute, hour)| format!("{minute} {hour}")),
        1 => (starred(30), plain(0, 23)).prop_map(|(minute, hour)| format!("{minute} {hour}")),
        1 => (starred(30), starred(12)).prop_map(|(minute, hour)| format!("{minute} {hour}")),
    ];
    (times, days()).prop_map(|(times, days)| format!("{times} {days}"))
}

/// 2012 to 2036, whole seconds.
fn instant() -> impl Strategy<Value = DateTime<Utc>> {
    (1_325_376_000..2_114_380_800_i64).prop_map(|second| DateTime::from_timestamp(second, 0).unwrap())
}

/// That instant, or one up to two days before the zone's next change of clocks.
fn before_a_change(zone: Tz, from: DateTime<Utc>, ahead: i64) -> DateTime<Utc> {
    let offset = |at: DateTime<Utc>| zone.offset_from_utc_datetime(&at.naive_utc()).fix();
    let hours = (0..24 * 366).map(|hour| from + TimeDelta::hours(hour));
    let change = hours.clone().zip(hours.skip(1)).find(|(before, after)| offset(*before) != offset(*after));
    change.map_or(from, |(_, after)| after - TimeDelta::seconds(ahead))
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 600, failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn without_a_zone_the_next_match_is_croners(line in line(), from in instant()) {
        let Ok(crontab) = Crontab::parse(&line) else { return Ok(()) };
        let oracle = Cron::from_str(&line).unwrap();
        let mut local: NaiveDateTime = from.naive_utc();
        for _ in 0..5 {
            let next = crontab.next_after(local).unwrap();
            prop_assert_eq!(next, oracle.find_next_occurrence(&local, false).unwrap(), "{} after {}", line, local);
            local = next;
        }
    }

    #[test]
    fn in_a_zone_occurrences_around_changes_of_clocks_are_croners(
        line in line_of_one_class(), zone in select(&ZONES[..]), from in instant(), ahead in 0..172_800_i64,
    ) {
        let Ok(calendar) = Calendar::new(Some(&line), None, zone) else { return Ok(()) };
        let oracle = Cron::from_str(&line).unwrap();
        let zone: Tz = zone.parse().unwrap();
        let start = before_a_change(zone, from, ahead);
        let ours: Vec<_> = calendar.after(start).take(40).map(|at| at.with_timezone(&zone).to_rfc3339()).collect();
        let theirs: Vec<_> = oracle.iter_after(start.with_timezone(&zone)).take(40).map(|at| at.to_rfc3339()).collect();
        prop_assert_eq!(ours, theirs, "{} in {} after {}", line, zone, start);
    }

    #[test]
    fn whatever_the_line_occurrences_move_forward_and_match_the_clock_or_end_a_gap(
        line in line(), zone in select(&ZONES[..]), from in instant(), ahead in 0..172_800_i64,
    ) {
        let Ok(calendar) = Calendar::new(Some(&line), None, zone) else { return Ok(()) };
        let crontab = Crontab::parse(&line).unwrap();
        let zone: Tz = zone.parse().unwrap();
        let start = before_a_change(zone, from, ahead);
        let mut before = start;
        for at in calendar.after(start).take(60) {
            prop_assert!(at > before, "{} in {}: {} after {}", line, zone, at, before);
            let local = at.with_timezone(&zone).naive_local();
            let matches = crontab.next_after(local - TimeDelta::seconds(1)) == Some(local);
            let ends_a_gap = zone.from_local_datetime(&(local - TimeDelta::seconds(1))).earliest().is_none();
            prop_assert!(matches || ends_a_gap, "{} in {}: {} neither matches nor ends a gap", line, zone, at);
            before = at;
        }
    }
}
