//! Looks for a document's words wherever they must not be: Redis, PostgreSQL, logs.

use anyhow::Result;
use redis::aio::MultiplexedConnection;
use sqlx::AssertSqlSafe;

use crate::System;

/// Words of the samples, and of what the stand-in says of every document.
const WORDS: [&str; 5] = ["Meridian", "Jordan", "Tinnitus", "Harbour Street", "Written by a stand-in"];

/// Every place where one of them stands in clear.
pub(super) async fn leaks(system: &System) -> Result<Vec<String>> {
    let mut leaks = in_redis(system).await?;
    leaks.extend(in_postgres(system).await?);
    leaks.extend(in_logs(system)?);
    Ok(leaks)
}

fn holds_words(bytes: &[u8]) -> bool {
    WORDS.iter().any(|word| bytes.windows(word.len()).any(|window| window == word.as_bytes()))
}

async fn in_redis(system: &System) -> Result<Vec<String>> {
    let mut line = system.raw_redis().await;
    let prefix = system.connection().namespace().as_str().to_owned();
    let keys: Vec<String> = redis::cmd("KEYS").arg(format!("{prefix}:*")).query_async(&mut line).await?;
    let mut leaks = Vec::new();
    for key in keys {
        if holds_words(&values_of(&mut line, &key).await?) {
            leaks.push(format!("Redis key {key}"));
        }
    }
    Ok(leaks)
}

/// Everything in a key, one behind the other.
async fn values_of(line: &mut MultiplexedConnection, key: &str) -> Result<Vec<u8>> {
    let kind: String = redis::cmd("TYPE").arg(key).query_async(line).await?;
    let (verb, rest): (&str, &[&str]) = match kind.as_str() {
        "hash" => ("HGETALL", &[]),
        "set" => ("SMEMBERS", &[]),
        "zset" => ("ZRANGE", &["0", "-1"]),
        "list" => ("LRANGE", &["0", "-1"]),
        _ => {
            let value: Option<Vec<u8>> = redis::cmd("GET").arg(key).query_async(line).await?;
            return Ok(value.unwrap_or_default());
        }
    };
    let values: Vec<Vec<u8>> = redis::cmd(verb).arg(key).arg(rest).query_async(line).await?;
    Ok(values.concat())
}

async fn in_postgres(system: &System) -> Result<Vec<String>> {
    let tables = "select quote_ident(tablename) from pg_tables where schemaname = 'celeriac' order by 1";
    let tables: Vec<String> = sqlx::query_scalar(tables).fetch_all(&system.pool).await?;
    let mut leaks = Vec::new();
    for table in tables {
        let search = format!("select count(*) from celeriac.{table} t, unnest($1::text[]) word where strpos(t::text, word) > 0");
        let count: i64 = sqlx::query_scalar(AssertSqlSafe(search)).bind(&WORDS[..]).fetch_one(&system.pool).await?;
        if count > 0 {
            leaks.push(format!("table celeriac.{table}"));
        }
    }
    Ok(leaks)
}

fn in_logs(system: &System) -> Result<Vec<String>> {
    let mut leaks = Vec::new();
    for entry in std::fs::read_dir(system.folder())? {
        let path = entry?.path();
        if path.extension().is_some_and(|extension| extension == "log") && holds_words(&std::fs::read(&path)?) {
            leaks.push(format!("log {}", path.display()));
        }
    }
    Ok(leaks)
}
