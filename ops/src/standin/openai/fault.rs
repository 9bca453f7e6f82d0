//! Scripted failures, with the bodies that the real service (or a proxy before it) sends.

use std::str::FromStr;

use serde::{Deserialize, Serialize};
use serde_json::json;

use super::reply::Reply;
use super::request::Request;
use super::{answer, refusals};

/// What one request gets instead of an answer. On the wire: `"unauthorized"`, `{"rate_limited": {"retry_after": "2"}}`, …
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Fault {
    /// None: this request is answered, a later one of the script is not.
    Pass,
    /// 400, for a reason of the service's own.
    BadRequest,
    /// 401, as for a revoked key.
    Unauthorized,
    /// 403, as for a country that is not served.
    Forbidden,
    /// 429 without money left.
    QuotaExhausted,
    /// 429, with a `Retry-After` as given (seconds or a date), or without.
    RateLimited {
        #[serde(default)]
        retry_after: Option<String>,
    },
    /// 429 with OpenAI's own `retry-after-ms`.
    RateLimitedFor {
        #[serde(default = "one_second")]
        milliseconds: u64,
    },
    ModelNotFound,
    /// 408.
    RequestTimeout,
    /// 409.
    Conflict,
    /// 500 with OpenAI's body.
    ServerError,
    /// 502 with a proxy's page.
    HtmlError,
    /// A proxy's page with that status.
    HtmlRefusal {
        #[serde(default = "unavailable")]
        status: u16,
    },
    /// 503 with OpenAI's body.
    Unavailable,
    /// 529, as gateways before a model say it.
    Overloaded,
    /// 200, and the line is cut in the middle of the body.
    Cut,
    /// 200, and the answer trickles.
    Drip {
        #[serde(default = "one_byte")]
        bytes: usize,
        #[serde(default = "one_second")]
        every_ms: u64,
    },
    /// 200, half of the body, then silence.
    Stall,
    /// The request is taken, and no byte comes back.
    Hang,
    /// 200 with a proxy's page in place of an answer.
    HtmlAnswer,
    /// 200 with a response object that says the provider failed.
    Failed,
    /// The model declines.
    Refusal,
    /// The answer is cut short by its length.
    Incomplete,
    /// The answer is cut short by the content filter.
    ContentFilter,
    /// The answer is not JSON.
    InvalidJson,
    /// The answer is JSON, but not of the schema.
    OffSchema,
}

fn one_second() -> u64 {
    1_000
}

fn one_byte() -> usize {
    1
}

fn unavailable() -> u16 {
    503
}

impl Fault {
    /// Those that a client gets over by asking again: what a fault rate draws from when nothing else is said.
    pub fn passing() -> Vec<Self> {
        vec![Self::RateLimited { retry_after: Some("1".to_owned()) }, Self::ServerError, Self::HtmlError, Self::Unavailable, Self::Cut]
    }

    pub fn name(&self) -> &'static str {
        match self {
            Self::Pass => "answer",
            Self::BadRequest => "bad_request",
            Self::Unauthorized => "unauthorized",
            Self::Forbidden => "forbidden",
            Self::QuotaExhausted => "quota_exhausted",
            Self::RateLimited { .. } => "rate_limited",
            Self::RateLimitedFor { .. } => "rate_limited_for",
            Self::ModelNotFound => "model_not_found",
            Self::RequestTimeout => "request_timeout",
            Self::Conflict => "conflict",
            Self::ServerError => "server_error",
            Self::HtmlError => "html_error",
            Self::HtmlRefusal { .. } => "html_refusal",
            Self::Unavailable => "unavailable",
            Self::Overloaded => "overloaded",
            Self::Cut => "cut",
            Self::Drip { .. } => "drip",
            Self::Stall => "stall",
            Self::Hang => "hang",
            Self::HtmlAnswer => "html_answer",
            Self::Failed => "failed",
            Self::Refusal => "refusal",
            Self::Incomplete => "incomplete",
            Self::ContentFilter => "content_filter",
            Self::InvalidJson => "invalid_json",
            Self::OffSchema => "off_schema",
        }
    }

    /// In place of the answer to a question.
    pub(super) fn reply(&self, request: &Request) -> Reply {
        const HALF: &str = "{\"summary\": \"The document is";
        match self {
            Self::Pass => Reply::ok(answer::body(request)),
            Self::Cut => Reply::Cut { body: answer::body(request) },
            Self::Drip { bytes, every_ms } => Reply::Drip { body: answer::body(request), bytes: *bytes, every_ms: *every_ms },
            Self::Stall => Reply::Stall { body: answer::body(request) },
            Self::Failed => Reply::ok(answer::failed(request)),
            Self::Refusal => Reply::ok(answer::refusal(request)),
            Self::Incomplete => Reply::ok(answer::incomplete(request, "max_output_tokens", HALF)),
            Self::ContentFilter => Reply::ok(answer::incomplete(request, "content_filter", HALF)),
            Self::InvalidJson => Reply::ok(answer::completed(request, "Sure! Here is the analysis you asked for.")),
            Self::OffSchema => Reply::ok(answer::completed(request, "{\"answer\": 42}")),
            other => other.plain(&request.model),
        }
    }

    /// Where nothing is asked of a model. A fault of an answer's content is a 500 here.
    pub(super) fn plain(&self, model: &str) -> Reply {
        match self {
            Self::BadRequest => refusals::bad_request("Your input contained content that is not allowed here."),
            Self::Unauthorized => refusals::incorrect_key("sk-revoked"),
            Self::Forbidden => refusals::refuse(
                403,
                "Country, region, or territory not supported",
                "request_forbidden",
                None,
                Some("unsupported_country_region_territory"),
            ),
            Self::QuotaExhausted => refusals::out_of_quota(),
            Self::RateLimited { retry_after } => refusals::rate_limited(retry_after.clone().map(|value| ("retry-after", value))),
            Self::RateLimitedFor { milliseconds } => refusals::rate_limited(Some(("retry-after-ms", milliseconds.to_string()))),
            Self::ModelNotFound => refusals::unknown_model(model),
            Self::RequestTimeout => refusals::server_error(408, "Request timed out."),
            Self::Conflict => refusals::refuse(409, "Another request changed this resource.", "invalid_request_error", None, None),
            Self::HtmlError => Reply::Page { status: 502, title: "502 Bad Gateway" },
            Self::HtmlRefusal { status } => Reply::Page { status: *status, title: "The proxy says no" },
            Self::HtmlAnswer => Reply::Page { status: 200, title: "Welcome to the network" },
            Self::Unavailable => refusals::server_error(503, "The engine is currently overloaded, please try again later."),
            Self::Overloaded => refusals::refuse(529, "Overloaded", "overloaded_error", None, None),
            Self::Cut => Reply::Cut { body: json!({ "object": "cut" }) },
            Self::Hang => Reply::Hang,
            _ => refusals::server_error(500, "The server had an error while processing your request. Sorry about that!"),
        }
    }
}

impl FromStr for Fault {
    type Err = String;

    /// As on the wire, where a name alone stands for the fault with what it has by default.
    fn from_str(text: &str) -> Result<Self, String> {
        serde_json::from_str(text)
            .or_else(|_| serde_json::from_value(json!(text)))
            .or_else(|_| serde_json::from_value(json!({ text: {} })))
            .map_err(|_| format!("'{text}' is no fault that can be scripted"))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_fault_can_be_said_by_its_name_or_with_what_it_takes() {
        assert_eq!("cut".parse(), Ok(Fault::Cut));
        assert_eq!("rate_limited".parse(), Ok(Fault::RateLimited { retry_after: None }));
        assert_eq!("drip".parse(), Ok(Fault::Drip { bytes: 1, every_ms: 1_000 }));
        assert_eq!(r#"{"html_refusal": {"status": 401}}"#.parse(), Ok(Fault::HtmlRefusal { status: 401 }));
        assert!("thunderstorm".parse::<Fault>().is_err());
    }
}
