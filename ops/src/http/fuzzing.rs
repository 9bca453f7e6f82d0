//! The HTTP part of [`crate::fuzzing`].

use axum::http::{HeaderMap, HeaderValue, header};
use chrono::Utc;

use super::{api, gate};

/// The values of `Authorization` and `Host`.
pub(crate) fn headers(authorization: &[u8], host: &[u8]) {
    let mut headers = HeaderMap::new();
    let pairs = [(header::AUTHORIZATION, authorization), (header::HOST, host)];
    headers.extend(pairs.into_iter().filter_map(|(name, value)| Some((name, HeaderValue::from_bytes(value).ok()?))));
    gate::try_headers(&headers);
}

/// The body of `POST /api/v1/jobs`: refused, or due at a moment that the outbox and Redis can keep.
pub(crate) fn job_body(body: &[u8]) {
    let Ok(request) = serde_json::from_slice::<api::Request>(body) else { return };
    if let Ok(Some(due)) = request.due(Utc::now()) {
        crate::intake::millis(due);
    }
}
