//! `/api/v1/queues/{queue}/limits`, `/keys` and `/pause`: how a queue is shared and whether it goes on, for services that steer it.

use std::time::Duration;

use axum::extract::rejection::{JsonRejection, QueryRejection};
use axum::extract::{Path, Query, State};
use axum::{Extension, Json};
use celeriac_queue::{Limits, QueueName};
use serde::{Deserialize, Serialize};

use super::Shared;
use super::auth::Caller;
use super::request_id::RequestId;
use crate::actions::queues::{self, LimitsReport, PauseReport, set_limits};
use crate::error::Error;
use crate::views::keys::{self, KeyRow};

/// Keys of one answer.
const KEYS_MAX: usize = 1_000;
const KEYS_USUALLY: usize = 100;
const SECONDS_MAX: f64 = 3.2e8;

/// `?limit=` of the list of keys.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct Page {
    limit: Option<usize>,
}

/// The body of a pause. An unknown field is refused.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct PauseRequest {
    reason: String,
    /// Resumes by itself after so long.
    for_seconds: Option<f64>,
}

/// Those with the most jobs first.
#[derive(Debug, Serialize)]
pub(super) struct Keys {
    queue: QueueName,
    keys: Vec<KeyRow>,
}

pub(super) async fn limits(State(shared): State<Shared>, _: Caller, Path(queue): Path<String>) -> Result<Json<LimitsReport>, Error> {
    let queue = named(&queue)?;
    let inspector = shared.stores.inspector().await.map_err(Error::Unavailable)?;
    let limits = inspector.limits(&queue).await.map_err(|error| Error::Unavailable(error.into()))?;
    Ok(Json(LimitsReport { queue, limits, note: None }))
}

/// Replaces all limits of the queue by those of the body.
pub(super) async fn put(
    State(shared): State<Shared>,
    caller: Caller,
    Extension(RequestId(request_id)): Extension<RequestId>,
    Path(queue): Path<String>,
    body: Result<Json<Limits>, JsonRejection>,
) -> Result<Json<LimitsReport>, Error> {
    let Json(limits) = body?;
    change(&shared, &caller, &request_id, &queue, limits).await
}

pub(super) async fn clear(
    State(shared): State<Shared>,
    caller: Caller,
    Extension(RequestId(request_id)): Extension<RequestId>,
    Path(queue): Path<String>,
) -> Result<Json<LimitsReport>, Error> {
    change(&shared, &caller, &request_id, &queue, Limits::default()).await
}

async fn change(shared: &Shared, caller: &Caller, request_id: &str, queue: &str, limits: Limits) -> Result<Json<LimitsReport>, Error> {
    let queue = named(queue)?;
    let report = set_limits(&shared.stores, &caller.0, &queue, limits).await.map_err(|error| {
        match error.downcast_ref::<celeriac_queue::Error>() {
            Some(celeriac_queue::Error::InvalidName { .. }) => Error::Invalid(error.to_string()),
            _ => Error::Unavailable(error),
        }
    })?;
    tracing::info!(queue.name = %queue, request.id = request_id, by = caller.0.as_str(), "changed the limits of a queue");
    Ok(Json(report))
}

/// Pauses the queue; the first reason stands.
pub(super) async fn pause(
    State(shared): State<Shared>,
    caller: Caller,
    Extension(RequestId(request_id)): Extension<RequestId>,
    Path(queue): Path<String>,
    body: Result<Json<PauseRequest>, JsonRejection>,
) -> Result<Json<PauseReport>, Error> {
    let queue = named(&queue)?;
    let Json(PauseRequest { reason, for_seconds }) = body?;
    if reason.trim().is_empty() {
        return Err(Error::Invalid("a pause needs a reason: whoever looks at the queue will want to know it".into()));
    }
    let time = match for_seconds {
        Some(seconds) if !(0.0..=SECONDS_MAX).contains(&seconds) => {
            return Err(Error::Invalid("for_seconds must be a number from 0 to 320000000 (ten years)".into()));
        }
        seconds => seconds.map(Duration::from_secs_f64),
    };
    let report = queues::pause(&shared.stores, &caller.0, &queue, reason.trim(), time).await.map_err(Error::Unavailable)?;
    tracing::info!(queue.name = %queue, request.id = request_id, by = caller.0.as_str(), changed = report.changed, "paused a queue");
    Ok(Json(report))
}

pub(super) async fn resume(
    State(shared): State<Shared>,
    caller: Caller,
    Extension(RequestId(request_id)): Extension<RequestId>,
    Path(queue): Path<String>,
) -> Result<Json<PauseReport>, Error> {
    let queue = named(&queue)?;
    let report = queues::resume(&shared.stores, &caller.0, &queue).await.map_err(Error::Unavailable)?;
    tracing::info!(queue.name = %queue, request.id = request_id, by = caller.0.as_str(), changed = report.changed, "resumed a queue");
    Ok(Json(report))
}

pub(super) async fn keys(
    State(shared): State<Shared>,
    _: Caller,
    Path(queue): Path<String>,
    page: Result<Query<Page>, QueryRejection>,
) -> Result<Json<Keys>, Error> {
    let queue = named(&queue)?;
    let Query(page) = page.map_err(|error| Error::Malformed(error.body_text()))?;
    let limit = page.limit.unwrap_or(KEYS_USUALLY).min(KEYS_MAX);
    let inspector = shared.stores.inspector().await.map_err(Error::Unavailable)?;
    let keys = keys::all(&inspector, &queue, limit).await.map_err(|error| Error::Unavailable(error.into()))?;
    Ok(Json(Keys { queue, keys }))
}

fn named(queue: &str) -> Result<QueueName, Error> {
    QueueName::parse(queue).map_err(|error| Error::Invalid(error.to_string()))
}
