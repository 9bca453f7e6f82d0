//! What has happened so far, for whoever checks a client by it.

use std::collections::{BTreeMap, VecDeque};
use std::time::{Duration, Instant};

use serde::{Deserialize, Serialize};

/// Digests that are kept; beyond it only the counters go on.
pub(super) const DIGESTS_MAX: usize = 100_000;

/// What `GET /control` tells.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Counters {
    /// Requests for an answer, however they ended.
    pub requests: u64,
    /// Requests whose answer is still being waited for.
    pub in_flight: u64,
    pub in_flight_max: u64,
    /// How they ended: `answer`, the name of a fault, `limited` by the rate limits, `unauthorized`, `bad_request`.
    pub outcomes: BTreeMap<String, u64>,
    /// SHA-256 of each request's body, in order of arrival.
    pub digests: Vec<String>,
    /// Requests by the name of the schema that they ask for.
    pub by_schema: BTreeMap<String, u64>,
    /// Requests that show a single page of a document, as in `page_text 3`.
    pub by_page: BTreeMap<String, u64>,
    /// Most requests within any sixty seconds, refused ones included.
    pub requests_per_minute_max: u64,
    /// Most requests within any sixty seconds that no rate limit refused.
    pub admitted_per_minute_max: u64,
    /// Most tokens of admitted requests within any sixty seconds, by the estimate that the limit goes by.
    pub tokens_per_minute_max: u64,
    /// Batches that were created.
    pub batches: u64,
    /// Questions that were answered in batches, by the name of their schema.
    pub batch_answers: BTreeMap<String, u64>,
    /// Files that are kept at the moment.
    pub files: u64,
}

/// The largest sum within any sixty seconds.
#[derive(Debug, Default)]
pub(super) struct Window {
    recent: VecDeque<(Instant, u64)>,
    sum: u64,
    pub(super) max: u64,
}

impl Window {
    pub(super) fn add(&mut self, now: Instant, amount: u64) {
        while let Some((at, old)) = self.recent.front().copied()
            && now.duration_since(at) >= Duration::from_secs(60)
        {
            self.recent.pop_front();
            self.sum -= old;
        }
        self.recent.push_back((now, amount));
        self.sum += amount;
        self.max = self.max.max(self.sum);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_window_slides_and_remembers_its_fullest_moment() {
        let (start, mut window) = (Instant::now(), Window::default());
        for second in [0, 30, 59, 60, 61] {
            window.add(start + Duration::from_secs(second), 1);
        }
        assert_eq!((window.sum, window.max), (4, 4), "the first had gone when the fourth came");
        window.add(start + Duration::from_secs(500), 2);
        assert_eq!((window.sum, window.max), (2, 4));
    }
}
