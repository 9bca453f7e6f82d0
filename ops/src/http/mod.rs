//! The HTTP side: one router, one listener, a few rules that hold for every answer.

mod api;
mod assets;
mod auth;
mod batches;
mod console;
mod costs;
mod dead;
#[cfg(any(test, fuzzing))]
pub(crate) mod fuzzing;
mod gate;
mod log;
mod metrics;
mod probes;
mod queues;
mod request_id;
mod stats;

use std::net::SocketAddr;
use std::time::Duration;

use anyhow::Context;
use axum::extract::DefaultBodyLimit;
use axum::http::{HeaderName, HeaderValue, StatusCode, header};
use axum::middleware;
use axum::routing::{get, post, put};
use axum::{Router, serve as serve_http};
use celeriac_process::stop::Stop;
use tokio::net::TcpListener;
use tower_http::catch_panic::CatchPanicLayer;
use tower_http::set_header::SetResponseHeaderLayer;
use tower_http::timeout::TimeoutLayer;

use crate::error::Error;
use crate::health::Health;
use crate::stores::Stores;
use gate::Gate;

/// A body above this is refused: the largest payload and its envelope.
pub const BODY_BYTES_MAX: usize = 1_100_000;
/// Longest time for one answer.
const PATIENCE: Duration = Duration::from_secs(15);
/// Scripts and styles from here only, and nobody frames the console.
const CONTENT_POLICY: &str = "default-src 'self'; base-uri 'none'; form-action 'none'; frame-ancestors 'none'";

/// What handlers share.
#[derive(Clone)]
struct Shared {
    stores: Stores,
    health: Health,
    gate: Gate,
    /// Ends what would go on for ever: live logs.
    closing: Stop,
}

/// Listens at BIND until asked to stop; answers under way are finished.
///
/// # Errors
/// When BIND is open to the network and CONSOLE_PASSWORD is not set or too short, or the address cannot be listened at.
pub async fn serve(stores: Stores, stop: &Stop) -> anyhow::Result<()> {
    let bind = stores.settings().text("BIND").to_owned();
    let listener = TcpListener::bind(&bind).await.with_context(|| format!("cannot listen at BIND={bind}"))?;
    let address = listener.local_addr()?;
    let router = router_until(stores, address, stop.clone())?;
    tracing::info!(%address, "the console, the API, health and metrics are at http://{address}/");
    tokio::select! {
        served = serve_http(listener, router).with_graceful_shutdown(stop.token().cancelled_owned()) => served?,
        () = stop.forced() => {}
    }
    tracing::info!("stopped");
    Ok(())
}

/// The routes, as [`serve`] answers them at that address.
///
/// # Errors
/// When the address is open to the network and CONSOLE_PASSWORD is not set or too short.
pub fn router(stores: Stores, address: SocketAddr) -> anyhow::Result<Router> {
    router_until(stores, address, Stop::new())
}

fn router_until(stores: Stores, address: SocketAddr, closing: Stop) -> anyhow::Result<Router> {
    let gate = Gate::new(stores.settings().maybe_secret("CONSOLE_PASSWORD"), address)?;
    let shared = Shared { health: Health::new(stores.clone()), stores, gate, closing };
    let api = Router::new()
        .route("/api/v1/jobs", post(api::enqueue))
        .route("/api/v1/jobs/{id}", get(api::show))
        .route("/api/v1/jobs/{id}/log", get(log::log))
        .route("/api/v1/costs", get(costs::read))
        .route("/api/v1/stats", get(stats::all))
        .route("/api/v1/queues/{queue}/stats", get(stats::one))
        .route("/api/v1/queues/{queue}/dead", get(dead::list).delete(dead::delete))
        .route("/api/v1/queues/{queue}/dead/groups", get(dead::groups))
        .route("/api/v1/queues/{queue}/dead/replay", post(dead::replay))
        .route("/api/v1/batches", post(batches::create))
        .route("/api/v1/batches/{home}/{id}", get(batches::show))
        .route("/api/v1/chains", post(batches::create_chain))
        .route("/api/v1/queues/{queue}/limits", get(queues::limits).put(queues::put).delete(queues::clear))
        .route("/api/v1/queues/{queue}/keys", get(queues::keys))
        .route("/api/v1/queues/{queue}/pause", put(queues::pause).delete(queues::resume))
        .method_not_allowed_fallback(async || Error::WrongMethod)
        .layer(DefaultBodyLimit::max(BODY_BYTES_MAX));
    let console = Router::new()
        .route("/", get(console::page))
        .merge(assets::routes())
        .route_layer(middleware::from_fn_with_state(shared.clone(), gate::pass));
    let probes = Router::new()
        .route("/healthz", get(probes::alive))
        .route("/healthz/", get(probes::alive))
        .route("/health", get(probes::health))
        .route("/health/", get(probes::health))
        .route("/metrics", get(metrics::scrape));
    Ok(Router::new()
        .merge(api)
        .merge(console)
        .merge(probes)
        .fallback(async || Error::NoSuchPage)
        .layer(TimeoutLayer::with_status_code(StatusCode::SERVICE_UNAVAILABLE, PATIENCE))
        .layer(CatchPanicLayer::custom(panicked))
        .layer(fixed_header(header::CONTENT_SECURITY_POLICY, CONTENT_POLICY))
        .layer(fixed_header(header::X_CONTENT_TYPE_OPTIONS, "nosniff"))
        .layer(fixed_header(header::REFERRER_POLICY, "no-referrer"))
        .layer(fixed_header(header::CACHE_CONTROL, "no-store"))
        .layer(middleware::from_fn(request_id::carry))
        .with_state(shared))
}

fn fixed_header(name: HeaderName, value: &'static str) -> SetResponseHeaderLayer<HeaderValue> {
    SetResponseHeaderLayer::if_not_present(name, HeaderValue::from_static(value))
}

/// The panic itself is reported where it happened; the caller gets a plain 500.
fn panicked(_: Box<dyn std::any::Any + Send>) -> axum::response::Response {
    axum::response::IntoResponse::into_response(Error::Internal(anyhow::anyhow!("a handler panicked")))
}
