//! A database to restore into, on the same server, dropped whatever happens.

use anyhow::Context;
use sqlx::{AssertSqlSafe, ConnectOptions, PgConnection, PgPool};
use uuid::Uuid;

/// Any scratch database of ours begins so.
const PREFIX: &str = "celeriac_verify_";

/// A scratch database. [`Scratch::drop_it`] ends it; one that could not be dropped (the process died) is swept by the next run.
pub(super) struct Scratch {
    pool: PgPool,
    pub(super) name: String,
    dropped: bool,
}

impl Scratch {
    /// As template0 is: empty, in the encoding and collation of the database that the pool is of.
    ///
    /// In a task of its own: the server finishes a creation that its job no longer waits for, and then there must be somebody to drop it.
    pub(super) async fn create(pool: &PgPool, user: &str) -> anyhow::Result<Self> {
        let (pool, user) = (pool.clone(), user.to_owned());
        tokio::spawn(async move { Self::create_to_the_end(&pool, &user).await }).await.context("create a scratch database")?
    }

    async fn create_to_the_end(pool: &PgPool, user: &str) -> anyhow::Result<Self> {
        let name = format!("{}{}", prefix(pool).await?, Uuid::new_v4().simple());
        let like = sqlx::query!(
            r#"select pg_encoding_to_char(encoding) as "encoding!", datcollate as "collate!", datctype as "ctype!"
               from pg_database where datname = current_database()"#
        )
        .fetch_one(pool)
        .await
        .context("look at the database")?;
        let statement = format!(
            "create database {} template template0 encoding {} lc_collate {} lc_ctype {}",
            identifier(&name),
            literal(&like.encoding),
            literal(&like.collate),
            literal(&like.ctype)
        );
        let created = sqlx::raw_sql(AssertSqlSafe(statement)).execute(pool).await;
        created.with_context(|| {
            format!(
                "no scratch database could be created to restore into; its user needs that right: ALTER ROLE {} CREATEDB",
                identifier(user)
            )
        })?;
        Ok(Self { pool: pool.clone(), name, dropped: false })
    }

    pub(super) async fn connect(&self) -> anyhow::Result<PgConnection> {
        let options = (*self.pool.connect_options()).clone().database(&self.name);
        options.connect().await.context("connect to the scratch database")
    }

    pub(super) async fn drop_it(mut self) -> anyhow::Result<()> {
        drop_database(&self.pool, &self.name).await?;
        self.dropped = true;
        Ok(())
    }
}

impl Drop for Scratch {
    /// For a job that was cancelled or timed out in the middle.
    fn drop(&mut self) {
        if self.dropped {
            return;
        }
        let (pool, name) = (self.pool.clone(), std::mem::take(&mut self.name));
        if let Ok(runtime) = tokio::runtime::Handle::try_current() {
            runtime.spawn(async move {
                if let Err(error) = drop_database(&pool, &name).await {
                    tracing::warn!(name, %error, "a scratch database stays until the next verify_backup");
                }
            });
        }
    }
}

/// Drops what dead runs have left. Only for who holds the lock of the verification.
pub(super) async fn sweep(pool: &PgPool) -> anyhow::Result<()> {
    let prefix = prefix(pool).await?;
    let names = sqlx::query_scalar!(r#"select datname as "name!" from pg_database where starts_with(datname, $1)"#, prefix)
        .fetch_all(pool)
        .await
        .context("list the databases")?;
    for name in names {
        drop_database(pool, &name).await?;
        tracing::info!(name, "dropped a scratch database that a dead run had left");
    }
    Ok(())
}

/// With the identity of the database that is verified, as others on the same server may be verified at the same time.
async fn prefix(pool: &PgPool) -> anyhow::Result<String> {
    let oid = sqlx::query_scalar!(r#"select oid::bigint as "oid!" from pg_database where datname = current_database()"#).fetch_one(pool);
    Ok(format!("{PREFIX}{}_", oid.await.context("look at the database")?))
}

async fn drop_database(pool: &PgPool, name: &str) -> anyhow::Result<()> {
    let statement = format!("drop database if exists {} with (force)", identifier(name));
    sqlx::raw_sql(AssertSqlSafe(statement)).execute(pool).await.with_context(|| format!("drop the scratch database {name}"))?;
    Ok(())
}

fn identifier(name: &str) -> String {
    format!("\"{}\"", name.replace('"', "\"\""))
}

fn literal(text: &str) -> String {
    format!("'{}'", text.replace('\'', "''"))
}
