//! Waking the relay when a transaction that enqueued has committed: `LISTEN celeriac_outbox` on a connection of its own.
//!
//! It only saves waiting. Where notifications do not arrive (a transaction pooler, a line that died silently) the relay's sweep finds
//! the rows.

use std::sync::Arc;
use std::time::Duration;

use anyhow::Context;
use sqlx::PgPool;
use sqlx::postgres::{PgListener, PgPoolOptions};
use tokio::sync::Notify;
use tokio_util::sync::CancellationToken;

use crate::pace::Pace;

const CHANNEL: &str = "celeriac_outbox";

/// Notifies `wake` after each commit that enqueued, and once after each (re)connection, until stopped.
pub(crate) async fn listen(pool: PgPool, wake: Arc<Notify>, stop: CancellationToken) {
    let mut pace = Pace::new("listening for commits", stop.clone());
    // Not from the shared pool: a listener keeps its connection for ever.
    let own =
        PgPoolOptions::new().max_connections(1).max_lifetime(None).idle_timeout(None).connect_lazy_with((*pool.connect_options()).clone());
    loop {
        let connected = tokio::select! {
            () = stop.cancelled() => return,
            connected = connect(&own) => connected,
        };
        let (listener, pass) = match connected {
            Ok(listener) => (Some(listener), Ok(Duration::ZERO)),
            Err(error) => (None, Err(error)),
        };
        if !pace.rest(pass).await {
            return;
        }
        if let Some(listener) = listener {
            tokio::select! {
                () = stop.cancelled() => return,
                () = hear(listener, &wake) => {}
            }
        }
    }
}

async fn connect(own: &PgPool) -> anyhow::Result<PgListener> {
    let mut listener = PgListener::connect_with(own).await.context("cannot connect to PostgreSQL")?;
    // Reconnecting is done here, with pauses and a word in the log.
    listener.eager_reconnect(false);
    listener.listen(CHANNEL).await?;
    Ok(listener)
}

/// Passes on what is heard until the line breaks.
async fn hear(mut listener: PgListener, wake: &Notify) {
    // For what was committed while nobody listened.
    wake.notify_one();
    while let Ok(Some(_)) = listener.try_recv().await {
        wake.notify_one();
    }
}
