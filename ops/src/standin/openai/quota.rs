//! Rate limits as the real service enforces them: a bucket for requests and one for tokens, each filling evenly, both checked before
//! anything is answered and told in the headers of every answer.

use std::time::{Duration, Instant};

use super::refusals;
use super::reply::{Header, Reply};

const MINUTE_SECONDS: f64 = 60.0;

/// The limits of one model, or rather of all: the stand-in does not set models apart.
#[derive(Debug, Default)]
pub(super) struct Quota {
    requests: Option<Bucket>,
    tokens: Option<Bucket>,
}

impl Quota {
    /// Full buckets. `None` or 0: no limit.
    pub(super) fn new(requests_per_minute: Option<u64>, tokens_per_minute: Option<u64>) -> Self {
        let mut quota = Self::default();
        quota.limit_requests(requests_per_minute.unwrap_or(0));
        quota.limit_tokens(tokens_per_minute.unwrap_or(0));
        quota
    }

    pub(super) fn limit_requests(&mut self, per_minute: u64) {
        self.requests = (per_minute > 0).then(|| Bucket::full(per_minute));
    }

    pub(super) fn limit_tokens(&mut self, per_minute: u64) {
        self.tokens = (per_minute > 0).then(|| Bucket::full(per_minute));
    }

    /// Takes a request of so many tokens, or says why not and takes nothing.
    pub(super) fn admit(&mut self, tokens: u64, model: &str, now: Instant) -> Result<(), Reply> {
        let pairs = [(&mut self.requests, 1, "requests", "RPM"), (&mut self.tokens, tokens, "tokens", "TPM")];
        for (bucket, amount, kind, short) in pairs {
            if let Some(bucket) = bucket {
                bucket.fill(now);
                bucket.check(amount).map_err(|wait| bucket.refusal(amount, wait, kind, short, model))?;
            }
        }
        if let Some(bucket) = &mut self.requests {
            bucket.level -= 1.0;
        }
        if let Some(bucket) = &mut self.tokens {
            bucket.level -= tokens as f64;
        }
        Ok(())
    }

    pub(super) fn headers(&mut self, now: Instant) -> Vec<Header> {
        let mut headers = Vec::new();
        if let Some(bucket) = &mut self.requests {
            bucket.fill(now);
            headers.extend(bucket.headers(["x-ratelimit-limit-requests", "x-ratelimit-remaining-requests", "x-ratelimit-reset-requests"]));
        }
        if let Some(bucket) = &mut self.tokens {
            bucket.fill(now);
            headers.extend(bucket.headers(["x-ratelimit-limit-tokens", "x-ratelimit-remaining-tokens", "x-ratelimit-reset-tokens"]));
        }
        headers
    }
}

#[derive(Debug)]
struct Bucket {
    per_minute: u64,
    level: f64,
    filled_at: Option<Instant>,
}

impl Bucket {
    fn full(per_minute: u64) -> Self {
        Self { per_minute, level: per_minute as f64, filled_at: None }
    }

    fn per_second(&self) -> f64 {
        self.per_minute as f64 / MINUTE_SECONDS
    }

    fn fill(&mut self, now: Instant) {
        let passed = self.filled_at.map_or(0.0, |at| now.duration_since(at).as_secs_f64());
        self.level = (self.level + passed * self.per_second()).min(self.per_minute as f64);
        self.filled_at = Some(now);
    }

    /// How long until there is room for it; `None` as the wait: it can never be.
    fn check(&self, amount: u64) -> Result<(), Option<Duration>> {
        let missing = amount as f64 - self.level;
        match () {
            () if amount > self.per_minute => Err(None),
            // A request that is due this very moment must not fail by the rounding of a float.
            () if missing > 1e-6 => Err(Some(Duration::from_secs_f64(missing / self.per_second()))),
            () => Ok(()),
        }
    }

    fn refusal(&self, amount: u64, wait: Option<Duration>, kind: &str, short: &str, model: &str) -> Reply {
        let per_minute = self.per_minute;
        let Some(wait) = wait else {
            let sentence = format!(
                "Request too large for {model} in organization org-standin on {kind} per min ({short}): Limit {per_minute}, \
                 Requested {amount}. The input or output tokens must be reduced in order to run successfully. \
                 Visit https://platform.openai.com/account/rate-limits to learn more."
            );
            return refusals::refuse(429, &sentence, kind, None, Some("rate_limit_exceeded"));
        };
        let used = (per_minute as f64 - self.level).floor() as u64;
        let sentence = format!(
            "Rate limit reached for {model} in organization org-standin on {kind} per min ({short}): Limit {per_minute}, Used {used}, \
             Requested {amount}. Please try again in {}. Visit https://platform.openai.com/account/rate-limits to learn more.",
            spelled(wait)
        );
        let milliseconds = wait.as_millis() + 1;
        refusals::refuse(429, &sentence, kind, None, Some("rate_limit_exceeded"))
            .with_headers([("retry-after-ms", milliseconds.to_string()), ("retry-after", milliseconds.div_ceil(1_000).to_string())])
    }

    fn headers(&self, [limit, remaining, reset]: [&'static str; 3]) -> [Header; 3] {
        let full_in = Duration::from_secs_f64((self.per_minute as f64 - self.level) / self.per_second());
        [(limit, self.per_minute.to_string()), (remaining, (self.level.floor() as u64).to_string()), (reset, spelled(full_in))]
    }
}

/// As the service writes durations: `12ms`, `8.64s`, `6m0s`.
fn spelled(duration: Duration) -> String {
    let milliseconds = duration.as_millis();
    match (milliseconds, duration.as_secs() / 60) {
        (0..1_000, _) => format!("{milliseconds}ms"),
        (_, 0) => format!("{}s", (milliseconds as f64) / 1_000.0),
        (_, minutes) => format!("{minutes}m{}s", (milliseconds - u128::from(minutes) * 60_000) as f64 / 1_000.0),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_bucket_gives_its_limit_at_once_and_then_evenly() {
        let (start, mut quota) = (Instant::now(), Quota::new(Some(60), None));
        assert!((0..60).all(|_| quota.admit(1, "m", start).is_ok()));
        let Err(Reply::Json { status, headers, body }) = quota.admit(1, "m", start) else { panic!("the sixty-first was admitted") };
        assert_eq!(status, 429);
        assert_eq!(headers, [("retry-after-ms", "1001".to_owned()), ("retry-after", "2".to_owned())]);
        assert!(body["error"]["message"].as_str().unwrap().contains("requests per min (RPM): Limit 60, Used 60, Requested 1."), "{body}");
        assert!(quota.admit(1, "m", start + Duration::from_secs(1)).is_ok());
        assert!(quota.admit(1, "m", start + Duration::from_secs(1)).is_err());
        let reset = quota.headers(start + Duration::from_secs(31));
        assert_eq!(reset[1..], [("x-ratelimit-remaining-requests", "30".to_owned()), ("x-ratelimit-reset-requests", "30s".to_owned())]);
    }

    #[test]
    fn a_request_that_is_refused_for_its_tokens_takes_no_place_among_the_requests() {
        let (now, mut quota) = (Instant::now(), Quota::new(Some(10), Some(1_000)));
        assert!(quota.admit(900, "m", now).is_ok());
        assert!(quota.admit(200, "m", now).is_err());
        assert!(quota.admit(100, "m", now).is_ok());
        assert_eq!(quota.headers(now)[1].1, "8");
        let Err(Reply::Json { headers, .. }) = quota.admit(1_001, "m", now) else { panic!("more than the limit was admitted") };
        assert!(headers.is_empty(), "waiting does not help");
    }

    #[test]
    fn durations_are_spelled_as_the_service_spells_them() {
        assert_eq!(spelled(Duration::from_millis(12)), "12ms");
        assert_eq!(spelled(Duration::from_millis(8_640)), "8.64s");
        assert_eq!(spelled(Duration::from_secs(360)), "6m0s");
    }
}
