//! Which Redis the relay feeds: an id that changes whenever a server is started anew or another takes its place.

use std::sync::Mutex;
use std::time::{Duration, Instant};

use anyhow::Context;
use celeriac_queue::Connection;

/// Asked again after this. An older id is safe to write beside a relayed row (the row is then looked at once more), a newer would not be.
const FRESH: Duration = Duration::from_secs(30);

pub(crate) struct RedisIdentity {
    connection: Connection,
    last: Mutex<Option<(Instant, String)>>,
}

impl RedisIdentity {
    pub(crate) fn new(connection: Connection) -> Self {
        Self { connection, last: Mutex::default() }
    }

    /// The id as last asked for. To be called before the enqueue it describes.
    pub(crate) async fn current(&self) -> anyhow::Result<String> {
        let last = self.last.lock().expect("no panic while reading").clone();
        match last {
            Some((asked, id)) if asked.elapsed() < FRESH => Ok(id),
            _ => self.refresh().await,
        }
    }

    pub(crate) async fn refresh(&self) -> anyhow::Result<String> {
        let asked = Instant::now();
        let id = self.connection.identity().await.context("cannot ask Redis who it is")?;
        *self.last.lock().expect("no panic while writing") = Some((asked, id.clone()));
        Ok(id)
    }

    /// After an error the line may lead to another server.
    pub(crate) fn forget(&self) {
        *self.last.lock().expect("no panic while writing") = None;
    }
}
