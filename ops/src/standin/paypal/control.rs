//! Steering the stand-in from another process.
//!
//! - `POST /control/fault` with `{"step": "capture", "kind": "cut_after", "times": 1}` (see [`Fault`]);
//! - `GET /control/captures`: invoice id → how often it was paid;
//! - `POST /control/forget`: every `PayPal-Request-Id`.

use std::collections::BTreeMap;

use axum::extract::State;
use axum::http::StatusCode;
use axum::routing::{get, post};
use axum::{Json, Router};

use super::Shared;
use super::fault::Fault;

pub(super) fn router() -> Router<Shared> {
    Router::new().route("/control/fault", post(fault)).route("/control/captures", get(captures)).route("/control/forget", post(forget))
}

async fn fault(State(shared): State<Shared>, Json(fault): Json<Fault>) -> StatusCode {
    shared.books().add_fault(fault);
    StatusCode::NO_CONTENT
}

async fn captures(State(shared): State<Shared>) -> Json<BTreeMap<String, usize>> {
    Json(shared.books().captures_by_invoice())
}

async fn forget(State(shared): State<Shared>) -> StatusCode {
    shared.books().forget_request_ids();
    StatusCode::NO_CONTENT
}
