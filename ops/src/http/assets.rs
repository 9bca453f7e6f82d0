//! The console's style, script and icon, built into the binary.

use axum::Router;
use axum::http::header;
use axum::routing::{MethodRouter, get};

use super::Shared;

/// Asked for anew with each page: they are small, and never older than the page that names them.
pub(super) fn routes() -> Router<Shared> {
    Router::new()
        .route("/assets/console.css", file("text/css; charset=utf-8", include_str!("../../assets/console.css")))
        .route("/assets/console.js", file("text/javascript; charset=utf-8", include_str!("../../assets/console.js")))
        .route("/favicon.svg", file("image/svg+xml", include_str!("../../assets/favicon.svg")))
}

fn file(content_type: &'static str, text: &'static str) -> MethodRouter<Shared> {
    get(async move || ([(header::CONTENT_TYPE, content_type), (header::CACHE_CONTROL, "no-cache")], text))
}
