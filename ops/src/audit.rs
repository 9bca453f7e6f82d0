//! Who did what: one row a change, whichever door it came through.

use serde_json::Value;
use sqlx::PgExecutor;

use crate::stores::Stores;

/// Who acts, as the audit log names it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Actor(String);

impl Actor {
    /// `cli:<user>`: the person at the shell, behind sudo too.
    pub fn at_the_shell() -> Self {
        let user = ["SUDO_USER", "USER", "LOGNAME"].iter().find_map(|name| std::env::var(name).ok().filter(|user| !user.is_empty()));
        Self(format!("cli:{}", user.unwrap_or_else(|| format!("uid {}", rustix::process::getuid().as_raw()))))
    }

    /// `key:<name>`: a program with an API key.
    pub(crate) fn key(name: &str) -> Self {
        Self(format!("key:{name}"))
    }

    pub fn as_str(&self) -> &str {
        &self.0
    }
}

/// Writes a row, in the caller's transaction where there is one.
///
/// # Errors
/// When PostgreSQL does not answer.
pub(crate) async fn record(executor: impl PgExecutor<'_>, actor: &Actor, action: &str, target: &str, detail: Value) -> sqlx::Result<()> {
    sqlx::query!(
        "insert into celeriac.audit_log (actor, action, target, detail) values ($1, $2, $3, $4)",
        actor.as_str(),
        action,
        target,
        detail
    )
    .execute(executor)
    .await?;
    Ok(())
}

/// Writes a row for each of many things that one action changed, in the caller's transaction.
///
/// # Errors
/// When PostgreSQL does not answer.
pub(crate) async fn record_many(
    executor: impl PgExecutor<'_>,
    actor: &Actor,
    action: &str,
    targets: &[String],
    detail: Value,
) -> sqlx::Result<()> {
    sqlx::query!(
        "insert into celeriac.audit_log (actor, action, target, detail)
         select $1, $2, target, $4 from unnest($3::text[]) with ordinality as t (target, place) order by place",
        actor.as_str(),
        action,
        targets,
        detail
    )
    .execute(executor)
    .await?;
    Ok(())
}

/// Writes a row about a change already made in Redis. That change stands; a missing row is told, not hidden.
pub(crate) async fn record_after(stores: &Stores, actor: &Actor, action: &str, target: &str, detail: Value) -> Option<String> {
    let written = async { anyhow::Ok(record(&stores.postgres().await?, actor, action, target, detail).await?) };
    match written.await {
        Ok(()) => None,
        Err(error) => {
            tracing::warn!(%action, %target, error = format!("{error:#}"), "the audit log was not written");
            Some(format!("it was done, but the audit log could not be written: {error:#}"))
        }
    }
}
