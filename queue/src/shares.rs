//! Read-only views of how a queue is shared: its limits, and what each key has waiting and running.

use std::collections::BTreeMap;

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

impl Inspector {
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
