//! One HTTP exchange with the provider: sent once, and a refusal kept whole (status, headers, code) for the caller to judge.

use std::error::Error;
use std::fmt;
use std::future::Future;
use std::pin::Pin;
use std::sync::{Arc, Mutex};
use std::task::{Context, Poll};
use std::time::Duration;

use async_openai::error::OpenAIError;
use async_openai::middleware::HttpRequestFactory;
use chrono::Utc;
use reqwest::Response;
use reqwest::header::HeaderMap;
use serde::Deserialize;

use super::learned::Learned;
use super::retry_after::retry_after;

/// A refusal's body is a short JSON object; a proxy's page may be anything.
const REFUSAL_BYTES_MAX: usize = 64 * 1024;

/// The service that async-openai sends through. Made anew for each call, so that it can remember that call's headers.
#[derive(Clone)]
pub(super) struct Exchange {
    http: reqwest::Client,
    /// Until the head of the answer.
    first_byte_timeout: Duration,
    heard: Arc<Mutex<Heard>>,
}

/// What the head of the answer said, whatever it was an answer with.
#[derive(Debug, Clone, Default)]
pub(super) struct Heard {
    /// The provider's name for the exchange.
    pub(super) request_id: Option<String>,
    pub(super) learned: Learned,
}

/// The question was sent, and nothing came back in time.
#[derive(Debug)]
pub(super) struct NoFirstByte;

impl fmt::Display for NoFirstByte {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("OpenAI did not begin to answer in time")
    }
}

impl Error for NoFirstByte {}

/// An answer that is not a success.
#[derive(Debug)]
pub(super) struct Refused {
    pub(super) status: u16,
    /// `error.code`, or `error.type` without one; the message is left out as it may quote the request.
    pub(super) code: Option<String>,
    /// Only the message tells a request that is larger than the limit of a minute from one that came too early.
    pub(super) too_large: bool,
    pub(super) retry_after: Option<Duration>,
}

impl fmt::Display for Refused {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "OpenAI answered with status {} ({})", self.status, self.code.as_deref().unwrap_or("no code"))
    }
}

impl Error for Refused {}

impl Exchange {
    pub(super) fn new(http: reqwest::Client, first_byte_timeout: Duration) -> Self {
        Self { http, first_byte_timeout, heard: Arc::default() }
    }

    /// Once it has answered.
    pub(super) fn heard(&self) -> Heard {
        self.heard.lock().map(|heard| heard.clone()).unwrap_or_default()
    }

    async fn send(self, request: HttpRequestFactory) -> Result<Response, OpenAIError> {
        let sent = self.http.execute(request.build().await?);
        let response = match tokio::time::timeout(self.first_byte_timeout, sent).await {
            Ok(response) => response?,
            Err(_) => return Err(OpenAIError::Boxed(Box::new(NoFirstByte))),
        };
        let header = response.headers().get("x-request-id").and_then(|id| id.to_str().ok());
        if let Ok(mut heard) = self.heard.lock() {
            heard.request_id = header.map(|id| id.chars().take(200).collect());
            heard.learned = Learned::of(response.headers());
        }
        if response.status().is_success() {
            return Ok(response);
        }
        Err(OpenAIError::Boxed(Box::new(refused(response).await)))
    }
}

impl tower::Service<HttpRequestFactory> for Exchange {
    type Response = Response;
    type Error = OpenAIError;
    type Future = Pin<Box<dyn Future<Output = Result<Response, OpenAIError>> + Send>>;

    fn poll_ready(&mut self, _: &mut Context<'_>) -> Poll<Result<(), OpenAIError>> {
        Poll::Ready(Ok(()))
    }

    fn call(&mut self, request: HttpRequestFactory) -> Self::Future {
        Box::pin(self.clone().send(request))
    }
}

pub(super) async fn refused(mut response: Response) -> Refused {
    let mut body = Vec::new();
    // Whatever of the body does not arrive or is not ours changes nothing: the status has decided.
    while let Ok(Some(piece)) = response.chunk().await {
        body.extend_from_slice(&piece);
        if body.len() > REFUSAL_BYTES_MAX {
            break;
        }
    }
    Refused::of(response.status().as_u16(), response.headers(), &body)
}

impl Refused {
    pub(super) fn of(status: u16, headers: &HeaderMap, body: &[u8]) -> Self {
        let error = serde_json::from_slice::<Body>(body).ok().map(|body| body.error);
        let too_large =
            error.as_ref().and_then(|error| error.message.as_deref()).is_some_and(|message| message.starts_with("Request too large"));
        let code = error.and_then(|error| error.code.or(error.kind)).map(|code| code.chars().take(100).collect());
        Self { status, code, too_large, retry_after: retry_after(headers, Utc::now()) }
    }
}

#[derive(Deserialize)]
struct Body {
    error: ErrorBody,
}

#[derive(Deserialize)]
struct ErrorBody {
    code: Option<String>,
    message: Option<String>,
    #[serde(rename = "type")]
    kind: Option<String>,
}
