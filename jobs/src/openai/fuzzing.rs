//! The OpenAI part of [`crate::fuzzing`].

use std::time::Duration;

use async_openai::error::OpenAIError;
use async_openai::types::responses::Response;
use reqwest::header::{HeaderMap, HeaderValue, RETRY_AFTER};

use super::exchange::Refused;
use super::retry_after::WAIT_MAX;
use super::{Outcome, reading};

/// The body of an answer with status 200; the text of what the model said.
pub(crate) fn answered(body: &[u8]) -> Option<String> {
    let response = serde_json::from_slice::<Response>(body).ok()?;
    match reading::classify(Ok(response), None, Duration::ZERO) {
        Outcome::Answer { text, .. } => Some(text),
        _ => None,
    }
}

/// Any other answer: its status, the header that says how long to wait, its body.
pub(crate) fn refusal(status: u16, wait: &[u8], body: &[u8]) {
    let mut headers = HeaderMap::new();
    if let Ok(value) = HeaderValue::from_bytes(wait) {
        // Half of them by the header of OpenAI's own.
        if body.len().is_multiple_of(2) {
            headers.insert("retry-after-ms", value);
        } else {
            headers.insert(RETRY_AFTER, value);
        }
    }
    let refused = Refused::of(status, &headers, body);
    assert!(refused.retry_after.is_none_or(|wait| wait <= WAIT_MAX));
    assert!(refused.code.as_ref().is_none_or(|code| code.chars().count() <= 100));
    reading::classify(Err(OpenAIError::Boxed(Box::new(refused))), None, Duration::ZERO);
}
