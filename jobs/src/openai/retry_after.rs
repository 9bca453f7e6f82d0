//! How long a provider asks to be left alone.

use std::time::Duration;

use chrono::{DateTime, Utc};
use reqwest::header::{HeaderMap, RETRY_AFTER};

/// No header makes a document wait longer than this.
pub(super) const WAIT_MAX: Duration = Duration::from_secs(10 * 60);

/// From `retry-after-ms` (milliseconds, OpenAI's own) or `Retry-After` (seconds, or an HTTP date).
pub(super) fn retry_after(headers: &HeaderMap, now: DateTime<Utc>) -> Option<Duration> {
    let text = |name: &str| headers.get(name).and_then(|value| value.to_str().ok()).map(str::trim);
    let milliseconds = text("retry-after-ms").and_then(seconds).map(|ms| ms / 1_000);
    milliseconds
        .or_else(|| text(RETRY_AFTER.as_str()).and_then(|value| seconds(value).or_else(|| until(value, now))))
        .map(|wait| wait.min(WAIT_MAX))
}

fn seconds(number: &str) -> Option<Duration> {
    number.parse().ok().and_then(|seconds| Duration::try_from_secs_f64(seconds).ok())
}

fn until(date: &str, now: DateTime<Utc>) -> Option<Duration> {
    let date = DateTime::parse_from_rfc2822(date).ok()?;
    Some((date.with_timezone(&Utc) - now).to_std().unwrap_or(Duration::ZERO))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn wait(name: &'static str, value: &str) -> Option<Duration> {
        let mut headers = HeaderMap::new();
        headers.insert(name, value.parse().unwrap());
        retry_after(&headers, "2026-11-21T08:00:00Z".parse().unwrap())
    }

    #[test]
    fn seconds_milliseconds_and_dates_are_understood_and_capped() {
        assert_eq!(wait("retry-after", "7"), Some(Duration::from_secs(7)));
        assert_eq!(wait("retry-after", "0.5"), Some(Duration::from_millis(500)));
        assert_eq!(wait("retry-after-ms", "1500"), Some(Duration::from_millis(1_500)));
        assert_eq!(wait("retry-after", "Sat, 21 Nov 2026 08:00:30 GMT"), Some(Duration::from_secs(30)));
        assert_eq!(wait("retry-after", "Sat, 21 Nov 2026 07:00:00 GMT"), Some(Duration::ZERO));
        assert_eq!(wait("retry-after", "86400"), Some(WAIT_MAX));
        assert_eq!(wait("retry-after", "soon"), None);
        assert_eq!(wait("retry-after", "-1"), None);
    }
}
