//! `/api/v1/queues/{queue}/limits` and `/keys`: how a queue is shared, for services that steer it.

use axum::extract::rejection::{JsonRejection, QueryRejection};
use axum::extract::{Path, Query, State};
use axum::{Extension, Json};
use celeriac_queue::{Limits, QueueName};
use serde::{Deserialize, Serialize};

use super::Shared;
use super::auth::Caller;
use super::request_id::RequestId;
use crate::actions::queues::{LimitsReport, set_limits};
use crate::error::Error;
use crate::views::keys::{self, KeyRow};

/// Keys of one answer.
const KEYS_MAX: usize = 1_000;
const KEYS_USUALLY: usize = 100;

/// `?limit=` of the list of keys.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct Page {
    limit: Option<usize>,
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
