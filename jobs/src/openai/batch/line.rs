//! The lines of the files: a question each, and what became of it.

use async_openai::types::responses::Response as ModelResponse;
use bytes::{Bytes, BytesMut};
use reqwest::Response;
use serde::Deserialize;
use serde_json::value::RawValue;

pub(super) const ENDPOINT: &str = "/v1/responses";

/// An answer is at most as long as the tokens that it may have; a line beyond this is none.
const LINE_BYTES_MAX: usize = 16 * 1024 * 1024;

/// The line that asks `request` (JSON, as for a direct call) under a name of ours.
pub(crate) fn request_line(custom_id: &str, request: &str) -> String {
    format!("{{\"custom_id\":\"{custom_id}\",\"method\":\"POST\",\"url\":\"{ENDPOINT}\",\"body\":{request}}}\n")
}

/// What became of one question.
#[derive(Debug)]
pub(crate) struct AnsweredLine {
    pub(crate) custom_id: String,
    pub(super) result: LineResult,
}

#[derive(Debug)]
pub(super) enum LineResult {
    Response { body: Box<ModelResponse>, request_id: Option<String> },
    Refused { status: u16, code: Option<String> },
    Unreadable,
}

#[derive(Deserialize)]
struct Wire<'a> {
    custom_id: String,
    #[serde(borrow, default)]
    response: Option<WireResponse<'a>>,
    #[serde(default)]
    error: Option<WireError>,
}

#[derive(Deserialize)]
struct WireResponse<'a> {
    status_code: u16,
    #[serde(default)]
    request_id: Option<String>,
    #[serde(borrow)]
    body: &'a RawValue,
}

#[derive(Deserialize)]
struct WireError {
    #[serde(default)]
    code: Option<String>,
}

#[derive(Deserialize)]
struct WireRefusal {
    error: WireError,
}

impl AnsweredLine {
    /// `None`: nothing by which to know the question.
    pub(crate) fn read(line: &[u8]) -> Option<Self> {
        let wire: Wire<'_> = serde_json::from_slice(line).ok()?;
        let cut = |code: Option<String>| code.map(|code| code.chars().take(100).collect());
        let result = match (wire.response, wire.error) {
            (Some(WireResponse { status_code: 200, request_id, body }), _) => match serde_json::from_str(body.get()) {
                Ok(body) => LineResult::Response { body: Box::new(body), request_id },
                Err(_) => LineResult::Unreadable,
            },
            (Some(WireResponse { status_code, body, .. }), _) => {
                let code = serde_json::from_str::<WireRefusal>(body.get()).ok().and_then(|refusal| refusal.error.code);
                LineResult::Refused { status: status_code, code: cut(code) }
            }
            (None, error) => LineResult::Refused { status: 0, code: cut(error.and_then(|error| error.code)) },
        };
        Some(Self { custom_id: wire.custom_id, result })
    }
}

/// The lines of a file as they arrive.
pub(crate) struct Lines {
    response: Response,
    buffer: BytesMut,
    over: bool,
}

impl Lines {
    pub(super) fn new(response: Response) -> Self {
        Self { response, buffer: BytesMut::new(), over: false }
    }

    /// `None` after the last one.
    ///
    /// # Errors
    /// When the file does not arrive whole, or a line is no line.
    pub(crate) async fn next(&mut self) -> anyhow::Result<Option<Bytes>> {
        loop {
            if let Some(end) = self.buffer.iter().position(|byte| *byte == b'\n') {
                return Ok(Some(self.buffer.split_to(end + 1).freeze()));
            }
            if self.over {
                return Ok((!self.buffer.is_empty()).then(|| self.buffer.split().freeze()));
            }
            anyhow::ensure!(self.buffer.len() <= LINE_BYTES_MAX, "a line of the provider's file is longer than {LINE_BYTES_MAX} bytes");
            match self.response.chunk().await? {
                Some(piece) => self.buffer.extend_from_slice(&piece),
                None => self.over = true,
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::super::outcome_of;
    use super::*;
    use crate::openai::Outcome;

    fn outcome(line: &str) -> Option<Outcome> {
        AnsweredLine::read(line.as_bytes()).map(outcome_of)
    }

    #[test]
    fn a_line_means_what_the_same_answer_would_mean_in_a_direct_call() {
        let refused = |status: u16, code: &str| {
            outcome(&format!(
                r#"{{"custom_id":"q","response":{{"status_code":{status},"body":{{"error":{{"code":"{code}"}}}}}},"error":null}}"#
            ))
        };
        assert!(matches!(refused(429, "insufficient_quota"), Some(Outcome::QuotaExhausted)));
        assert!(matches!(refused(500, "x"), Some(Outcome::ServerError { status: 500, .. })));
        assert!(matches!(refused(400, "x"), Some(Outcome::BadRequest { status: 400, .. })));
        let expired = outcome(r#"{"custom_id":"q","response":null,"error":{"code":"batch_expired","message":"late"}}"#);
        assert!(matches!(expired, Some(Outcome::ServerError { status: 0, .. })), "{expired:?}");
        let strange = outcome(r#"{"custom_id":"q","response":{"status_code":200,"body":{"object":"cat"}}}"#);
        assert!(matches!(strange, Some(Outcome::Unreadable { .. })));
        assert!(outcome("{\"custom_id\": \"q").is_none());
        assert!(outcome("[]").is_none());
    }

    #[test]
    fn a_question_is_one_line() {
        assert_eq!(
            request_line("7", "{\"a\":1}"),
            "{\"custom_id\":\"7\",\"method\":\"POST\",\"url\":\"/v1/responses\",\"body\":{\"a\":1}}\n"
        );
    }
}
