//! The server: routes, script and counters.

use std::collections::{BTreeMap, VecDeque};
use std::io;
use std::net::Ipv4Addr;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use axum::body::Bytes;
use axum::extract::{DefaultBodyLimit, State};
use axum::http::HeaderMap;
use axum::response::{IntoResponse, Response};
use axum::routing::{get, post};
use axum::{Json, Router};
use serde::{Deserialize, Serialize};
use serde_json::{Value, json};
use sha2::{Digest, Sha256};
use tokio::net::TcpListener;
use tokio::task::JoinHandle;

use super::fault::Fault;
use super::{REFUSED_KEY, answer, fault, request};

/// As the real service: a request with pictures may be large.
const BODY_BYTES_MAX: usize = 64 * 1024 * 1024;
/// Digests that are kept; beyond it only the counters go on.
const DIGESTS_MAX: usize = 100_000;

/// How the stand-in begins.
#[derive(Debug, Clone, Default)]
pub struct Options {
    /// How long each answer takes.
    pub latency: Duration,
    /// What the first requests get instead of an answer, in order.
    pub next: Vec<Fault>,
}

/// What `POST /control` takes. What is left out stays as it is.
#[derive(Debug, Clone, Default, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Control {
    #[serde(skip_serializing_if = "Option::is_none")]
    pub latency_ms: Option<u64>,
    /// Appended to the script.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub next: Vec<Fault>,
    /// True: forgets the script and the counters first.
    #[serde(default)]
    pub reset: bool,
}

/// What `GET /control` tells.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Counters {
    /// Requests for an answer, however they ended.
    pub requests: u64,
    /// Requests whose answer is still being waited for.
    pub in_flight: u64,
    /// How they ended: `answer`, or the name of a fault.
    pub outcomes: BTreeMap<String, u64>,
    /// SHA-256 of each request's body, in order of arrival.
    pub digests: Vec<String>,
}

#[derive(Default)]
struct Inner {
    latency: Duration,
    next: VecDeque<Fault>,
    models: Vec<String>,
    counters: Counters,
}

#[derive(Clone, Default)]
struct Shared(Arc<Mutex<Inner>>);

impl Shared {
    fn new(options: Options) -> Self {
        Self(Arc::new(Mutex::new(Inner { latency: options.latency, next: options.next.into(), ..Inner::default() })))
    }

    fn lock(&self) -> MutexGuard<'_, Inner> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn apply(&self, control: Control) {
        let mut inner = self.lock();
        if control.reset {
            let in_flight = inner.counters.in_flight;
            inner.next.clear();
            inner.counters = Counters { in_flight, ..Counters::default() };
        }
        if let Some(milliseconds) = control.latency_ms {
            inner.latency = Duration::from_millis(milliseconds);
        }
        inner.next.extend(control.next);
    }
}

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
        self.shared.lock().counters.clone()
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
        .route("/control", get(counters).post(control))
        .layer(DefaultBodyLimit::max(BODY_BYTES_MAX))
        .with_state(shared)
}

async fn counters(State(shared): State<Shared>) -> Json<Counters> {
    Json(shared.lock().counters.clone())
}

async fn control(State(shared): State<Shared>, Json(control): Json<Control>) -> Json<Counters> {
    shared.apply(control);
    counters(State(shared)).await
}

async fn models(State(shared): State<Shared>, headers: HeaderMap) -> Response {
    if let Some(refusal) = refuse_key(&headers) {
        return refusal;
    }
    let data: Vec<Value> = shared
        .lock()
        .models
        .iter()
        .map(|id| json!({ "id": id, "object": "model", "created": 1_700_000_000, "owned_by": "system" }))
        .collect();
    Json(json!({ "object": "list", "data": data })).into_response()
}

/// Counts a request as in flight until its answer is made or its client is gone.
struct InFlight(Shared);

impl InFlight {
    fn enter(shared: &Shared) -> Self {
        shared.lock().counters.in_flight += 1;
        Self(shared.clone())
    }
}

impl Drop for InFlight {
    fn drop(&mut self) {
        self.0.lock().counters.in_flight -= 1;
    }
}

async fn respond(State(shared): State<Shared>, headers: HeaderMap, body: Bytes) -> Response {
    let in_flight = InFlight::enter(&shared);
    let (latency, fault) = {
        let mut inner = shared.lock();
        inner.counters.requests += 1;
        if inner.counters.digests.len() < DIGESTS_MAX {
            inner.counters.digests.push(hex::encode(Sha256::digest(&body)));
        }
        (inner.latency, inner.next.pop_front())
    };
    if !latency.is_zero() {
        tokio::time::sleep(latency).await;
    }
    let (outcome, response) = answer_or_refuse(&shared, &headers, &body, fault);
    *shared.lock().counters.outcomes.entry(outcome).or_default() += 1;
    drop(in_flight);
    response
}

fn answer_or_refuse(shared: &Shared, headers: &HeaderMap, body: &[u8], scripted: Option<Fault>) -> (String, Response) {
    if let Some(refusal) = refuse_key(headers) {
        return ("unauthorized".to_owned(), refusal);
    }
    let request = match request::read(body) {
        Ok(request) => request,
        Err(sentence) => return ("bad_request".to_owned(), fault::bad_request(&sentence)),
    };
    {
        let mut inner = shared.lock();
        if !inner.models.contains(&request.model) {
            inner.models.push(request.model.clone());
        }
    }
    match scripted {
        Some(fault) => (fault.name().to_owned(), fault.response(&request)),
        None => ("answer".to_owned(), answer::response(&request)),
    }
}

fn refuse_key(headers: &HeaderMap) -> Option<Response> {
    let key = headers.get("authorization").and_then(|value| value.to_str().ok()).and_then(|value| value.strip_prefix("Bearer "));
    match key {
        Some(key) if key != REFUSED_KEY && !key.is_empty() => None,
        Some(key) => Some(fault::incorrect_key(key)),
        None => Some(fault::missing_key()),
    }
}
