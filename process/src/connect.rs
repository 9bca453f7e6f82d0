//! Opening the two stores by the settings, with errors that name the setting.

use std::time::Duration;

use anyhow::Context;
use celeriac_queue::{Connection, KeyRing, Namespace, RedisConfig};
use sqlx::PgPool;
use sqlx::postgres::{PgConnectOptions, PgPoolOptions};

use crate::Settings;

/// One TLS provider for everything in the process. Called by whatever opens the first connection; calling it again does nothing.
pub fn install_tls() {
    let _ = rustls::crypto::aws_lc_rs::default_provider().install_default();
}

/// # Errors
/// When REDIS_PREFIX is not a prefix, PAYLOAD_ENCRYPTION_KEYS not a list of keys, or Redis does not answer at REDIS_URL.
pub async fn redis(settings: &Settings) -> anyhow::Result<Connection> {
    install_tls();
    let mut config = RedisConfig::new(settings.text("REDIS_URL"));
    // `celeriac check` connects with whatever settings are usable, and this one may not be.
    if settings.maybe("WORKER_LEASE").is_some() {
        config = config.suited_to(settings.duration("WORKER_LEASE"));
    }
    config.namespace = Namespace::parse(settings.text("REDIS_PREFIX")).context("REDIS_PREFIX cannot be used")?;
    config.ca_file = settings.maybe_path("REDIS_CA_FILE");
    config.payload_keys =
        settings.maybe("PAYLOAD_ENCRYPTION_KEYS").map(KeyRing::parse).transpose().context("PAYLOAD_ENCRYPTION_KEYS cannot be used")?;
    Connection::open(&config).await.context("Redis does not answer at REDIS_URL")
}

/// A pool that fails an acquisition after 5 s rather than wait for ever.
///
/// # Errors
/// When PostgreSQL does not answer at DATABASE_URL.
pub async fn postgres(settings: &Settings) -> anyhow::Result<PgPool> {
    install_tls();
    let options: PgConnectOptions = settings.text("DATABASE_URL").parse().context("DATABASE_URL cannot be used")?;
    let pool_size = u32::try_from(settings.integer("DATABASE_POOL_SIZE")).expect("the table bounds it");
    PgPoolOptions::new()
        .max_connections(pool_size)
        .acquire_timeout(Duration::from_secs(5))
        .idle_timeout(Duration::from_secs(300))
        .connect_with(options.application_name("celeriac"))
        .await
        .context("PostgreSQL does not answer at DATABASE_URL")
}
