//! Keys of the HTTP API: 256 random bits, shown once. Stored is a SHA-256 (enough for a key that cannot be guessed) and the first
//! characters, by which people recognise it.

use base64::Engine;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use chrono::{DateTime, Utc};
use rand::TryRng;
use secrecy::{ExposeSecret, SecretString};
use serde::Serialize;
use serde_json::json;
use sha2::{Digest, Sha256};
use sqlx::PgPool;

use crate::audit::{self, Actor};

/// Marks a key as ours, for people and for scanners of leaked secrets.
const MARK: &str = "cel_";
/// Characters of a key that are kept readable.
const PREFIX_CHARS: usize = 10;

#[derive(Debug, Clone, Serialize)]
pub(crate) struct KeyRow {
    pub(crate) name: String,
    pub(crate) prefix: String,
    pub(crate) created_at: DateTime<Utc>,
    pub(crate) last_used_at: Option<DateTime<Utc>>,
    pub(crate) revoked_at: Option<DateTime<Utc>>,
}

/// Makes a key and returns it: the only moment at which it can be read.
///
/// # Errors
/// When the name is taken, or PostgreSQL does not answer.
pub(crate) async fn create(pool: &PgPool, actor: &Actor, name: &str) -> anyhow::Result<SecretString> {
    anyhow::ensure!(!name.trim().is_empty(), "a key needs a name, as in: celeriac key create web-app");
    let mut bits = [0_u8; 32];
    rand::rngs::SysRng.try_fill_bytes(&mut bits)?;
    let key = format!("{MARK}{}", URL_SAFE_NO_PAD.encode(bits));
    let mut transaction = pool.begin().await?;
    let added = sqlx::query!(
        "insert into celeriac.api_keys (name, prefix, key_sha256) values ($1, $2, $3) on conflict (name) do nothing",
        name,
        &key[..PREFIX_CHARS],
        digest(&key)
    );
    let added = added.execute(&mut *transaction).await?.rows_affected() == 1;
    anyhow::ensure!(added, "there is a key named \"{name}\" already (names stay taken after revoking, for the audit log): choose another");
    audit::record(&mut *transaction, actor, "key create", name, json!({})).await?;
    transaction.commit().await?;
    Ok(key.into())
}

/// # Errors
/// When PostgreSQL does not answer.
pub(crate) async fn list(pool: &PgPool) -> sqlx::Result<Vec<KeyRow>> {
    let rows = sqlx::query_as!(KeyRow, "select name, prefix, created_at, last_used_at, revoked_at from celeriac.api_keys order by id");
    rows.fetch_all(pool).await
}

/// Ends a key at once. False: it was revoked before.
///
/// # Errors
/// When there is no key of that name, or PostgreSQL does not answer.
pub(crate) async fn revoke(pool: &PgPool, actor: &Actor, name: &str) -> anyhow::Result<bool> {
    let mut transaction = pool.begin().await?;
    let known = sqlx::query_scalar!(r#"select revoked_at is null as "living!" from celeriac.api_keys where name = $1 for update"#, name);
    let living = known.fetch_optional(&mut *transaction).await?;
    let living = living.ok_or_else(|| anyhow::anyhow!("there is no key named \"{name}\"; `celeriac key list` shows them all"))?;
    if living {
        sqlx::query!("update celeriac.api_keys set revoked_at = now() where name = $1", name).execute(&mut *transaction).await?;
        audit::record(&mut *transaction, actor, "key revoke", name, json!({})).await?;
    }
    transaction.commit().await?;
    Ok(living)
}

/// Whose key this is; `None` for a stranger's or a revoked one. Found by its hash: the time it takes tells nothing of the key.
///
/// # Errors
/// When PostgreSQL does not answer.
pub(crate) async fn owner(pool: &PgPool, given: &SecretString) -> sqlx::Result<Option<Actor>> {
    // Use is noted at most once a minute: a busy key must not become one hot row.
    let found = sqlx::query_scalar!(
        r#"with key as (select id, name, last_used_at from celeriac.api_keys where key_sha256 = $1 and revoked_at is null),
           used as (update celeriac.api_keys k set last_used_at = now() from key
                    where k.id = key.id and (key.last_used_at is null or key.last_used_at < now() - interval '1 minute'))
           select name as "name!" from key"#,
        digest(given.expose_secret())
    );
    Ok(found.fetch_optional(pool).await?.map(|name| Actor::key(&name)))
}

fn digest(key: &str) -> String {
    hex::encode(Sha256::digest(key.as_bytes()))
}
