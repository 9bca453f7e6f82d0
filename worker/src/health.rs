//! Whether a worker of this machine is alive: what a container's health check asks.

use anyhow::{Context, bail};
use celeriac_queue::{Connection, Workers};

use crate::host::host;

/// # Errors
/// A sentence, when no worker of this machine has announced itself lately.
pub async fn check(connection: &Connection) -> anyhow::Result<()> {
    let host = host();
    let cards = Workers::new(connection.clone()).list().await.context("the register of workers cannot be read")?;
    if cards.iter().any(|card| card.host == host) {
        return Ok(());
    }
    bail!(
        "no worker of this machine ({host}) has announced itself in the last 30 s: is it running, with the same REDIS_URL and REDIS_PREFIX?"
    );
}
