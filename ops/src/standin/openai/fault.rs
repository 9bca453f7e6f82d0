//! Scripted failures, with the bodies that the real service (or a proxy before it) sends.

use axum::Json;
use axum::body::Body;
use axum::http::StatusCode;
use axum::response::{Html, IntoResponse, Response};
use serde::{Deserialize, Serialize};
use serde_json::{Value, json};

use super::answer;
use super::request::Request;

/// What one request gets instead of an answer. On the wire: `"unauthorized"`, `{"rate_limited": {"retry_after": "2"}}`, …
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Fault {
    /// 401, as for a revoked key.
    Unauthorized,
    /// 429 without money left.
    QuotaExhausted,
    /// 429, with a `Retry-After` as given (seconds or a date), or without.
    RateLimited {
        #[serde(default)]
        retry_after: Option<String>,
    },
    ModelNotFound,
    /// 500 with OpenAI's body.
    ServerError,
    /// 502 with a proxy's page.
    HtmlError,
    /// 200, and the line is cut in the middle of the body.
    Cut,
    /// 200 with a proxy's page in place of an answer.
    HtmlAnswer,
    /// The model declines.
    Refusal,
    /// The answer is cut short by its length.
    Incomplete,
    /// The answer is not JSON.
    InvalidJson,
    /// The answer is JSON, but not of the schema.
    OffSchema,
}

impl Fault {
    pub fn name(&self) -> &'static str {
        match self {
            Self::Unauthorized => "unauthorized",
            Self::QuotaExhausted => "quota_exhausted",
            Self::RateLimited { .. } => "rate_limited",
            Self::ModelNotFound => "model_not_found",
            Self::ServerError => "server_error",
            Self::HtmlError => "html_error",
            Self::Cut => "cut",
            Self::HtmlAnswer => "html_answer",
            Self::Refusal => "refusal",
            Self::Incomplete => "incomplete",
            Self::InvalidJson => "invalid_json",
            Self::OffSchema => "off_schema",
        }
    }

    pub(super) fn response(&self, request: &Request) -> Response {
        match self {
            Self::Unauthorized => incorrect_key("sk-revoked"),
            Self::QuotaExhausted => refuse(
                StatusCode::TOO_MANY_REQUESTS,
                "You exceeded your current quota, please check your plan and billing details.",
                "insufficient_quota",
                "insufficient_quota".into(),
            ),
            Self::RateLimited { retry_after } => rate_limited(retry_after.as_deref()),
            Self::ModelNotFound => refuse(
                StatusCode::NOT_FOUND,
                &format!("The model `{}` does not exist or you do not have access to it.", request.model),
                "invalid_request_error",
                "model_not_found".into(),
            ),
            Self::ServerError => refuse(
                StatusCode::INTERNAL_SERVER_ERROR,
                "The server had an error while processing your request. Sorry about that!",
                "server_error",
                Value::Null,
            ),
            Self::HtmlError => (StatusCode::BAD_GATEWAY, page("502 Bad Gateway")).into_response(),
            Self::Cut => cut(),
            Self::HtmlAnswer => page("Welcome to the network").into_response(),
            Self::Refusal => answer::refusal(request),
            Self::Incomplete => answer::incomplete(request, "max_output_tokens", "{\"summary\": \"The document is"),
            Self::InvalidJson => answer::completed(request, "Sure! Here is the analysis you asked for."),
            Self::OffSchema => answer::completed(request, "{\"answer\": 42}"),
        }
    }
}

pub(super) fn bad_request(sentence: &str) -> Response {
    refuse(StatusCode::BAD_REQUEST, sentence, "invalid_request_error", Value::Null)
}

pub(super) fn incorrect_key(key: &str) -> Response {
    let shown: String = key.chars().take(5).collect();
    let sentence =
        format!("Incorrect API key provided: {shown}****. You can find your API key at https://platform.openai.com/account/api-keys.");
    refuse(StatusCode::UNAUTHORIZED, &sentence, "invalid_request_error", "invalid_api_key".into())
}

pub(super) fn missing_key() -> Response {
    let sentence = "You didn't provide an API key. You need to provide your API key in an Authorization header using Bearer auth.";
    refuse(StatusCode::UNAUTHORIZED, sentence, "invalid_request_error", Value::Null)
}

fn refuse(status: StatusCode, message: &str, kind: &str, code: Value) -> Response {
    let id = format!("req_{}", uuid::Uuid::new_v4().simple());
    let body = json!({ "error": { "message": message, "type": kind, "param": null, "code": code } });
    (status, [("x-request-id", id)], Json(body)).into_response()
}

fn rate_limited(retry_after: Option<&str>) -> Response {
    let sentence = "Rate limit reached on tokens per min (TPM). Please try again later.";
    let mut response = refuse(StatusCode::TOO_MANY_REQUESTS, sentence, "tokens", "rate_limit_exceeded".into());
    if let Some(value) = retry_after.and_then(|value| value.parse().ok()) {
        response.headers_mut().insert("retry-after", value);
    }
    response
}

fn page(title: &str) -> Html<String> {
    Html(format!("<html><head><title>{title}</title></head><body><h1>{title}</h1></body></html>"))
}

/// Promises more than it sends.
fn cut() -> Response {
    let part: Result<&[u8], std::io::Error> = Ok(b"{\"id\": \"resp_cut\", \"object\": \"respo");
    let body = Body::from_stream(futures::stream::iter([part, Err(std::io::Error::other("the line was cut"))]));
    ([("content-type", "application/json")], body).into_response()
}
