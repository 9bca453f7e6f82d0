//! `/healthz/` for whoever asks whether this process is alive, `/health/` for whoever asks whether the system works.

use axum::Json;
use axum::extract::{Query, State};
use axum::http::StatusCode;
use axum::response::{IntoResponse, Response};
use serde::Deserialize;
use serde_json::json;

use super::Shared;
use crate::health::Level;

/// `?full=1` asks for every check.
#[derive(Debug, Deserialize)]
pub(super) struct Wish {
    full: Option<String>,
}

/// Asks no store, so that an outage of Redis does not restart the process that shows it.
pub(super) async fn alive() -> Json<serde_json::Value> {
    Json(json!({ "status": "ok" }))
}

pub(super) async fn health(State(shared): State<Shared>, Query(wish): Query<Wish>) -> Response {
    let report = shared.health.report().await;
    let status = if report.status == Level::Unhealthy { StatusCode::SERVICE_UNAVAILABLE } else { StatusCode::OK };
    let full = wish.full.is_some_and(|full| full != "0" && !full.eq_ignore_ascii_case("false"));
    let body = match (full, report.status) {
        (true, _) => json!(*report),
        (false, Level::Unhealthy) => json!({ "status": "unhealthy" }),
        (false, _) => json!({ "status": "ok" }),
    };
    (status, Json(body)).into_response()
}
