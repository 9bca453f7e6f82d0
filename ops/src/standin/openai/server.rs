//! The server: its routes, and a handle on one that runs in this process.

use std::io;
use std::net::Ipv4Addr;

use axum::extract::{DefaultBodyLimit, State};
use axum::http::HeaderMap;
use axum::response::Response;
use axum::routing::{get, post};
use axum::{Json, Router};
use serde_json::{Value, json};
use tokio::net::TcpListener;
use tokio::task::JoinHandle;

use super::control::{Control, Options};
use super::counters::Counters;
use super::reply::Reply;
use super::respond::respond;
use super::state::{Inner, Shared};
use super::{REFUSED_KEY, batches, files, refusals};

/// As the real service: a request with pictures may be large.
const BODY_BYTES_MAX: usize = 64 * 1024 * 1024;
/// As the real service, for a file of questions; and a little for the form around it.
const FILE_BYTES_MAX: usize = 201 * 1024 * 1024;

/// A stand-in in this process, gone when dropped.
pub struct OpenAiStub {
    url: String,
    shared: Shared,
    server: JoinHandle<()>,
}

impl OpenAiStub {
    /// On a free loopback port.
    ///
    /// # Errors
    /// When there is none.
    pub async fn start(options: Options) -> io::Result<Self> {
        let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).await?;
        let url = format!("http://{}/v1", listener.local_addr()?);
        let shared = Shared::new(options);
        let app = router(shared.clone());
        let server = tokio::spawn(async move {
            if let Err(error) = axum::serve(listener, app).await {
                tracing::warn!(%error, "the OpenAI stand-in has stopped");
            }
        });
        Ok(Self { url, shared, server })
    }

    /// For OPENAI_BASE_URL.
    pub fn url(&self) -> &str {
        &self.url
    }

    /// As `POST /control`.
    pub fn control(&self, control: Control) {
        self.shared.apply(control);
    }

    /// As `GET /control`.
    pub fn counters(&self) -> Counters {
        self.shared.counters()
    }
}

impl Drop for OpenAiStub {
    fn drop(&mut self) {
        self.server.abort();
    }
}

/// Serves until the future is dropped.
///
/// # Errors
/// When the listener fails.
pub async fn serve(listener: TcpListener, options: Options) -> io::Result<()> {
    axum::serve(listener, router(Shared::new(options))).await
}

fn router(shared: Shared) -> Router {
    Router::new()
        .route("/v1/responses", post(respond))
        .route("/v1/models", get(models))
        .route("/v1/files", get(files::list).post(files::upload).layer(DefaultBodyLimit::max(FILE_BYTES_MAX)))
        .route("/v1/files/{id}", get(files::show).delete(files::delete))
        .route("/v1/files/{id}/content", get(files::content))
        .route("/v1/batches", get(batches::list).post(batches::create))
        .route("/v1/batches/{id}", get(batches::show))
        .route("/v1/batches/{id}/cancel", post(batches::cancel))
        .route("/control", get(counters).post(control))
        .layer(DefaultBodyLimit::max(BODY_BYTES_MAX))
        .with_state(shared)
}

async fn counters(State(shared): State<Shared>) -> Json<Counters> {
    Json(shared.counters())
}

async fn control(State(shared): State<Shared>, Json(control): Json<Control>) -> Json<Counters> {
    shared.apply(control);
    counters(State(shared)).await
}

async fn models(State(shared): State<Shared>, headers: HeaderMap) -> Response {
    tend(&shared, &headers, "GET /v1/models", |inner| {
        let models = inner.models.iter();
        let data: Vec<Value> =
            models.map(|id| json!({ "id": id, "object": "model", "created": 1_700_000_000, "owned_by": "system" })).collect();
        Reply::ok(json!({ "object": "list", "data": data }))
    })
    .await
}

/// Every route but the one that answers questions: refuses a bad key, does the work unless a fault is scripted for the route, and answers.
/// A line that is to be cut is cut after the work is done.
pub(super) async fn tend(shared: &Shared, headers: &HeaderMap, route: &str, work: impl FnOnce(&mut Inner) -> Reply) -> Response {
    let reply = match refuse_key(headers) {
        Some(refusal) => refusal,
        None => {
            let mut inner = shared.lock();
            match inner.scripted_for(route).map(|fault| fault.plain("")) {
                None => work(&mut inner),
                Some(cut @ Reply::Cut { .. }) => {
                    work(&mut inner);
                    cut
                }
                Some(refusal) => refusal,
            }
        }
    };
    reply.send(None).await
}

pub(super) fn refuse_key(headers: &HeaderMap) -> Option<Reply> {
    let key = headers.get("authorization").and_then(|value| value.to_str().ok()).and_then(|value| value.strip_prefix("Bearer "));
    match key {
        Some(key) if key != REFUSED_KEY && !key.is_empty() => None,
        Some(key) => Some(refusals::incorrect_key(key)),
        None => Some(refusals::missing_key()),
    }
}
