//! Encrypts every encrypted column anew with the newest key, so that older keys can be dropped from the ring.
//!
//! It reads a table in the order of its primary key, a batch at a time, and writes back what an older key had made, each value only where
//! the column still holds what was read and nobody has the row locked: a worker that writes meanwhile always wins, and waits for nobody.
//! What was passed over so is looked at again. Interrupted, it is begun again from the start and finds the rest.

use serde::Serialize;
use sqlx::{AssertSqlSafe, PgPool};

use super::{EncryptedColumn, FieldKeys};

/// Values read, and written back in one transaction. Few, as one may be some hundred kilobytes.
const BATCH: usize = 100;
/// Times a column is gone through while rows are passed over.
const PASSES_MAX: usize = 5;
/// Values that no key opens which are named.
const NAMED_MAX: usize = 100;

/// What was found in one column, and done.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct ColumnReport {
    pub table: &'static str,
    pub column: &'static str,
    /// Values by the key that had made them, in the order of FIELD_ENCRYPTION_KEYS: the newest first.
    pub by_key: Vec<u64>,
    /// Values that were encrypted anew.
    pub rotated: u64,
    /// Values of older keys that were left, as their rows were in use each time.
    pub in_use: u64,
    /// Values that no key opens; they are left as they are.
    pub unreadable: u64,
    /// The primary keys of the first hundred of those, the parts of one joined by `/`.
    pub unreadable_rows: Vec<String>,
}

impl ColumnReport {
    /// Whether older keys are no longer needed for it.
    pub fn is_on_newest(&self) -> bool {
        self.unreadable == 0 && self.in_use == 0 && self.by_key.iter().skip(1).sum::<u64>() == self.rotated
    }
}

/// Counts the values of an encrypted column by key and, unless `dry_run`, writes those of older keys with the newest.
///
/// # Errors
/// When PostgreSQL does not answer, or the table is not there (its migration is missing). What was written until then stands.
pub async fn rotate(pool: &PgPool, keys: &FieldKeys, column: EncryptedColumn, dry_run: bool) -> anyhow::Result<ColumnReport> {
    Column::look_up(pool, column).await?.rotate(pool, keys, dry_run).await
}

/// A column with its table's primary key: names and types.
struct Column {
    column: EncryptedColumn,
    key: Vec<(String, String)>,
}

/// A value as it was read: its row's key as text, and the token.
type Row = (Vec<String>, String);

impl Column {
    async fn look_up(pool: &PgPool, column: EncryptedColumn) -> anyhow::Result<Self> {
        let key = sqlx::query_as(
            "select quote_ident(a.attname), format_type(a.atttypid, a.atttypmod)
             from pg_index i cross join unnest(i.indkey::int[]) with ordinality as k (attnum, place)
             join pg_attribute a on a.attrelid = i.indrelid and a.attnum = k.attnum
             where i.indrelid = to_regclass('celeriac.' || quote_ident($1)) and i.indisprimary order by k.place",
        );
        let key: Vec<(String, String)> = key.bind(column.table).fetch_all(pool).await?;
        anyhow::ensure!(!key.is_empty(), "there is no table celeriac.{} with a primary key: run `celeriac migrate up`", column.table);
        Ok(Self { column, key })
    }

    async fn rotate(&self, pool: &PgPool, keys: &FieldKeys, dry_run: bool) -> anyhow::Result<ColumnReport> {
        let mut report = self.pass(pool, keys, dry_run).await?;
        for _ in 1..PASSES_MAX {
            if report.in_use == 0 {
                break;
            }
            // The first pass has counted what there was; those after it only finish it.
            let again = self.pass(pool, keys, dry_run).await?;
            report.rotated += again.rotated;
            report.in_use = again.in_use;
        }
        Ok(report)
    }

    async fn pass(&self, pool: &PgPool, keys: &FieldKeys, dry_run: bool) -> anyhow::Result<ColumnReport> {
        let mut report = self.empty_report(keys);
        let mut after: Option<Vec<String>> = None;
        loop {
            let rows = self.read(pool, after.as_deref()).await?;
            let mut older = Vec::new();
            for (key, token) in &rows {
                match keys.open(token) {
                    Some((place, plain)) => {
                        report.by_key[place] += 1;
                        if place > 0 {
                            older.push((key, token, keys.ring[0].encrypt(&plain)));
                        }
                    }
                    None => {
                        report.unreadable += 1;
                        if report.unreadable_rows.len() < NAMED_MAX {
                            report.unreadable_rows.push(key.join("/"));
                        }
                    }
                }
            }
            if !dry_run && !older.is_empty() {
                let written = self.write(pool, &older).await?;
                report.rotated += written;
                report.in_use += older.len() as u64 - written;
            }
            match rows.into_iter().last() {
                Some((key, _)) => after = Some(key),
                None => return Ok(report),
            }
        }
    }

    fn empty_report(&self, keys: &FieldKeys) -> ColumnReport {
        let EncryptedColumn { table, column } = self.column;
        ColumnReport { table, column, by_key: vec![0; keys.count()], rotated: 0, in_use: 0, unreadable: 0, unreadable_rows: Vec::new() }
    }

    /// The values behind a key, in order.
    async fn read(&self, pool: &PgPool, after: Option<&[String]>) -> anyhow::Result<Vec<Row>> {
        let EncryptedColumn { table, column } = self.column;
        let names: Vec<&str> = self.key.iter().map(|(name, _)| name.as_str()).collect();
        let behind = match after {
            Some(_) => {
                let values: Vec<String> =
                    self.key.iter().enumerate().map(|(at, (_, kind))| format!("($1::text[])[{}]::{kind}", at + 1)).collect();
                format!("and ({}) > ({})", names.join(", "), values.join(", "))
            }
            None => "and $1::text[] is null".to_owned(),
        };
        let texts: Vec<String> = names.iter().map(|name| format!("{name}::text")).collect();
        // Names from our own list and from the catalogue, which has quoted them.
        let statement = format!(
            "select array[{}], {column} from celeriac.{table} where {column} is not null {behind} order by {} limit {BATCH}",
            texts.join(", "),
            names.join(", ")
        );
        Ok(sqlx::query_as(AssertSqlSafe(statement)).bind(after).fetch_all(pool).await?)
    }

    /// Writes new tokens in the place of old ones, where the old ones still stand and the row is free. Returns how many.
    async fn write(&self, pool: &PgPool, values: &[(&Vec<String>, &String, String)]) -> anyhow::Result<u64> {
        let EncryptedColumn { table, column } = self.column;
        let parts = self.key.len();
        let arrays: Vec<String> = (1..=parts + 2).map(|number| format!("${number}::text[]")).collect();
        let given: Vec<String> = (1..=parts).map(|number| format!("key_{number}")).collect();
        let same: Vec<String> =
            self.key.iter().zip(&given).map(|((name, kind), given)| format!("t.{name} = given.{given}::{kind}")).collect();
        let statement = format!(
            "with free as (
                 select t.ctid as place, given.fresh
                 from celeriac.{table} t join unnest({}) as given ({}, old, fresh) on {} and t.{column} = given.old
                 for update of t skip locked)
             update celeriac.{table} t set {column} = free.fresh from free where t.ctid = free.place",
            arrays.join(", "),
            given.join(", "),
            same.join(" and ")
        );
        let mut update = sqlx::query(AssertSqlSafe(statement));
        for part in 0..parts {
            update = update.bind(values.iter().map(|(key, ..)| key[part].clone()).collect::<Vec<_>>());
        }
        let old: Vec<&str> = values.iter().map(|(_, old, _)| old.as_str()).collect();
        let fresh: Vec<&str> = values.iter().map(|(_, _, fresh)| fresh.as_str()).collect();
        Ok(update.bind(old).bind(fresh).execute(pool).await?.rows_affected())
    }
}
