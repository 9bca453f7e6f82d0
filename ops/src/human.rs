//! Durations, ages, sizes and moments as people write and read them.

use std::time::Duration;

use chrono::{DateTime, SecondsFormat, TimeZone, Utc};

const UNITS: [(&str, u64); 5] = [("ms", 1), ("s", 1_000), ("m", 60_000), ("h", 3_600_000), ("d", 86_400_000)];

/// Ten years, as in the API: no calendar has a date for every number of milliseconds from now.
const DURATION_MS_MAX: u64 = 3_650 * 86_400_000;

/// `250ms`, `10s`, `5m`, `2h`, `1d`, and sums such as `1h30m`.
///
/// # Errors
/// A sentence with an example, for clap to show.
pub(crate) fn parse_duration(text: &str) -> Result<Duration, String> {
    let fault = || format!("\"{text}\" is not a duration: write a number and a unit (ms, s, m, h or d), as in 10s, 5m or 1h30m");
    let mut rest = text.trim();
    let mut total_ms: u64 = 0;
    if rest.is_empty() {
        return Err(fault());
    }
    while !rest.is_empty() {
        let unit_at = rest.find(|c: char| !c.is_ascii_digit()).ok_or_else(fault)?;
        let number: u64 = rest[..unit_at].parse().map_err(|_| fault())?;
        let after = &rest[unit_at..];
        let unit_end = after.find(|c: char| c.is_ascii_digit()).unwrap_or(after.len());
        let (_, factor) = UNITS.iter().find(|(unit, _)| *unit == &after[..unit_end]).ok_or_else(fault)?;
        total_ms = number.checked_mul(*factor).and_then(|ms| total_ms.checked_add(ms)).ok_or_else(fault)?;
        rest = &after[unit_end..];
    }
    if total_ms > DURATION_MS_MAX {
        return Err(format!("\"{text}\" is longer than ten years (3650d)"));
    }
    Ok(Duration::from_millis(total_ms))
}

/// RFC 3339, as in `2026-11-21T09:00:00Z`.
///
/// # Errors
/// A sentence with an example, for clap to show.
pub(crate) fn parse_moment(text: &str) -> Result<DateTime<Utc>, String> {
    DateTime::parse_from_rfc3339(text.trim()).map(|moment| moment.with_timezone(&Utc)).map_err(|_| {
        format!("\"{text}\" is not a moment: write RFC 3339 with its zone, as in 2026-11-21T09:00:00Z or 2026-11-21T09:00:00-05:00")
    })
}

/// A moment of the Redis clock.
pub(crate) fn moment(ms: u64) -> DateTime<Utc> {
    i64::try_from(ms).ok().and_then(|ms| Utc.timestamp_millis_opt(ms).single()).unwrap_or(DateTime::<Utc>::MAX_UTC)
}

/// `2026-11-21 09:00:00Z`: sortable, and without doubt about the zone.
pub(crate) fn clock(moment: DateTime<Utc>) -> String {
    moment.format("%Y-%m-%d %H:%M:%SZ").to_string()
}

/// For attributes and JSON: `2026-11-21T09:00:00.000Z`.
pub(crate) fn rfc3339(moment: DateTime<Utc>) -> String {
    moment.to_rfc3339_opts(SecondsFormat::Millis, true)
}

/// `3 s ago`, `in 5 min`, `now`.
pub(crate) fn relative(moment: DateTime<Utc>, now: DateTime<Utc>) -> String {
    let seconds = (moment - now).num_seconds();
    match seconds {
        0 => "now".into(),
        1.. => format!("in {}", span(seconds.unsigned_abs())),
        _ => format!("{} ago", span(seconds.unsigned_abs())),
    }
}

/// Two units at most: `45 s`, `12 min`, `2 h 5 min`, `3 d 4 h`.
pub(crate) fn span(seconds: u64) -> String {
    let two = |large: u64, unit: &str, small: u64, small_unit: &str| match small {
        0 => format!("{large} {unit}"),
        _ => format!("{large} {unit} {small} {small_unit}"),
    };
    match seconds {
        0..60 => format!("{seconds} s"),
        60..3_600 => format!("{} min", seconds / 60),
        3_600..86_400 => two(seconds / 3_600, "h", seconds % 3_600 / 60, "min"),
        _ => two(seconds / 86_400, "d", seconds % 86_400 / 3_600, "h"),
    }
}

/// `850 ms`, `1.4 s`, `2 min`.
pub(crate) fn took(ms: u64) -> String {
    match ms {
        0..1_000 => format!("{ms} ms"),
        1_000..60_000 => format!("{}.{} s", ms / 1_000, ms % 1_000 / 100),
        _ => span(ms / 1_000),
    }
}

/// `512 B`, `1.5 kB`, `20 MB`; decimal units.
pub(crate) fn bytes(count: u64) -> String {
    const UNITS: [&str; 5] = ["B", "kB", "MB", "GB", "TB"];
    let mut value = count as f64;
    let mut unit = 0;
    while value >= 999.5 && unit + 1 < UNITS.len() {
        value /= 1_000.0;
        unit += 1;
    }
    if unit == 0 || value >= 9.95 { format!("{value:.0} {}", UNITS[unit]) } else { format!("{value:.1} {}", UNITS[unit]) }
}

/// `1 job`, `2 jobs`.
pub(crate) fn plural(count: u64, one: &str, many: &str) -> String {
    format!("{count} {}", if count == 1 { one } else { many })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn durations_are_sums_of_numbers_with_units() {
        for (text, ms) in
            [("250ms", 250), ("10s", 10_000), ("5m", 300_000), ("2h", 7_200_000), ("1d", 86_400_000), ("1h30m", 5_400_000), ("0s", 0)]
        {
            assert_eq!(parse_duration(text), Ok(Duration::from_millis(ms)), "{text}");
        }
        for bad in ["", "10", "s", "1.5h", "-1s", "10 s", "1w", "1h30", "99999999999999999999s", "999999999999999d", "3651d"] {
            assert!(parse_duration(bad).is_err(), "{bad:?} was accepted");
        }
    }

    #[test]
    fn a_moment_without_a_zone_is_refused() {
        assert_eq!(parse_moment("2026-11-21T04:00:00-05:00").map(clock), Ok("2026-11-21 09:00:00Z".into()));
        assert!(parse_moment("2026-11-21T09:00:00").is_err());
        assert!(parse_moment("tomorrow").unwrap_err().contains("RFC 3339"));
    }

    #[test]
    fn spans_and_sizes_are_short() {
        let spans: Vec<String> = [0, 59, 60, 3_600, 7_500, 90_000].into_iter().map(span).collect();
        assert_eq!(spans, ["0 s", "59 s", "1 min", "1 h", "2 h 5 min", "1 d 1 h"]);
        let sizes: Vec<String> = [0, 999, 1_500, 20_000_000, 999_600].into_iter().map(bytes).collect();
        assert_eq!(sizes, ["0 B", "999 B", "1.5 kB", "20 MB", "1.0 MB"]);
        assert_eq!([took(850), took(1_449), took(125_000)], ["850 ms", "1.4 s", "2 min"]);
    }
}
