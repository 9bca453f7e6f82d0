//! `GET /api/v1/jobs/{id}/log`: what a job says while it runs; with `?follow=true` live, as server-sent events.

use std::convert::Infallible;
use std::time::Duration;

use axum::Json;
use axum::extract::rejection::QueryRejection;
use axum::extract::{Path, Query, State};
use axum::response::sse::{Event, KeepAlive, Sse};
use axum::response::{IntoResponse, Response};
use celeriac_process::stop::Stop;
use celeriac_queue::{Follower, JobId, QueueName};
use futures::Stream;
use serde::Deserialize;

use super::Shared;
use super::auth::Caller;
use crate::error::Error;
use crate::views::jobs;

/// A follower that wants more comes again, and hears the stored lines once more.
const LONGEST: Duration = Duration::from_secs(3_600);

#[derive(Debug, Deserialize)]
pub(super) struct How {
    queue: Option<QueueName>,
    #[serde(default)]
    follow: bool,
}

pub(super) async fn log(
    State(shared): State<Shared>,
    _: Caller,
    Path(id): Path<String>,
    how: Result<Query<How>, QueryRejection>,
) -> Result<Response, Error> {
    let Query(how) = how.map_err(|error| Error::Malformed(error.body_text()))?;
    let parsed = JobId::parse(&id).map_err(|_| Error::NoSuchJob(id.clone()))?;
    let inspector = shared.stores.inspector().await.map_err(Error::Unavailable)?;
    let row = jobs::find(&inspector, &parsed, how.queue.as_ref()).await.map_err(|error| Error::Unavailable(error.into()))?;
    let row = row.ok_or(Error::NoSuchJob(id))?;
    if !how.follow {
        let lines = inspector.log(&row.queue, &parsed).await.map_err(|error| Error::Unavailable(error.into()))?;
        return Ok(Json(lines).into_response());
    }
    let client = shared.stores.client().await.map_err(Error::Unavailable)?;
    let follower = client.follow(&row.queue, &parsed).await.map_err(|error| Error::Unavailable(error.into()))?;
    Ok(Sse::new(events(follower, shared.closing.clone())).keep_alive(KeepAlive::default()).into_response())
}

/// `log`, `progress` and, last, `ended`, each with its JSON; `error` when the line to Redis broke. Ends when the server is asked to stop.
fn events(follower: Follower, closing: Stop) -> impl Stream<Item = Result<Event, Infallible>> {
    let until = tokio::time::Instant::now() + LONGEST;
    futures::stream::unfold(Some(follower), move |follower| {
        let closing = closing.clone();
        async move {
            let mut follower = follower?;
            let said = tokio::select! {
                said = follower.next() => said,
                () = closing.requested() => return None,
                () = tokio::time::sleep_until(until) => return None,
            };
            match said {
                Ok(event) => Some((Ok(of(&event?)), Some(follower))),
                Err(error) => Some((Ok(Event::default().event("error").data(error.to_string())), None)),
            }
        }
    })
}

fn of(event: &celeriac_queue::Event) -> Event {
    let (name, json) = match event {
        celeriac_queue::Event::Log(line) => ("log", serde_json::to_string(line)),
        celeriac_queue::Event::Progress(progress) => ("progress", serde_json::to_string(progress)),
        celeriac_queue::Event::Ended(outcome) => ("ended", serde_json::to_string(outcome)),
    };
    Event::default().event(name).data(json.expect("an event has only text keys"))
}
