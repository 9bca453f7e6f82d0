//! Every way a call can end.

use std::time::Duration;

/// How a call ended. Nothing in it holds text of the document or the key.
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub enum Outcome {
    /// The text of the answer, JSON as far as the provider promises.
    Answer { text: String, usage: Usage },
    /// The model declined. Paid.
    Refusal { usage: Usage },
    /// The answer was cut short, by its length (`max_output_tokens`) or by a filter. Paid.
    Incomplete { reason: String, usage: Usage },
    /// An answer without text, or one that is not JSON. Paid.
    InvalidJson { usage: Usage },
    /// 401 or 403: the key is wrong or may not do this.
    Unauthorized { status: u16 },
    /// 429 because the account has no money left.
    QuotaExhausted,
    /// 429: too fast.
    RateLimited { retry_after: Option<Duration> },
    /// The model does not exist, or not for this account.
    ModelNotFound,
    /// 404, but not for the model: nobody answers questions at that address.
    NotFound,
    /// 408 or 409: the request was not taken up, and may be made again.
    Busy { status: u16, retry_after: Option<Duration> },
    /// 413, or 429 for a question that is larger than what a minute allows: waiting does not help.
    TooLarge,
    /// A filter did not let the question through.
    Filtered,
    /// Another 4xx: the request itself is not accepted.
    BadRequest { status: u16, code: Option<String> },
    /// 5xx, or an answer that says the provider failed.
    ServerError { status: u16, retry_after: Option<Duration> },
    /// The question may not even have left: nothing was bought.
    ConnectionFailed { why: String },
    /// The question was sent, and no answer began within the time allowed. Nobody knows whether it was paid.
    NoFirstByte,
    /// No whole answer within the time allowed. Nobody knows whether it was paid.
    Timeout,
    /// The line was cut after the question was sent. Nobody knows whether it was paid.
    Cut { why: String },
    /// A success that is no answer of the Responses API (a proxy's page). Nobody knows whether it was paid.
    Unreadable { status: u16 },
}

/// What a call used.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Usage {
    /// The model that answered; a dated one behind the name that was asked.
    pub model: String,
    pub input_tokens: u32,
    pub output_tokens: u32,
    pub request_id: Option<String>,
    pub latency: Duration,
}

impl Outcome {
    /// For logs and the ledger.
    pub fn name(&self) -> &'static str {
        match self {
            Self::Answer { .. } => "answer",
            Self::Refusal { .. } => "refusal",
            Self::Incomplete { .. } => "incomplete",
            Self::InvalidJson { .. } => "invalid_json",
            Self::Unauthorized { .. } => "unauthorized",
            Self::QuotaExhausted => "quota_exhausted",
            Self::RateLimited { .. } => "rate_limited",
            Self::ModelNotFound => "model_not_found",
            Self::NotFound => "not_found",
            Self::Busy { .. } => "busy",
            Self::TooLarge => "too_large",
            Self::Filtered => "filtered",
            Self::BadRequest { .. } => "bad_request",
            Self::ServerError { .. } => "server_error",
            Self::ConnectionFailed { .. } => "connection_failed",
            Self::NoFirstByte => "no_first_byte",
            Self::Timeout => "timeout",
            Self::Cut { .. } => "cut",
            Self::Unreadable { .. } => "unreadable",
        }
    }
}
