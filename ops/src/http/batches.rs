//! `POST /api/v1/batches` and `GET /api/v1/batches/{home}/{id}`.

use axum::extract::rejection::JsonRejection;
use axum::extract::{Path, State};
use axum::http::StatusCode;
use axum::{Extension, Json};
use celeriac_queue::{BatchEnqueued, BatchId, QueueName, When};
use chrono::{DateTime, Utc};
use serde::Deserialize;
use serde_json::value::RawValue;

use super::Shared;
use super::auth::Caller;
use super::request_id::RequestId;
use crate::error::Error;
use crate::intake::{self, BatchJob};
use crate::views::batches::{self, BatchRow};

/// The body of `POST /api/v1/batches`. An unknown field is refused.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct Request {
    id: Option<BatchId>,
    jobs: Vec<Job>,
    on_success: Option<Job>,
    on_done: Option<Job>,
    on_failure: Option<Job>,
}

#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
struct Job {
    job: String,
    args: Option<Box<RawValue>>,
    queue: Option<QueueName>,
    priority: Option<u8>,
    delay_seconds: Option<f64>,
    expires_at: Option<DateTime<Utc>>,
    key: Option<String>,
    units: Option<u32>,
}

impl From<Job> for BatchJob {
    fn from(job: Job) -> Self {
        Self {
            job: job.job,
            args: job.args,
            queue: job.queue,
            priority: job.priority,
            delay_seconds: job.delay_seconds,
            expires_at: job.expires_at,
            key: job.key,
            units: job.units,
        }
    }
}

pub(super) async fn create(
    State(shared): State<Shared>,
    caller: Caller,
    Extension(RequestId(request_id)): Extension<RequestId>,
    body: Result<Json<Request>, JsonRejection>,
) -> Result<(StatusCode, Json<BatchEnqueued>), Error> {
    let Json(request) = body?;
    let callbacks = [(When::Success, request.on_success), (When::Done, request.on_done), (When::Failure, request.on_failure)];
    let callbacks = callbacks.into_iter().filter_map(|(when, job)| Some((when, job?.into()))).collect();
    let jobs = request.jobs.into_iter().map(BatchJob::from).collect();
    let accepted = intake::accept_batch(&shared.stores, request.id, jobs, callbacks, &request_id).await?;
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
