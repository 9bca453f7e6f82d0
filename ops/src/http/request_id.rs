//! The request id: taken from the caller or made here, in every log line, in the answer, and in the jobs it enqueues.

use axum::extract::Request;
use axum::http::{HeaderName, HeaderValue};
use axum::middleware::Next;
use axum::response::Response;
use tracing::Instrument;
use uuid::Uuid;

static HEADER: HeaderName = HeaderName::from_static("x-request-id");
/// A longer one is not carried on.
const CHARS_MAX: usize = 200;

/// Put into the request's extensions.
#[derive(Debug, Clone)]
pub(super) struct RequestId(pub(super) String);

pub(super) async fn carry(mut request: Request, next: Next) -> Response {
    let id = given(&request).unwrap_or_else(|| Uuid::now_v7().to_string());
    let span = tracing::info_span!("request", request.id = %id, http.method = %request.method(), http.path = request.uri().path());
    request.extensions_mut().insert(RequestId(id.clone()));
    let begun = std::time::Instant::now();
    async {
        let mut response = next.run(request).await;
        tracing::debug!(http.status = response.status().as_u16(), duration_ms = begun.elapsed().as_millis() as u64, "answered");
        if let Ok(value) = HeaderValue::from_str(&id) {
            response.headers_mut().insert(HEADER.clone(), value);
        }
        response
    }
    .instrument(span)
    .await
}

/// Only what is safe to log and to store.
fn given(request: &Request) -> Option<String> {
    let text = request.headers().get(&HEADER)?.to_str().ok()?;
    ((1..=CHARS_MAX).contains(&text.len()) && text.bytes().all(|b| b.is_ascii_graphic())).then(|| text.to_owned())
}
