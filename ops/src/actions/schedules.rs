//! Fire a schedule by hand, switch one on or off.

use anyhow::Context;
use chrono::{DateTime, Utc};
use serde::Serialize;
use serde_json::json;
use sqlx::PgPool;

use crate::audit::{self, Actor};

/// A firing by hand.
#[derive(Debug, Clone, Serialize)]
pub(crate) struct FireReport {
    pub(crate) schedule: String,
    pub(crate) instant: DateTime<Utc>,
    pub(crate) job_id: String,
}

/// # Errors
/// When there is no such schedule, or PostgreSQL does not answer.
pub(crate) async fn fire(pool: &PgPool, actor: &Actor, name: &str) -> anyhow::Result<FireReport> {
    expect_known(pool, name).await?;
    let mut transaction = pool.begin().await?;
    let fired = sqlx::query!(
        r#"with moment as (select date_trunc('milliseconds', clock_timestamp()) as instant)
           select instant as "instant!", celeriac.fire($1, instant, 'by_hand') as "fired!" from moment"#,
        name
    )
    .fetch_one(&mut *transaction)
    .await?;
    anyhow::ensure!(fired.fired, "{name} was fired in this very millisecond already; nothing was added");
    let run = sqlx::query_scalar!(
        r#"select job_id as "job_id!" from celeriac.schedule_runs where schedule = $1 and instant = $2"#,
        name,
        fired.instant
    );
    let job_id = run.fetch_one(&mut *transaction).await?;
    audit::record(&mut *transaction, actor, "schedule run", name, json!({ "job_id": job_id })).await?;
    transaction.commit().await?;
    Ok(FireReport { schedule: name.to_owned(), instant: fired.instant, job_id })
}

/// Switches a schedule on or off; schedules.toml no longer changes it then. False: it was so before.
///
/// # Errors
/// When there is no such schedule, or PostgreSQL does not answer.
pub(crate) async fn set_enabled(pool: &PgPool, actor: &Actor, name: &str, enabled: bool) -> anyhow::Result<bool> {
    expect_known(pool, name).await?;
    let mut transaction = pool.begin().await?;
    // Without its next moment, so that the scheduler counts from now and does not catch up on the time it was off.
    let changed = sqlx::query!(
        "update celeriac.schedules set enabled = $2, source = 'person', next_at = null, changed_at = now()
         where name = $1 and enabled <> $2",
        name,
        enabled
    );
    let changed = changed.execute(&mut *transaction).await?.rows_affected() == 1;
    if changed {
        audit::record(&mut *transaction, actor, if enabled { "schedule enable" } else { "schedule disable" }, name, json!({})).await?;
    }
    transaction.commit().await?;
    Ok(changed)
}

async fn expect_known(pool: &PgPool, name: &str) -> anyhow::Result<()> {
    let names = sqlx::query_scalar!("select name from celeriac.schedules order by name").fetch_all(pool).await;
    let names = names.context("cannot read the schedules")?;
    if names.iter().any(|known| known == name) {
        return Ok(());
    }
    match crate::nearest::nearest(name, names.iter().map(String::as_str)) {
        Some(near) => anyhow::bail!("there is no schedule \"{name}\"; did you mean {near}?"),
        None => anyhow::bail!("there is no schedule \"{name}\"; `celeriac schedule list` shows them all"),
    }
}
