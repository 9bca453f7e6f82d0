//! What the provider's headers say of its limits.

use reqwest::header::HeaderMap;
use serde::Serialize;

/// `x-ratelimit-{limit,remaining}-{requests,tokens}`; what was not said is `None`. When the limits are whole again (`reset`) follows from
/// them, as they refill evenly.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize)]
pub struct Learned {
    #[serde(skip_serializing_if = "Option::is_none")]
    pub limit_requests: Option<u64>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub remaining_requests: Option<u64>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub limit_tokens: Option<u64>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub remaining_tokens: Option<u64>,
}

impl Learned {
    pub(super) fn of(headers: &HeaderMap) -> Self {
        let number = |name: &str| headers.get(name)?.to_str().ok()?.trim().parse::<u64>().ok();
        let mut learned = Self {
            limit_requests: number("x-ratelimit-limit-requests").filter(|limit| *limit > 0),
            remaining_requests: number("x-ratelimit-remaining-requests"),
            limit_tokens: number("x-ratelimit-limit-tokens").filter(|limit| *limit > 0),
            remaining_tokens: number("x-ratelimit-remaining-tokens"),
        };
        let text = |name: &str| headers.get(name).and_then(|value| value.to_str().ok()).and_then(duration_ms);
        if counts_days(learned.limit_requests, learned.remaining_requests, text("x-ratelimit-reset-requests")) {
            (learned.limit_requests, learned.remaining_requests) = (None, None);
        }
        learned
    }
}

/// Small accounts have a limit of requests a day in these headers: it takes more than a minute to refill what is missing of less than all.
/// A minute's pace cannot be learned from it; should it be used up, a 429 says how long to wait.
fn counts_days(limit: Option<u64>, remaining: Option<u64>, reset_ms: Option<u64>) -> bool {
    let (Some(limit), Some(remaining), Some(reset_ms)) = (limit, remaining, reset_ms) else { return false };
    let missing = limit.saturating_sub(remaining).max(1);
    // Twice the time that a limit by the minute needs, so that rounding does not decide.
    reset_ms > (missing * 60_000 / limit) * 2 + 60_000
}

/// `1s`, `6m0s`, `120ms`, `1h2m3.5s`.
fn duration_ms(text: &str) -> Option<u64> {
    let mut rest = text.trim();
    let mut total = 0.0;
    while !rest.is_empty() {
        let at = rest.find(|c: char| !c.is_ascii_digit() && c != '.')?;
        let number: f64 = rest[..at].parse().ok()?;
        let unit_end = rest[at..].find(|c: char| c.is_ascii_digit()).map_or(rest.len(), |end| at + end);
        total += number
            * match &rest[at..unit_end] {
                "ms" => 1.0,
                "s" => 1_000.0,
                "m" => 60_000.0,
                "h" => 3_600_000.0,
                "d" => 86_400_000.0,
                _ => return None,
            };
        rest = &rest[unit_end..];
    }
    Some(total as u64)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn learned(pairs: &[(&'static str, &'static str)]) -> Learned {
        let mut headers = HeaderMap::new();
        for (name, value) in pairs {
            headers.insert(*name, value.parse().unwrap());
        }
        Learned::of(&headers)
    }

    #[test]
    fn limits_by_the_minute_are_learned_and_one_by_the_day_is_not_taken_for_one() {
        let tokens =
            [("x-ratelimit-limit-tokens", "200000"), ("x-ratelimit-remaining-tokens", "199000"), ("x-ratelimit-reset-tokens", "300ms")];
        let by_minute =
            [("x-ratelimit-limit-requests", "500"), ("x-ratelimit-remaining-requests", "499"), ("x-ratelimit-reset-requests", "120ms")];
        let both = learned(&[tokens, by_minute].concat());
        assert_eq!((both.limit_requests, both.remaining_requests, both.limit_tokens), (Some(500), Some(499), Some(200_000)));
        let by_day =
            [("x-ratelimit-limit-requests", "200"), ("x-ratelimit-remaining-requests", "199"), ("x-ratelimit-reset-requests", "7m12s")];
        assert_eq!(learned(&by_day), Learned::default());
        assert_eq!(learned(&[("x-ratelimit-limit-requests", "0"), ("x-ratelimit-limit-tokens", "many")]), Learned::default());
        // All of a minute's limit is missing, and it takes a minute.
        let used_up =
            [("x-ratelimit-limit-requests", "300"), ("x-ratelimit-remaining-requests", "0"), ("x-ratelimit-reset-requests", "1m0s")];
        assert_eq!(learned(&used_up).remaining_requests, Some(0));
    }

    #[test]
    fn resets_are_read_in_all_their_forms() {
        let read: Vec<_> = ["1s", "6m0s", "120ms", "1h2m3.5s", "soon", "5"].map(duration_ms).into();
        assert_eq!(read, [Some(1_000), Some(360_000), Some(120), Some(3_723_500), None, None]);
    }
}
