//! What goes wrong on request.

use axum::body::{Body, Bytes};
use axum::http::header::CONTENT_LENGTH;
use axum::http::{HeaderValue, StatusCode};
use axum::response::{IntoResponse, Response};
use futures::stream;
use serde::Deserialize;

/// A call of the API.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Step {
    Token,
    Create,
    Capture,
    Show,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum FaultKind {
    /// 503, and nothing was done.
    Unavailable,
    /// Done, but the answer is 500.
    BrokenAnswer,
    /// The connection is cut before anything is done.
    CutBefore,
    /// Done, then the connection is cut in the answer.
    CutAfter,
    /// Done, and never answered.
    Hang,
}

impl FaultKind {
    /// Whether the call has its effect all the same.
    pub(super) fn is_done(self) -> bool {
        matches!(self, Self::BrokenAnswer | Self::CutAfter | Self::Hang)
    }

    /// What the caller gets instead of the answer.
    pub(super) async fn answer(self) -> Response {
        match self {
            Self::Unavailable => (StatusCode::SERVICE_UNAVAILABLE, "<html>Service Unavailable</html>").into_response(),
            Self::BrokenAnswer => (StatusCode::INTERNAL_SERVER_ERROR, "<html>Internal Server Error</html>").into_response(),
            Self::CutBefore | Self::CutAfter => cut(),
            Self::Hang => std::future::pending().await,
        }
    }
}

/// A fault that happens to the next calls of that step.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Fault {
    pub step: Step,
    pub kind: FaultKind,
    pub times: u32,
}

/// An answer that promises more than comes: the server closes the connection in the middle of it.
fn cut() -> Response {
    let body = stream::iter([Ok(Bytes::from_static(b"{")), Err(std::io::Error::other("cut on request"))]);
    let mut response = Response::new(Body::from_stream(body));
    response.headers_mut().insert(CONTENT_LENGTH, HeaderValue::from_static("1000"));
    response
}
