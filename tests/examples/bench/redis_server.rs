//! The Redis that is measured on, by our client and past it.

use std::time::Duration;

use anyhow::{Context, Result};
use celeriac_queue::{Client, Namespace, RedisConfig};

pub(crate) async fn client(prefix: &str) -> Result<Client> {
    let url = std::env::var("REDIS_URL").context("REDIS_URL is not set: run `make bench`")?;
    let mut config = RedisConfig::new(url);
    config.namespace = Namespace::parse(prefix)?;
    Ok(Client::connect(&config).await?)
}

pub(crate) async fn raw() -> Result<redis::aio::MultiplexedConnection> {
    Ok(redis::Client::open(std::env::var("REDIS_URL")?)?.get_multiplexed_async_connection().await?)
}

/// Turns the append-only file on (written every second) or off, and waits until the server has done so.
pub(crate) async fn append_only(on: bool) -> Result<()> {
    let mut redis = raw().await?;
    redis::cmd("CONFIG").arg("SET").arg("appendfsync").arg("everysec").exec_async(&mut redis).await?;
    redis::cmd("CONFIG").arg("SET").arg("appendonly").arg(if on { "yes" } else { "no" }).exec_async(&mut redis).await?;
    while info(&mut redis, "aof_rewrite_in_progress").await? != 0.0 {
        tokio::time::sleep(Duration::from_millis(50)).await;
    }
    Ok(())
}

/// One number of `INFO`.
pub(crate) async fn info(redis: &mut redis::aio::MultiplexedConnection, field: &str) -> Result<f64> {
    let text: String = redis::cmd("INFO").arg("everything").query_async(redis).await?;
    let line = text.lines().find_map(|line| line.strip_prefix(field)?.strip_prefix(':')).with_context(|| format!("no {field} in INFO"))?;
    Ok(line.trim().parse()?)
}
