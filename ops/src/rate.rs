//! How fast: `10/s`, `100/min`, `5/h`.

use std::str::FromStr;
use std::time::Duration;

const COUNT_MAX: u64 = 100_000;

/// So many in so much time, evenly.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Rate {
    count: u64,
    unit: Unit,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Unit {
    Second,
    Minute,
    Hour,
}

impl Rate {
    /// When the job with that place in the row, from zero, is due.
    pub(crate) fn delay_of(self, place: usize) -> Duration {
        let unit_ms = match self.unit {
            Unit::Second => 1_000,
            Unit::Minute => 60_000,
            Unit::Hour => 3_600_000,
        };
        Duration::from_millis((place as u64).saturating_mul(unit_ms) / self.count)
    }
}

impl FromStr for Rate {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        let fault =
            || format!("\"{text}\" is not a rate: write a whole number up to {COUNT_MAX}, a slash and s, min or h, as in 10/s or 100/min");
        let (count, unit) = text.trim().split_once('/').ok_or_else(fault)?;
        let count = count.trim().parse().ok().filter(|count| (1..=COUNT_MAX).contains(count)).ok_or_else(fault)?;
        let unit = match unit.trim() {
            "s" | "sec" | "second" => Unit::Second,
            "m" | "min" | "minute" => Unit::Minute,
            "h" | "hour" => Unit::Hour,
            _ => return Err(fault()),
        };
        Ok(Self { count, unit })
    }
}

impl std::fmt::Display for Rate {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let unit = match self.unit {
            Unit::Second => "s",
            Unit::Minute => "min",
            Unit::Hour => "h",
        };
        write!(f, "{}/{unit}", self.count)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_rate_spreads_a_row_evenly_from_now_on() {
        let delays = |rate: &str, places: [usize; 3]| places.map(|place| rate.parse::<Rate>().unwrap().delay_of(place).as_millis());
        assert_eq!(delays("10/s", [0, 1, 25]), [0, 100, 2_500]);
        assert_eq!(delays("3/min", [0, 1, 10_000]), [0, 20_000, 200_000_000]);
        assert_eq!(delays("2000/s", [0, 1, 3]), [0, 0, 1]);
        assert_eq!(" 100 / m ".parse::<Rate>().unwrap().to_string(), "100/min");
        for bad in ["", "10", "0/s", "-1/s", "1.5/s", "10/d", "/s", "100001/s", "10/s/s"] {
            assert!(bad.parse::<Rate>().unwrap_err().contains("as in 10/s"), "{bad:?} was accepted");
        }
    }
}
