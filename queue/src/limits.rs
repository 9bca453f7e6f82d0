//! How much of a queue's work runs at once, and begins in a time: for the queue as a whole and for each key, across all workers.

use std::collections::BTreeMap;
use std::time::Duration;

use serde::{Deserialize, Serialize};

use crate::Error;

/// The limits of one queue; what is `None` is not limited. They hold in every claim, and what is held back by one key lets the others pass.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct Limits {
    /// Jobs of the queue that run at once.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub concurrency: Option<u32>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub rate: Option<Rate>,
    /// Jobs of one key that run at once.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub key_concurrency: Option<u32>,
    /// For each key.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub key_rate: Option<Rate>,
    /// What differs for some keys; at most 1,000.
    #[serde(skip_serializing_if = "BTreeMap::is_empty")]
    pub keys: BTreeMap<String, KeyLimits>,
}

/// What differs for one key.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct KeyLimits {
    /// Its share beside other keys of the same priority; 1 unless said.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub weight: Option<f64>,
    /// In the place of [`Limits::key_concurrency`].
    #[serde(skip_serializing_if = "Option::is_none")]
    pub concurrency: Option<u32>,
}

/// A token bucket: so many units (a job is one unless it says more) in a time, and so many at once after a quiet spell.
#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize)]
#[serde(try_from = "RawRate", into = "RawRate")]
pub struct Rate {
    units: f64,
    per: Duration,
    burst: f64,
}

/// Weights and keys that one queue may name.
const KEYS_MAX: usize = 1_000;

#[derive(Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct RawRate {
    units: f64,
    per_ms: u64,
    #[serde(default)]
    burst: Option<f64>,
}

impl Rate {
    /// `burst` is what a full bucket holds; `None`: a second's worth, at least one unit.
    ///
    /// # Errors
    /// [`Error::InvalidName`] unless units and burst are positive and the time is between 1 ms and 31 days.
    pub fn new(units: f64, per: Duration, burst: Option<f64>) -> Result<Self, Error> {
        let refused = |given: String, must_be| Err(Error::invalid_name("rate", &given, must_be));
        if !(units.is_finite() && units > 0.0) {
            return refused(units.to_string(), "more than 0 units, as in 300/min");
        }
        if per < Duration::from_millis(1) || per > Duration::from_secs(31 * 24 * 3600) {
            return refused(format!("{} s", per.as_secs_f64()), "in a time between 1 ms and 31 days, as in 300/min");
        }
        let burst = burst.unwrap_or_else(|| (units / per.as_secs_f64()).max(1.0));
        if !(burst.is_finite() && burst >= 1.0) {
            return refused(burst.to_string(), "with a burst of at least 1, as in 300/min burst 10");
        }
        Ok(Self { units, per, burst })
    }

    /// From `300/min`, `10/s`, `5000/h`, `100/500ms`, with or without `burst 10`.
    ///
    /// # Errors
    /// [`Error::InvalidName`] with an example.
    pub fn parse(text: &str) -> Result<Self, Error> {
        let refused = || Error::invalid_name("rate", text, "units a time, as in 300/min, 10/s or 5000/h burst 100");
        let (rate, burst) = match text.split_once("burst") {
            Some((rate, burst)) => (rate, Some(burst.trim().parse().map_err(|_| refused())?)),
            None => (text, None),
        };
        let (units, per) = rate.split_once('/').ok_or_else(refused)?;
        let units = units.trim().parse().map_err(|_| refused())?;
        Self::new(units, time(per.trim()).ok_or_else(refused)?, burst)
    }

    pub fn units(&self) -> f64 {
        self.units
    }

    pub fn per(&self) -> Duration {
        self.per
    }

    pub fn burst(&self) -> f64 {
        self.burst
    }
}

/// `s`, `min`, `h`, `day`, or a number of them, or of `ms`.
fn time(text: &str) -> Option<Duration> {
    let digits = text.find(|c: char| !c.is_ascii_digit())?;
    let count = if digits == 0 { 1 } else { text[..digits].parse::<u32>().ok()? };
    let one = match text[digits..].trim() {
        "ms" => Duration::from_millis(1),
        "s" | "sec" | "second" => Duration::from_secs(1),
        "m" | "min" | "minute" => Duration::from_secs(60),
        "h" | "hour" => Duration::from_secs(3_600),
        "d" | "day" => Duration::from_secs(86_400),
        _ => return None,
    };
    one.checked_mul(count)
}

impl TryFrom<RawRate> for Rate {
    type Error = Error;

    fn try_from(raw: RawRate) -> Result<Self, Error> {
        Self::new(raw.units, Duration::from_millis(raw.per_ms), raw.burst)
    }
}

impl From<Rate> for RawRate {
    fn from(rate: Rate) -> Self {
        Self { units: rate.units, per_ms: rate.per.as_millis() as u64, burst: Some(rate.burst) }
    }
}

impl std::fmt::Display for Rate {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let per = match self.per.as_millis() {
            1_000 => "s".to_owned(),
            60_000 => "min".to_owned(),
            3_600_000 => "h".to_owned(),
            86_400_000 => "day".to_owned(),
            ms => format!("{ms}ms"),
        };
        write!(f, "{}/{per} burst {}", self.units, self.burst)
    }
}

impl Limits {
    /// Fields and numbers as the scripts keep them (`limits.lua`).
    ///
    /// # Errors
    /// [`Error::InvalidName`] when a limit would let nothing pass, or a key or weight cannot be used.
    pub(crate) fn to_fields(&self) -> Result<Vec<(String, f64)>, Error> {
        if self.keys.len() > KEYS_MAX {
            return Err(Error::invalid_name("list of keys", &format!("{} keys", self.keys.len()), "1,000 keys at most"));
        }
        let mut fields = Vec::new();
        let mut put = |field: &str, number: f64| fields.push((field.to_owned(), number));
        if let Some(max) = concurrency(self.concurrency)? {
            put("concurrency", max);
        }
        if let Some(max) = concurrency(self.key_concurrency)? {
            put("key_concurrency", max);
        }
        for (prefix, rate) in [("", self.rate), ("key_", self.key_rate)] {
            if let Some(rate) = rate {
                put(&format!("{prefix}rate"), rate.units);
                put(&format!("{prefix}per_ms"), rate.per.as_secs_f64() * 1_000.0);
                put(&format!("{prefix}burst"), rate.burst);
            }
        }
        for (key, limits) in &self.keys {
            check_key(key)?;
            if let Some(weight) = limits.weight {
                if !(0.001..=1_000.0).contains(&weight) {
                    return Err(Error::invalid_name("weight", &weight.to_string(), "0.001 to 1000"));
                }
                put(&format!("weight:{key}"), weight);
            }
            if let Some(max) = concurrency(limits.concurrency)? {
                put(&format!("concurrency:{key}"), max);
            }
        }
        Ok(fields)
    }

    /// The reverse of [`Limits::to_fields`]; unknown fields are passed over.
    pub(crate) fn from_fields(fields: &BTreeMap<String, f64>) -> Self {
        let get = |field: &str| fields.get(field).copied();
        let count = |field: &str| get(field).map(|number| number as u32);
        let rate = |prefix: &str| {
            let ms = get(&format!("{prefix}per_ms"))?;
            let per = Duration::try_from_secs_f64(ms / 1_000.0).ok()?;
            Rate::new(get(&format!("{prefix}rate"))?, per, get(&format!("{prefix}burst"))).ok()
        };
        let mut keys: BTreeMap<String, KeyLimits> = BTreeMap::new();
        for (field, number) in fields {
            match field.split_once(':') {
                Some(("weight", key)) => keys.entry(key.to_owned()).or_default().weight = Some(*number),
                Some(("concurrency", key)) => keys.entry(key.to_owned()).or_default().concurrency = Some(*number as u32),
                _ => {}
            }
        }
        Self { concurrency: count("concurrency"), rate: rate(""), key_concurrency: count("key_concurrency"), key_rate: rate("key_"), keys }
    }
}

fn concurrency(max: Option<u32>) -> Result<Option<f64>, Error> {
    match max {
        Some(0) => Err(Error::invalid_name("concurrency limit", "0", "1 or more; to stop a queue, pause it")),
        max => Ok(max.map(f64::from)),
    }
}

/// A job's key: whose work it is (a tenant, an account), for limits and fair sharing.
pub(crate) fn check_key(key: &str) -> Result<(), Error> {
    if (1..=200).contains(&key.len()) && key.bytes().all(|b| b.is_ascii_graphic()) {
        return Ok(());
    }
    Err(Error::invalid_name("key", key, "1 to 200 visible ASCII characters, as in tenant-42"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_rate_is_read_as_people_write_it_and_shown_so() {
        for (text, shown) in [
            ("300/min", "300/min burst 5"),
            ("10/s", "10/s burst 10"),
            ("0.5/s", "0.5/s burst 1"),
            ("5000/h burst 100", "5000/h burst 100"),
            ("100/500ms", "100/500ms burst 200"),
            ("2/2min", "2/120000ms burst 1"),
        ] {
            assert_eq!(Rate::parse(text).unwrap().to_string(), shown, "{text}");
        }
        for bad in ["", "300", "0/s", "-1/s", "x/s", "1/fortnight", "1/0s", "1/s burst", "1/s burst 0", "inf/s", "1/60d"] {
            assert!(Rate::parse(bad).is_err(), "{bad} was accepted");
        }
    }

    #[test]
    fn limits_survive_being_stored() {
        let keys = [("a:b".to_owned(), KeyLimits { weight: Some(2.5), concurrency: Some(3) })];
        let limits = Limits {
            concurrency: Some(7),
            rate: Some(Rate::parse("300/min").unwrap()),
            key_concurrency: Some(1),
            key_rate: Some(Rate::parse("1/s burst 9").unwrap()),
            keys: keys.into_iter().collect(),
        };
        assert_eq!(Limits::from_fields(&limits.to_fields().unwrap().into_iter().collect()), limits);
        assert_eq!(Limits::from_fields(&BTreeMap::new()), Limits::default());
    }

    #[test]
    fn a_limit_that_would_let_nothing_pass_is_refused() {
        assert!(Limits { concurrency: Some(0), ..Limits::default() }.to_fields().is_err());
        let keys = [("a b".to_owned(), KeyLimits::default())].into_iter().collect();
        assert!(Limits { keys, ..Limits::default() }.to_fields().is_err());
    }
}
