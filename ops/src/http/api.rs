//! `POST /api/v1/jobs` and `GET /api/v1/jobs/{id}`: for web apps in any language, and for services that trigger jobs.

use std::time::Duration as Period;

use axum::extract::rejection::{JsonRejection, QueryRejection};
use axum::extract::{Path, Query, State};
use axum::http::StatusCode;
use axum::{Extension, Json};
use celeriac_queue::{JobId, Origin, QueueName, Unique};
use chrono::{DateTime, Duration, Utc};
use serde::Deserialize;
use serde_json::value::RawValue;

use super::Shared;
use super::auth::Caller;
use super::request_id::RequestId;
use crate::error::Error;
use crate::intake::{self, Accepted, NewJob};
use crate::lookup::{self, Found};

/// The body of `POST /api/v1/jobs`. An unknown field is refused: a mistyped `prioritty` must not pass in silence.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct Request {
    job: String,
    args: Option<Box<RawValue>>,
    queue: Option<QueueName>,
    priority: Option<u8>,
    run_at: Option<DateTime<Utc>>,
    delay_seconds: Option<f64>,
    id: Option<JobId>,
    expires_at: Option<DateTime<Utc>>,
    key: Option<String>,
    units: Option<u32>,
    unique: Option<UniqueRequest>,
    /// Through the outbox; the default, as the caller cannot see how Redis is kept.
    #[serde(default = "yes")]
    durable: bool,
}

/// `{}` makes a job unique by its name and arguments, while it waits or runs.
#[derive(Debug, Default, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub(super) struct UniqueRequest {
    key: Option<String>,
    /// queued, running or period.
    scope: Option<String>,
    period_seconds: Option<f64>,
    /// reject, replace or keep_last.
    conflict: Option<String>,
}

fn yes() -> bool {
    true
}

/// `?queue=` looks in one queue only.
#[derive(Debug, Deserialize)]
pub(super) struct Where {
    queue: Option<QueueName>,
}

pub(super) async fn enqueue(
    State(shared): State<Shared>,
    caller: Caller,
    Extension(RequestId(request_id)): Extension<RequestId>,
    body: Result<Json<Request>, JsonRejection>,
) -> Result<(StatusCode, Json<Accepted>), Error> {
    let Json(request) = body?;
    let run_at = request.due(Utc::now())?;
    let durable = request.durable;
    let unique = request.unique.map(UniqueRequest::read).transpose()?;
    let new = NewJob {
        job: request.job,
        args: request.args.unwrap_or_else(|| RawValue::from_string("{}".into()).expect("it is JSON")),
        queue: request.queue,
        priority: request.priority,
        run_at,
        id: request.id,
        expires_at: request.expires_at,
        key: request.key,
        units: request.units,
        unique,
        origin: Origin::Http,
        request_id: Some(request_id),
    };
    let job = new.job.clone();
    let accepted = intake::accept(&shared.stores, new, durable).await?;
    tracing::info!(job.id = %accepted.id, job.name = %job, queue.name = %accepted.queue, by = caller.0.as_str(), duplicate = accepted.duplicate, "accepted a job");
    Ok((StatusCode::ACCEPTED, Json(accepted)))
}

pub(super) async fn show(
    State(shared): State<Shared>,
    _: Caller,
    Path(id): Path<String>,
    place: Result<Query<Where>, QueryRejection>,
) -> Result<Json<Found>, Error> {
    let Query(place) = place.map_err(|error| Error::Malformed(error.body_text()))?;
    let parsed = JobId::parse(&id).map_err(|_| Error::NoSuchJob(id.clone()))?;
    let (found, _) = lookup::find(&shared.stores, &parsed, place.queue.as_ref()).await.map_err(Error::Unavailable)?;
    found.map(Json).ok_or(Error::NoSuchJob(id))
}

impl UniqueRequest {
    fn read(self) -> Result<Unique, Error> {
        let period = self.period_seconds.map(|seconds| Period::try_from_secs_f64(seconds).unwrap_or(Period::ZERO));
        Unique::from_words(self.key, self.scope.as_deref(), period, self.conflict.as_deref())
            .map_err(|error| Error::Invalid(error.to_string()))
    }
}

impl Request {
    pub(super) fn due(&self, now: DateTime<Utc>) -> Result<Option<DateTime<Utc>>, Error> {
        match (self.run_at, self.delay_seconds) {
            (Some(_), Some(_)) => Err(Error::Invalid("give run_at or delay_seconds, not both".into())),
            (at, None) => Ok(at),
            (None, Some(seconds)) => {
                let delay = Some(seconds).filter(|seconds| (0.0..=3.2e8).contains(seconds));
                let delay = delay.ok_or_else(|| Error::Invalid("delay_seconds must be a number from 0 to 320000000 (ten years)".into()))?;
                Ok(Some(now + Duration::milliseconds((delay * 1_000.0) as i64)))
            }
        }
    }
}
