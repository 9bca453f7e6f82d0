//! `POST /api/v1/batches`, `GET /api/v1/batches/{home}/{id}` and `POST /api/v1/chains`.

use axum::extract::rejection::JsonRejection;
use axum::extract::{Path, State};
use axum::http::StatusCode;
use axum::{Extension, Json};
use celeriac_queue::{BatchEnqueued, BatchId, ChainEnqueued, Origin, QueueName};

use super::Shared;
use super::auth::Caller;
use super::request_id::RequestId;
use crate::composite::{BatchRequest, ChainRequest, accept_batch, accept_chain};
use crate::error::Error;
use crate::views::batches::{self, BatchRow};

pub(super) async fn create(
    State(shared): State<Shared>,
    caller: Caller,
    Extension(RequestId(request_id)): Extension<RequestId>,
    body: Result<Json<BatchRequest>, JsonRejection>,
) -> Result<(StatusCode, Json<BatchEnqueued>), Error> {
    let Json(request) = body?;
    let accepted = accept_batch(&shared.stores, request, Origin::Http, Some(&request_id)).await?;
    tracing::info!(batch.id = %accepted.id, queue.name = %accepted.home, members = accepted.members, by = caller.0.as_str(), duplicate = accepted.duplicate, "accepted a batch");
    Ok((StatusCode::ACCEPTED, Json(accepted)))
}

pub(super) async fn show(
    State(shared): State<Shared>,
    _: Caller,
    Path((home, id)): Path<(String, String)>,
) -> Result<Json<BatchRow>, Error> {
    let unknown = || Error::NoSuchBatch(id.clone());
    let (home, batch) = (QueueName::parse(&home).map_err(|_| unknown())?, BatchId::parse(&id).map_err(|_| unknown())?);
    let inspector = shared.stores.inspector().await.map_err(Error::Unavailable)?;
    let found = batches::find(&inspector, &batch, Some(&home)).await.map_err(|error| Error::Unavailable(error.into()))?;
    found.map(Json).ok_or_else(unknown)
}

pub(super) async fn create_chain(
    State(shared): State<Shared>,
    caller: Caller,
    Extension(RequestId(request_id)): Extension<RequestId>,
    body: Result<Json<ChainRequest>, JsonRejection>,
) -> Result<(StatusCode, Json<ChainEnqueued>), Error> {
    let Json(request) = body?;
    let accepted = accept_chain(&shared.stores, request, Origin::Http, Some(&request_id)).await?;
    let first = &accepted.first;
    tracing::info!(job.id = %first.id, queue.name = %first.queue, links = accepted.links.len(), by = caller.0.as_str(), duplicate = first.duplicate, "accepted a chain");
    Ok((StatusCode::ACCEPTED, Json(accepted)))
}
