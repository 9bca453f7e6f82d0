//! The two stores, opened at first use: a command that needs only one does not ask for the other, and the console can stand
//! while a store is away and find it again when it is back.

use std::sync::Arc;

use celeriac_process::{Settings, connect};
use celeriac_queue::{Client, Connection, Inspector, Workers};
use sqlx::PgPool;
use tokio::sync::OnceCell;

/// A cheap-to-clone handle on Redis and PostgreSQL.
#[derive(Clone)]
pub struct Stores {
    shared: Arc<Shared>,
}

struct Shared {
    settings: Settings,
    redis: OnceCell<Client>,
    postgres: OnceCell<PgPool>,
}

impl Stores {
    /// Opens nothing yet.
    pub fn new(settings: Settings) -> Self {
        Self { shared: Arc::new(Shared { settings, redis: OnceCell::new(), postgres: OnceCell::new() }) }
    }

    pub fn settings(&self) -> &Settings {
        &self.shared.settings
    }

    /// # Errors
    /// When Redis does not answer; the next call tries again.
    pub async fn redis(&self) -> anyhow::Result<Connection> {
        Ok(self.client().await?.connection().clone())
    }

    /// # Errors
    /// When PostgreSQL does not answer; the next call tries again.
    pub async fn postgres(&self) -> anyhow::Result<PgPool> {
        let opened = self.shared.postgres.get_or_try_init(|| connect::postgres(&self.shared.settings)).await?;
        Ok(opened.clone())
    }

    /// One client for all callers: it remembers which queues it has announced.
    pub(crate) async fn client(&self) -> anyhow::Result<Client> {
        let open = || async { connect::redis(&self.shared.settings).await.map(Client::new) };
        Ok(self.shared.redis.get_or_try_init(open).await?.clone())
    }

    pub(crate) async fn inspector(&self) -> anyhow::Result<Inspector> {
        Ok(Inspector::new(self.redis().await?))
    }

    pub(crate) async fn workers(&self) -> anyhow::Result<Workers> {
        Ok(Workers::new(self.redis().await?))
    }
}
