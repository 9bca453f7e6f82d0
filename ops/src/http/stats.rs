//! `GET /api/v1/stats` and `GET /api/v1/queues/{queue}/stats`: queues in numbers, as `celeriac stats` tells them.

use axum::Json;
use axum::extract::{Path, State};

use super::Shared;
use super::auth::Caller;
use super::dead::known_queue;
use crate::error::Error;
use crate::views::stats::{self, Stats};

pub(super) async fn all(State(shared): State<Shared>, _: Caller) -> Result<Json<Stats>, Error> {
    read(&shared, None).await
}

pub(super) async fn one(State(shared): State<Shared>, _: Caller, Path(queue): Path<String>) -> Result<Json<Stats>, Error> {
    let queue = known_queue(&shared.stores, &queue).await?;
    read(&shared, Some(&queue)).await
}

async fn read(shared: &Shared, queue: Option<&celeriac_queue::QueueName>) -> Result<Json<Stats>, Error> {
    let inspector = shared.stores.inspector().await.map_err(Error::Unavailable)?;
    stats::read(&inspector, queue).await.map(Json).map_err(|error| Error::Unavailable(error.into()))
}
