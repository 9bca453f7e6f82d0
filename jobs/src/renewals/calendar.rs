//! When the next period begins.

use chrono::{Datelike, Months, NaiveDate};

/// The day of the month that a subscription renews on, which a short month must not wear down: the 31st becomes the 28th in February and
/// the 31st again in March.
///
/// `kept` is the subscription's `renewal_day`. It counts as long as the current period begins where it says; a date that somebody moved by
/// hand counts instead of it.
pub(super) fn renewal_day(period_start: NaiveDate, kept: Option<i16>) -> u32 {
    let kept = kept.and_then(|day| u32::try_from(day).ok());
    kept.filter(|&day| on_day(period_start, day) == period_start).unwrap_or(period_start.day())
}

/// First day of the period after the one that begins at `period_start`.
///
/// # Panics
/// Beyond the year 262000.
pub(super) fn next_period(period_start: NaiveDate, plan: &str, renewal_day: u32) -> NaiveDate {
    let months = if plan == "yearly" { 12 } else { 1 };
    on_day(period_start.with_day(1).expect("every month has a first") + Months::new(months), renewal_day)
}

/// That day of the date's month, or its last one.
fn on_day(date: NaiveDate, day: u32) -> NaiveDate {
    (1..=day).rev().find_map(|day| date.with_day(day)).expect("every month has a first")
}

#[cfg(test)]
mod tests {
    use super::*;

    fn date(text: &str) -> NaiveDate {
        text.parse().unwrap()
    }

    /// The starts of the periods after the first.
    fn periods(first: &str, plan: &str, count: usize) -> Vec<String> {
        let mut kept = None;
        let mut start = date(first);
        std::iter::repeat_with(|| {
            let day = renewal_day(start, kept);
            kept = Some(i16::try_from(day).unwrap());
            start = next_period(start, plan, day);
            start.to_string()
        })
        .take(count)
        .collect()
    }

    #[test]
    fn a_month_end_stays_the_month_end() {
        assert_eq!(periods("2027-12-31", "monthly", 5), ["2028-01-31", "2028-02-29", "2028-03-31", "2028-04-30", "2028-05-31"]);
        assert_eq!(periods("2027-01-30", "monthly", 3), ["2027-02-28", "2027-03-30", "2027-04-30"]);
    }

    #[test]
    fn a_leap_day_comes_back_every_fourth_year() {
        assert_eq!(periods("2028-02-29", "yearly", 4), ["2029-02-28", "2030-02-28", "2031-02-28", "2032-02-29"]);
    }

    #[test]
    fn a_date_moved_by_hand_counts_from_there() {
        assert_eq!(renewal_day(date("2027-03-15"), Some(31)), 15);
        assert_eq!(renewal_day(date("2027-04-30"), Some(31)), 31);
        assert_eq!(renewal_day(date("2027-04-30"), None), 30);
    }
}
