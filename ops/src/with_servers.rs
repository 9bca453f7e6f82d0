//! `celeriac with-servers -- COMMAND`: runs a command with private servers around it, found in its environment.
//!
//! The tests, the benchmarks and `make prepare` run under it. The servers go when the command ends.

use std::ffi::OsString;

use anyhow::Context;

use crate::devstack::{DevstackError, PostgresOptions, PostgresServer, RedisCluster, RedisOptions, RedisServer};

/// Name of the migrated database that DATABASE_URL points to.
const DATABASE: &str = "celeriac";

/// Runs the command and returns its exit code (1 when a signal ended it).
///
/// # Errors
/// When a server does not come up, the migrations fail or the command cannot be started.
pub async fn run(command: &[OsString], in_cluster: bool) -> anyhow::Result<u8> {
    let (program, arguments) =
        command.split_first().context("there is no command behind `--`, for example: celeriac with-servers -- env")?;
    let (postgres, redis) = tokio::try_join!(PostgresServer::start(PostgresOptions::default()), PrivateRedis::start(in_cluster))?;
    postgres.create_database(DATABASE).await?;
    let database_url = postgres.url(DATABASE);
    let pool = sqlx::PgPool::connect(&database_url).await?;
    celeriac_migrations::up(&pool).await?;
    pool.close().await;

    let mut child = tokio::process::Command::new(program)
        .args(arguments)
        .env("DATABASE_URL", &database_url)
        .env("REDIS_URL", redis.url())
        .env("CELERIAC_TEST_REDIS_URL", redis.url())
        .env("PG_BIN", postgres.binaries().folder())
        .kill_on_drop(true)
        .spawn()
        .with_context(|| format!("{} cannot be started", program.to_string_lossy()))?;
    // Ctrl-C reaches the command too; the servers stay until it has ended.
    let status = loop {
        tokio::select! {
            status = child.wait() => break status?,
            _ = tokio::signal::ctrl_c() => {}
        }
    };
    Ok(status.code().and_then(|code| u8::try_from(code).ok()).unwrap_or(1))
}

/// What is taken for Redis; ended on drop.
enum PrivateRedis {
    Single(RedisServer),
    Cluster(RedisCluster),
}

impl PrivateRedis {
    async fn start(in_cluster: bool) -> Result<Self, DevstackError> {
        match in_cluster {
            false => Ok(Self::Single(RedisServer::start(RedisOptions::default()).await?)),
            true => Ok(Self::Cluster(RedisCluster::start(RedisOptions::default()).await?)),
        }
    }

    fn url(&self) -> String {
        match self {
            Self::Single(server) => server.url(),
            Self::Cluster(cluster) => cluster.url(),
        }
    }
}
