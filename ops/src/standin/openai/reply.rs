//! What goes back for a request, before it is bytes on a line: a batch needs the same answers and refusals without the line.

use axum::Json;
use axum::http::StatusCode;
use axum::http::header::{HeaderName, HeaderValue};
use axum::response::{Html, IntoResponse, Response};
use serde_json::Value;

use super::bodies;
use super::state::InFlight;

pub(super) type Header = (&'static str, String);

#[derive(Debug, Clone, PartialEq)]
pub(super) enum Reply {
    Json {
        status: u16,
        headers: Vec<Header>,
        body: Value,
    },
    /// A proxy's page.
    Page {
        status: u16,
        title: &'static str,
    },
    /// Promises more than it sends.
    Cut {
        body: Value,
    },
    /// So many bytes at a time, with a pause after each.
    Drip {
        body: Value,
        bytes: usize,
        every_ms: u64,
    },
    /// The status and the first bytes, then silence on an open line.
    Stall {
        body: Value,
    },
    /// Nothing at all, on an open line.
    Hang,
}

impl Reply {
    pub(super) fn ok(body: Value) -> Self {
        Self::Json { status: 200, headers: Vec::new(), body }
    }

    #[must_use]
    pub(super) fn with_headers(mut self, more: impl IntoIterator<Item = Header>) -> Self {
        if let Self::Json { headers, .. } = &mut self {
            headers.extend(more);
        }
        self
    }

    /// Onto the line. What is `in_flight` stays so until the last byte is sent.
    pub(super) async fn send(self, in_flight: Option<InFlight>) -> Response {
        match self {
            Self::Json { status, headers, body } => {
                let id = format!("req_{}", uuid::Uuid::new_v4().simple());
                let mut response =
                    (status_of(status), [("x-request-id", id), ("openai-version", "2020-10-01".to_owned())], Json(body)).into_response();
                add(&mut response, headers);
                response
            }
            Self::Page { status, title } => (status_of(status), page(title)).into_response(),
            Self::Cut { body } => bodies::cut(&body),
            Self::Drip { body, bytes, every_ms } => bodies::drip(&body, bytes, every_ms, in_flight),
            Self::Stall { body } => bodies::stall(&body, in_flight),
            Self::Hang => std::future::pending().await,
        }
    }
}

/// Headers that stand on whatever is sent; one that is no header is left out, as scripts may ask for anything.
pub(super) fn add(response: &mut Response, headers: impl IntoIterator<Item = Header>) {
    for (name, value) in headers {
        if let Ok(value) = HeaderValue::from_str(&value) {
            response.headers_mut().insert(HeaderName::from_static(name), value);
        }
    }
}

fn status_of(status: u16) -> StatusCode {
    StatusCode::from_u16(status).unwrap_or(StatusCode::INTERNAL_SERVER_ERROR)
}

fn page(title: &str) -> Html<String> {
    Html(format!("<html><head><title>{title}</title></head><body><h1>{title}</h1></body></html>"))
}
