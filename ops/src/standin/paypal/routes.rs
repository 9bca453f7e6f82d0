//! The calls that PayPal answers.

use axum::body::Bytes;
use axum::extract::{Path, State};
use axum::http::header::AUTHORIZATION;
use axum::http::{HeaderMap, StatusCode};
use axum::response::{IntoResponse, Response};
use axum::routing::{get, post};
use axum::{Json, Router};
use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use serde::de::DeserializeOwned;
use serde_json::json;

use super::books::{Books, Reply};
use super::fault::{FaultKind, Step};
use super::wire::Refusal;
use super::{CLIENT_ID, CLIENT_SECRET, Shared, control};

/// Seconds, as PayPal grants them.
const TOKEN_SECONDS: u32 = 32_400;

pub(super) fn router(shared: Shared) -> Router {
    Router::new()
        .route("/v1/oauth2/token", post(token))
        .route("/v2/checkout/orders", post(create))
        .route("/v2/checkout/orders/{id}", get(show))
        .route("/v2/checkout/orders/{id}/capture", post(capture))
        .merge(control::router())
        .with_state(shared)
}

async fn token(State(shared): State<Shared>, headers: HeaderMap, body: String) -> Response {
    let expected = format!("Basic {}", STANDARD.encode(format!("{CLIENT_ID}:{CLIENT_SECRET}")));
    answer(&shared, Step::Token, |books| {
        if header(&headers, AUTHORIZATION.as_str()) != Some(&expected) {
            let body = json!({ "error": "invalid_client", "error_description": "Client Authentication failed" });
            return Err(Refusal { status: StatusCode::UNAUTHORIZED, body });
        }
        if body != "grant_type=client_credentials" {
            let body = json!({ "error": "unsupported_grant_type", "error_description": "Unsupported grant_type" });
            return Err(Refusal { status: StatusCode::BAD_REQUEST, body });
        }
        let token = books.grant_token();
        Ok((StatusCode::OK, json!({ "scope": "", "access_token": token, "token_type": "Bearer", "expires_in": TOKEN_SECONDS })))
    })
    .await
}

async fn create(State(shared): State<Shared>, headers: HeaderMap, body: Bytes) -> Response {
    answer(&shared, Step::Create, |books| {
        authorized(books, &headers)?;
        let request = read(&body)?;
        books.once("create", request_id(&headers), |books| books.create_order(request))
    })
    .await
}

async fn show(State(shared): State<Shared>, Path(id): Path<String>, headers: HeaderMap) -> Response {
    answer(&shared, Step::Show, |books| {
        authorized(books, &headers)?;
        Ok((StatusCode::OK, books.order(&id)?))
    })
    .await
}

async fn capture(State(shared): State<Shared>, Path(id): Path<String>, headers: HeaderMap, body: Bytes) -> Response {
    answer(&shared, Step::Capture, |books| {
        authorized(books, &headers)?;
        books.capture_calls += 1;
        let request = read(&body)?;
        books.once(&format!("capture {id}"), request_id(&headers), |books| books.capture(&id, &request))
    })
    .await
}

/// Does the work and answers, unless a fault is due that prevents the one or the other.
async fn answer(shared: &Shared, step: Step, work: impl FnOnce(&mut Books) -> Reply) -> Response {
    let fault = shared.books().begin_call(step);
    let reply = if fault.is_none_or(|fault| fault.is_done()) { Some(work(&mut shared.books())) } else { None };
    if fault == Some(FaultKind::Hang) {
        shared.books().hanging += 1;
    }
    match (fault, reply) {
        (Some(fault), _) => fault.answer().await,
        (None, Some(Ok((status, body)))) => (status, Json(body)).into_response(),
        (None, Some(Err(refusal))) => refusal.into_response(),
        (None, None) => unreachable!("only a fault prevents the work"),
    }
}

fn authorized(books: &Books, headers: &HeaderMap) -> Result<(), Refusal> {
    let token = header(headers, AUTHORIZATION.as_str()).and_then(|value| value.strip_prefix("Bearer "));
    token.filter(|token| books.knows_token(token)).map(|_| ()).ok_or_else(Refusal::unauthorized)
}

fn read<T: DeserializeOwned>(body: &[u8]) -> Result<T, Refusal> {
    serde_json::from_slice(body).map_err(|error| Refusal::invalid("MALFORMED_REQUEST_JSON", &error.to_string()))
}

fn request_id(headers: &HeaderMap) -> Option<&str> {
    header(headers, "paypal-request-id")
}

fn header<'a>(headers: &'a HeaderMap, name: &str) -> Option<&'a str> {
    headers.get(name).and_then(|value| value.to_str().ok())
}
