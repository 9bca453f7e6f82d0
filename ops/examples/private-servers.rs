//! Starts a private PostgreSQL and a private Redis, says where they are, and keeps them until standard input ends. A test kills this process
//! and looks whether they go with it.

use std::io::{Read, Write};

use celeriac_ops::devstack::{PostgresOptions, PostgresServer, RedisOptions, RedisServer};

#[tokio::main]
async fn main() -> anyhow::Result<()> {
    let postgres = PostgresServer::start(PostgresOptions::default()).await?;
    let redis = RedisServer::start(RedisOptions::default()).await?;
    let mut out = std::io::stdout().lock();
    for (port, log) in [(postgres.port(), postgres.log_path()), (redis.port(), redis.log_path())] {
        writeln!(out, "server {port} {}", log.display())?;
    }
    out.flush()?;
    let _ = std::io::stdin().read(&mut [0])?;
    Ok(())
}
