//! How a queue is shared: its keys, and its limits in words.

use celeriac_queue::{Inspector, KeyView, Limits, QueueName};
use chrono::{DateTime, Utc};
use serde::Serialize;

use crate::human::moment;

/// One key of a queue.
#[derive(Debug, Clone, Serialize)]
pub(crate) struct KeyRow {
    pub(crate) key: String,
    pub(crate) ready: u64,
    pub(crate) running: u64,
    /// Its share beside other keys of the same priority.
    pub(crate) weight: f64,
    /// At a limit of its own, with jobs waiting.
    pub(crate) held_back: bool,
    /// Until then by its rate; absent: until one of its jobs ends.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) until: Option<DateTime<Utc>>,
}

/// The keys with jobs waiting or running, those with the most first.
///
/// # Errors
/// When Redis does not answer.
pub(crate) async fn all(inspector: &Inspector, queue: &QueueName, limit: usize) -> Result<Vec<KeyRow>, celeriac_queue::Error> {
    let limits = inspector.limits(queue).await?;
    Ok(inspector.keys(queue, limit).await?.into_iter().map(|view| KeyRow::new(view, &limits)).collect())
}

impl KeyRow {
    fn new(view: KeyView, limits: &Limits) -> Self {
        let weight = limits.keys.get(&view.key).and_then(|limits| limits.weight).unwrap_or(1.0);
        let KeyView { key, ready, running, held_back, until } = view;
        Self { key, ready, running, weight, held_back, until: until.map(moment) }
    }

    /// `held back until …`, where it is.
    pub(crate) fn hold_text(&self) -> Option<String> {
        self.held_back.then(|| match self.until {
            Some(until) => format!("held back by its rate until {}", crate::human::clock(until)),
            None => "held back until one of its jobs ends".to_owned(),
        })
    }
}

/// `at most 4 at once, 300/min burst 5; of a key at most 1 at once`; `None` without limits. What differs for some keys is only counted.
pub(crate) fn limits_text(limits: &Limits) -> Option<String> {
    let part = |concurrency: Option<u32>, rate: Option<String>| {
        let told: Vec<String> = concurrency.map(|max| format!("at most {max} at once")).into_iter().chain(rate).collect();
        (!told.is_empty()).then(|| told.join(", "))
    };
    let queue = part(limits.concurrency, limits.rate.map(|rate| rate.to_string()));
    let key = part(limits.key_concurrency, limits.key_rate.map(|rate| rate.to_string())).map(|text| format!("of a key {text}"));
    let named = match limits.keys.len() {
        0 => None,
        1 => Some("1 key by name".to_owned()),
        count => Some(format!("{count} keys by name")),
    };
    let told: Vec<String> = [queue, key, named].into_iter().flatten().collect();
    (!told.is_empty()).then(|| told.join("; "))
}

#[cfg(test)]
mod tests {
    use celeriac_queue::Rate;

    use super::*;

    #[test]
    fn limits_read_as_one_line_and_none_as_nothing() {
        assert_eq!(limits_text(&Limits::default()), None);
        let mut limits = Limits { concurrency: Some(4), rate: Some(Rate::parse("300/min").unwrap()), ..Limits::default() };
        assert_eq!(limits_text(&limits).unwrap(), "at most 4 at once, 300/min burst 5");
        limits = Limits { key_concurrency: Some(1), ..Limits::default() };
        limits.keys.insert("a".into(), celeriac_queue::KeyLimits::default());
        assert_eq!(limits_text(&limits).unwrap(), "of a key at most 1 at once; 1 key by name");
    }
}
