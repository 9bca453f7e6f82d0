//! The worker as a program sees it.

use anyhow::Context;
use celeriac_process::stop::Stop;
use celeriac_process::{Process, SettingErrors, Settings, connect, telemetry};
use celeriac_queue::{Connection, Registry};
use sqlx::PgPool;

use crate::WorkerConfig;
use crate::runtime::{LeftBehind, Runtime};

/// The settings of a worker of your own, from the environment and `.env`.
///
/// # Errors
/// All mistakes at once, each with its variable, what is wrong and an example.
pub fn settings() -> Result<Settings, SettingErrors> {
    Settings::load(Process::OwnWorker)
}

/// Runs the jobs of a registry until it is told to stop.
pub struct Worker {
    registry: Registry,
    stores: Stores,
}

enum Stores {
    FromSettings(Settings),
    Given(Box<Given>),
}

/// Connections that the program opened itself.
struct Given {
    connection: Connection,
    database: Option<PgPool>,
    config: WorkerConfig,
}

impl Worker {
    /// Connects to what the settings name: Redis, and PostgreSQL when DATABASE_URL is set.
    pub fn new(registry: Registry, settings: Settings) -> Self {
        Self { registry, stores: Stores::FromSettings(settings) }
    }

    /// With connections that are open already. Without a database, jobs that come through the outbox are refused.
    pub fn with(connection: Connection, database: Option<PgPool>, registry: Registry, config: WorkerConfig) -> Self {
        Self { registry, stores: Stores::Given(Box::new(Given { connection, database, config })) }
    }

    /// Runs until SIGTERM or SIGINT: the first lets running jobs finish within the grace period, a second ends that period. A worker built
    /// from settings sets up logs and Sentry too. Where a body never comes to an await, the process is ended with exit code 1.
    ///
    /// # Errors
    /// When a store does not answer at the start, the database is behind, or a part of the worker failed.
    pub async fn run_until_stopped(self) -> anyhow::Result<()> {
        let telemetry = match &self.stores {
            Stores::FromSettings(settings) => Some(telemetry::init(settings, Process::OwnWorker)?),
            Stores::Given(_) => None,
        };
        let stop = Stop::on_signals().context("signal handlers cannot be installed")?;
        let result = self.run(stop).await;
        if let Err(error) = &result
            && error.is::<LeftBehind>()
        {
            // A body that never yields would keep the async runtime, and with it the process, from ending.
            tracing::error!("{error}");
            drop(telemetry);
            std::process::exit(1);
        }
        drop(telemetry);
        result
    }

    /// Runs until `stop` says so.
    ///
    /// # Errors
    /// As [`Worker::run_until_stopped`].
    pub async fn run(self, stop: Stop) -> anyhow::Result<()> {
        let (connection, database, config) = match self.stores {
            Stores::Given(given) => (given.connection, given.database, given.config),
            Stores::FromSettings(settings) => {
                let config = WorkerConfig::from_settings(&settings);
                (connect::redis(&settings).await?, database(&settings).await?, config)
            }
        };
        config.check()?;
        let runtime = Runtime::start(&connection, database, self.registry, &config, stop.token());
        runtime.run(config.grace, &stop).await
    }
}

/// `None` when DATABASE_URL is not set.
async fn database(settings: &Settings) -> anyhow::Result<Option<PgPool>> {
    if settings.maybe("DATABASE_URL").is_none() {
        return Ok(None);
    }
    let pool = connect::postgres(settings).await?;
    celeriac_migrations::check(&pool).await?;
    Ok(Some(pool))
}
