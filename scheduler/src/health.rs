//! Whether schedules are being fired: for a container's health check.

use std::time::Duration;

use anyhow::{Context, bail};
use celeriac_queue::Connection;
use sqlx::PgPool;

use crate::leader::LEASE_NAME;

/// Checks both stores and the leader's lease. Returns a sentence about who leads.
///
/// A lease that is free or just ran out is no trouble, as long as it could be taken here: a follower does so within seconds. One that
/// ran out longer than a lease ago shows that no scheduler does, this machine's own included.
///
/// # Errors
/// A sentence saying what is wrong.
pub async fn health(pool: &PgPool, redis: &Connection, lease: Duration) -> anyhow::Result<String> {
    redis.time_ms().await.context("Redis does not answer")?;
    let row = sqlx::query!(
        r#"select holder, extract(epoch from clock_timestamp() - expires_at)::float8 as "over_seconds!" from celeriac.leases where name = $1"#,
        LEASE_NAME
    )
    .fetch_optional(pool)
    .await
    .context("PostgreSQL does not show the scheduler's lease")?;
    match row {
        Some(row) if row.over_seconds < 0.0 => return Ok(format!("healthy: {} leads, Redis and PostgreSQL answer", row.holder)),
        Some(row) if row.over_seconds > lease.as_secs_f64() => bail!(
            "no scheduler leads: the lease of {} ran out {:.0} s ago and nobody took it over; look at the schedulers' logs",
            row.holder,
            row.over_seconds
        ),
        _ => {}
    }
    could_lead(pool).await.context("no scheduler leads, and the lease cannot be taken")?;
    Ok("healthy: no scheduler leads in this moment, the lease is free, Redis and PostgreSQL answer".into())
}

/// Takes the lease in a transaction that is rolled back: a standby, or a role without the right to write, fails here.
async fn could_lead(pool: &PgPool) -> anyhow::Result<()> {
    let mut tx = pool.begin().await?;
    sqlx::query!(
        "insert into celeriac.leases (name, holder, expires_at) values ($1, 'health', now())
         on conflict (name) do update set holder = excluded.holder",
        LEASE_NAME
    )
    .execute(&mut *tx)
    .await?;
    Ok(tx.rollback().await?)
}
