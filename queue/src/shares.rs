//! Read-only views of how a queue is shared: its limits, and what each key has waiting and running.

use std::collections::{BTreeMap, BTreeSet};

use serde::Serialize;

use crate::{Error, Inspector, Limits, Millis, QueueName};

/// Lanes of a queue that are looked at.
const LANES_MAX: usize = 10_000;

/// One key of a queue.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize)]
pub struct KeyView {
    pub key: String,
    /// Waiting for their turn (cancelled ones that still stand in line are counted until a claim meets them).
    pub ready: u64,
    pub running: u64,
    /// At a limit: until one of its jobs ends, or until that moment (Redis clock, ms).
    pub held_back: bool,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub until: Option<Millis>,
}

/// Which limit of a queue as a whole keeps its ready jobs waiting.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
#[serde(tag = "limit", rename_all = "snake_case")]
pub enum HeldBack {
    /// As many run as may run at once.
    Concurrency,
    /// The bucket is empty until that moment (Redis clock, ms).
    Rate { until: Millis },
}

/// What a queue's view says of its limits.
pub(crate) struct Sharing {
    pub(crate) limits: Limits,
    pub(crate) held_back: Option<HeldBack>,
    pub(crate) keys_held_back: u64,
    pub(crate) suspects: u64,
}

impl Inspector {
    pub(crate) async fn sharing(&self, queue: &QueueName, ready: u64, running: u64) -> Result<Sharing, Error> {
        let keys = self.connection().namespace().queue(queue);
        let mut pipe = redis::pipe();
        pipe.hgetall(keys.limits()).zscore(keys.buckets(), "").llen(keys.suspects());
        pipe.cmd("ZRANGE").arg(keys.resting()).arg(0).arg(LANES_MAX).arg("WITHSCORES");
        type Parts = (BTreeMap<String, f64>, Option<f64>, u64, Vec<(String, f64)>);
        let (fields, full_at, suspects, resting): Parts = pipe.query_async(&mut self.connection().shared()).await?;
        let limits = Limits::from_fields(&fields);
        if limits == Limits::default() {
            return Ok(Sharing { limits, held_back: None, keys_held_back: 0, suspects });
        }
        let now = self.connection().time_ms().await?;
        // Whose moment has come goes on at the next claim.
        let held_back = resting.iter().filter(|(_, until)| *until > now as f64);
        let keys_held_back: BTreeSet<&str> = held_back.filter_map(|(lane, _)| lane.get(2..)).collect();
        let bucket_until = limits.rate.and_then(|rate| {
            let until = full_at? - (rate.burst() - 1.0) * rate.per().as_secs_f64() * 1_000.0 / rate.units();
            (until > now as f64).then_some(until.ceil() as Millis)
        });
        let held_back = match (ready, limits.concurrency, bucket_until) {
            (0, ..) => None,
            (_, Some(max), _) if running >= u64::from(max) => Some(HeldBack::Concurrency),
            (.., until) => until.map(|until| HeldBack::Rate { until }),
        };
        Ok(Sharing { keys_held_back: keys_held_back.len() as u64, limits, held_back, suspects })
    }

    pub async fn limits(&self, queue: &QueueName) -> Result<Limits, Error> {
        let key = self.connection().namespace().queue(queue).limits();
        let fields: BTreeMap<String, f64> = redis::cmd("HGETALL").arg(key).query_async(&mut self.connection().shared()).await?;
        Ok(Limits::from_fields(&fields))
    }

    /// The keys that have jobs waiting or running, those with the most first; at most `limit`.
    pub async fn keys(&self, queue: &QueueName, limit: usize) -> Result<Vec<KeyView>, Error> {
        let keys = self.connection().namespace().queue(queue);
        let mut line = self.connection().shared();
        let mut found = redis::pipe();
        for priority in 0..10 {
            found.cmd("ZRANGE").arg(keys.ring(priority)).arg(0).arg(LANES_MAX);
        }
        let rings: Vec<Vec<String>> = found.query_async(&mut line).await?;
        let mut resting = redis::cmd("ZRANGE");
        resting.arg(keys.resting()).arg(0).arg(LANES_MAX).arg("WITHSCORES");
        let resting: Vec<(String, f64)> = resting.query_async(&mut line).await?;
        let busy: BTreeMap<String, u64> = redis::cmd("HGETALL").arg(keys.busy()).query_async(&mut line).await?;

        let lanes: Vec<&String> =
            rings.iter().flatten().chain(resting.iter().map(|(lane, _)| lane)).filter(|lane| lane.len() > 2).collect();
        let mut views: BTreeMap<String, KeyView> = BTreeMap::new();
        if !lanes.is_empty() {
            let mut lengths = redis::pipe();
            for lane in &lanes {
                lengths.llen(keys.lane(lane));
            }
            let lengths: Vec<u64> = lengths.query_async(&mut line).await?;
            for (lane, length) in lanes.iter().zip(lengths) {
                // A lane that is empty stays in the ring for a while.
                if length > 0 {
                    view_of(&mut views, &lane[2..]).ready += length;
                }
            }
        }
        for (lane, until) in resting.iter().filter(|(lane, _)| lane.len() > 2) {
            let view = view_of(&mut views, &lane[2..]);
            view.held_back = true;
            view.until = until.is_finite().then_some(*until as Millis);
        }
        for (key, running) in busy {
            view_of(&mut views, &key).running = running;
        }
        let mut views: Vec<KeyView> = views.into_values().collect();
        views.sort_by_key(|view| std::cmp::Reverse((view.ready, view.running)));
        views.truncate(limit);
        Ok(views)
    }
}

fn view_of<'a>(views: &'a mut BTreeMap<String, KeyView>, key: &str) -> &'a mut KeyView {
    views.entry(key.to_owned()).or_insert_with(|| KeyView { key: key.to_owned(), ..KeyView::default() })
}
