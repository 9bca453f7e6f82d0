//! From what came back to an [`Outcome`].

use std::time::Duration;

use async_openai::error::OpenAIError;
use async_openai::types::responses::{OutputItem, OutputMessageContent, Response, ResponseErrorCode, Status};

use super::exchange::{NoFirstByte, Refused};
use super::outcome::{Outcome, Usage};

pub(super) fn classify(answered: Result<Response, OpenAIError>, request_id: Option<String>, latency: Duration) -> Outcome {
    match answered {
        Ok(response) => of_response(&response, request_id, latency),
        Err(OpenAIError::Boxed(error)) => match error.downcast::<Refused>() {
            Ok(refused) => of_refusal(*refused),
            Err(other) if other.is::<NoFirstByte>() => Outcome::NoFirstByte,
            Err(other) => Outcome::Cut { why: other.to_string() },
        },
        Err(OpenAIError::Reqwest(error)) => of_transport(&error),
        // These quote the body or the request; only the fact is passed on.
        Err(OpenAIError::JSONDeserialize(..)) => Outcome::Unreadable { status: 200 },
        Err(OpenAIError::InvalidArgument(_)) => Outcome::BadRequest { status: 0, code: Some("not_sent".to_owned()) },
        Err(_) => Outcome::Unreadable { status: 200 },
    }
}

fn of_response(response: &Response, request_id: Option<String>, latency: Duration) -> Outcome {
    let tokens = response.usage.as_ref();
    let usage = Usage {
        model: response.model.clone(),
        input_tokens: tokens.map_or(0, |tokens| tokens.input_tokens),
        output_tokens: tokens.map_or(0, |tokens| tokens.output_tokens),
        request_id,
        latency,
    };
    match response.status {
        Status::Incomplete => {
            let reason = response.incomplete_details.as_ref().map_or("unknown", |details| details.reason.as_str()).to_owned();
            return Outcome::Incomplete { reason, usage };
        }
        Status::Failed => {
            return match response.error.as_ref().map(|error| &error.code) {
                Some(ResponseErrorCode::RateLimitExceeded) => Outcome::RateLimited { retry_after: None },
                None | Some(ResponseErrorCode::ServerError) => Outcome::ServerError { status: 200, retry_after: None },
                Some(code) => Outcome::BadRequest { status: 200, code: Some(format!("{code:?}")) },
            };
        }
        Status::Completed => {}
        // A synchronous call ends in none of these.
        Status::InProgress | Status::Cancelled | Status::Queued => return Outcome::Unreadable { status: 200 },
    }
    if refused(response) {
        return Outcome::Refusal { usage };
    }
    match response.output_text() {
        Some(text) if serde_json::from_str::<serde_json::Value>(&text).is_ok_and(|value| value.is_object()) => {
            Outcome::Answer { text, usage }
        }
        _ => Outcome::InvalidJson { usage },
    }
}

fn refused(response: &Response) -> bool {
    response.output.iter().any(|item| match item {
        OutputItem::Message(message) => message.content.iter().any(|content| matches!(content, OutputMessageContent::Refusal(_))),
        _ => false,
    })
}

pub(super) fn of_refusal(refused: Refused) -> Outcome {
    let Refused { status, code, too_large, retry_after } = refused;
    match (status, code.as_deref()) {
        (_, Some("insufficient_quota" | "billing_hard_limit_reached")) | (402, _) => Outcome::QuotaExhausted,
        (401 | 403, _) => Outcome::Unauthorized { status },
        (_, Some("model_not_found")) => Outcome::ModelNotFound,
        (404, _) => Outcome::NotFound,
        (408 | 409, _) => Outcome::Busy { status, retry_after },
        (413, _) => Outcome::TooLarge,
        (429, _) if too_large => Outcome::TooLarge,
        (429, _) => Outcome::RateLimited { retry_after },
        (400, Some("content_filter" | "content_policy_violation")) => Outcome::Filtered,
        (400..=499, _) => Outcome::BadRequest { status, code },
        _ => Outcome::ServerError { status, retry_after },
    }
}

fn of_transport(error: &reqwest::Error) -> Outcome {
    // The address is a setting and may carry a password; the causes do not repeat it.
    let why = {
        let mut why = String::new();
        let mut cause = std::error::Error::source(error);
        while let Some(error) = cause {
            why = error.to_string();
            cause = error.source();
        }
        why
    };
    if error.is_connect() || error.is_builder() {
        Outcome::ConnectionFailed { why }
    } else if error.is_timeout() {
        Outcome::Timeout
    } else {
        Outcome::Cut { why }
    }
}

#[cfg(test)]
mod tests {
    use reqwest::header::HeaderMap;

    use super::*;

    #[test]
    fn each_status_and_code_has_its_own_meaning() {
        let outcome = |status: u16, body: &str| of_refusal(Refused::of(status, &HeaderMap::new(), body.as_bytes())).name();
        let coded = |code: &str| format!(r#"{{"error":{{"code":"{code}","message":"m","type":"t"}}}}"#);
        let too_large =
            r#"{"error":{"code":"rate_limit_exceeded","message":"Request too large for m on tokens per min (TPM)","type":"tokens"}}"#;
        for (status, body, name) in [
            (400, coded("content_filter"), "filtered"),
            (400, coded("invalid_value"), "bad_request"),
            (401, String::new(), "unauthorized"),
            (403, "<html>".to_owned(), "unauthorized"),
            (404, coded("model_not_found"), "model_not_found"),
            (404, "<html>".to_owned(), "not_found"),
            (408, String::new(), "busy"),
            (409, coded("conflict"), "busy"),
            (413, String::new(), "too_large"),
            (429, coded("rate_limit_exceeded"), "rate_limited"),
            (429, too_large.to_owned(), "too_large"),
            (429, coded("insufficient_quota"), "quota_exhausted"),
            (500, "<html>".to_owned(), "server_error"),
            (529, String::new(), "server_error"),
        ] {
            assert_eq!(outcome(status, &body), name, "{status} {body}");
        }
    }
}
