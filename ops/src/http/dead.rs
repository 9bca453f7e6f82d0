//! `/api/v1/queues/{queue}/dead`: dead jobs, their causes, their replay and deletion.

use axum::Json;
use axum::extract::rejection::{JsonRejection, QueryRejection};
use axum::extract::{Path, Query, State};
use celeriac_queue::{DEAD_READ_MAX, Fingerprint, JobId, QueueName, Rate};
use serde::Deserialize;

use super::Shared;
use super::auth::Caller;
use crate::actions::dead::{self, DeleteReport, ReplayReport, Selection, Which};
use crate::error::Error;
use crate::stores::Stores;
use crate::views::dead::GroupRow;
use crate::views::jobs::{self, JobRow};

/// Jobs in one answer.
const LIST_DEFAULT: usize = 50;
const LIST_MAX: usize = 1_000;

/// `?group=` only those of one cause; the newest `?limit=`.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct Listing {
    group: Option<Fingerprint>,
    limit: Option<usize>,
}

/// The body of a replay: exactly one of `id`, `group` and `all`.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct Replay {
    id: Option<JobId>,
    group: Option<Fingerprint>,
    #[serde(default)]
    all: bool,
    limit: Option<usize>,
    /// As in `10/s`.
    rate: Option<String>,
    #[serde(default)]
    dry_run: bool,
}

/// The query of a deletion: exactly one of `id`, `group` and `all=true`.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct Deletion {
    id: Option<JobId>,
    group: Option<Fingerprint>,
    #[serde(default)]
    all: bool,
    limit: Option<usize>,
    #[serde(default)]
    dry_run: bool,
}

pub(super) async fn list(
    State(shared): State<Shared>,
    _: Caller,
    Path(queue): Path<String>,
    listing: Result<Query<Listing>, QueryRejection>,
) -> Result<Json<Vec<JobRow>>, Error> {
    let Query(Listing { group, limit }) = listing.map_err(malformed)?;
    let queue = known_queue(&shared.stores, &queue).await?;
    let limit = limit.unwrap_or(LIST_DEFAULT).min(LIST_MAX);
    let inspector = shared.stores.inspector().await.map_err(Error::Unavailable)?;
    let rows = match group {
        Some(group) => jobs::of_group(&inspector, &group, Some(&queue), limit).await,
        None => jobs::in_state(&inspector, celeriac_queue::State::Dead, Some(&queue), limit).await,
    };
    rows.map(Json).map_err(|error| Error::Unavailable(error.into()))
}

pub(super) async fn groups(State(shared): State<Shared>, _: Caller, Path(queue): Path<String>) -> Result<Json<Vec<GroupRow>>, Error> {
    let queue = known_queue(&shared.stores, &queue).await?;
    let inspector = shared.stores.inspector().await.map_err(Error::Unavailable)?;
    let rows = crate::views::dead::groups(&inspector, Some(&queue), DEAD_READ_MAX).await;
    rows.map(Json).map_err(|error| Error::Unavailable(error.into()))
}

pub(super) async fn replay(
    State(shared): State<Shared>,
    Caller(actor): Caller,
    Path(queue): Path<String>,
    body: Result<Json<Replay>, JsonRejection>,
) -> Result<Json<ReplayReport>, Error> {
    let Json(Replay { id, group, all, limit, rate, dry_run }) = body?;
    let rate = rate.map(|text| Rate::parse(&text)).transpose().map_err(|error| Error::Invalid(error.to_string()))?;
    let which = which(id, group, all)?;
    let queue = known_queue(&shared.stores, &queue).await?;
    let selection = Selection { which, queue: Some(queue), limit };
    to_its_end(async move { Ok(dead::replay(&shared.stores, &actor, &selection, rate, dry_run).await?) }).await.map(Json)
}

pub(super) async fn delete(
    State(shared): State<Shared>,
    Caller(actor): Caller,
    Path(queue): Path<String>,
    query: Result<Query<Deletion>, QueryRejection>,
) -> Result<Json<DeleteReport>, Error> {
    let Query(Deletion { id, group, all, limit, dry_run }) = query.map_err(malformed)?;
    let which = which(id, group, all)?;
    let queue = known_queue(&shared.stores, &queue).await?;
    let selection = Selection { which, queue: Some(queue), limit };
    to_its_end(async move { Ok(dead::delete(&shared.stores, &actor, &selection, dry_run).await?) }).await.map(Json)
}

/// A caller that hangs up must not stop an action between Redis and the audit log.
async fn to_its_end<T: Send + 'static>(action: impl Future<Output = Result<T, Error>> + Send + 'static) -> Result<T, Error> {
    tokio::spawn(action).await.unwrap_or_else(|panicked| Err(Error::Internal(panicked.into())))
}

fn which(id: Option<JobId>, group: Option<Fingerprint>, all: bool) -> Result<Which, Error> {
    match (id, group, all) {
        (Some(id), None, false) => Ok(Which::Job(id)),
        (None, Some(group), false) => Ok(Which::Group(group)),
        (None, None, true) => Ok(Which::All),
        _ => Err(Error::Invalid("say which dead jobs: exactly one of id, group (a fingerprint) and all (true)".into())),
    }
}

/// The queue of the address; one that nobody ever enqueued to is refused, or a mistyped name would look like a queue without failures.
pub(super) async fn known_queue(stores: &Stores, name: &str) -> Result<QueueName, Error> {
    let queue = QueueName::parse(name).map_err(|_| Error::NoSuchQueue(name.to_owned()))?;
    let inspector = stores.inspector().await.map_err(Error::Unavailable)?;
    let known = inspector.queue_names().await.map_err(|error| Error::Unavailable(error.into()))?;
    if known.contains(&queue) { Ok(queue) } else { Err(Error::NoSuchQueue(name.to_owned())) }
}

fn malformed(rejection: QueryRejection) -> Error {
    Error::Malformed(rejection.body_text())
}
