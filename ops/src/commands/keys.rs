//! `celeriac keys`: the keys of encrypted columns.

use anyhow::Context;
use celeriac_jobs::crypt::rotation::{ColumnReport, rotate};
use celeriac_jobs::crypt::{ENCRYPTED_COLUMNS, FieldKeys};
use clap::{Args, Subcommand};
use serde_json::json;

use crate::audit::{self, Actor};
use crate::human::plural;
use crate::reply::{Cell, Reply, Table, Tone};
use crate::stores::Stores;

#[derive(Debug, Subcommand)]
pub(crate) enum Keys {
    /// Encrypt anew, with the newest key, what older keys have encrypted. Workers may run meanwhile.
    Rotate(Rotate),
}

#[derive(Debug, Args)]
pub(crate) struct Rotate {
    /// Only count how many values are on which key.
    #[arg(long)]
    dry_run: bool,
}

impl Keys {
    pub(crate) async fn run(self, stores: &Stores, actor: &Actor) -> anyhow::Result<Reply> {
        match self {
            Self::Rotate(rotate) => rotate.run(stores, actor).await,
        }
    }
}

impl Rotate {
    async fn run(self, stores: &Stores, actor: &Actor) -> anyhow::Result<Reply> {
        stores.settings().maybe("FIELD_ENCRYPTION_KEYS").context("FIELD_ENCRYPTION_KEYS is not set: there is no key to rotate to")?;
        let keys = FieldKeys::new(&stores.settings().list("FIELD_ENCRYPTION_KEYS"))?;
        let pool = stores.postgres().await?;
        let mut reports = Vec::new();
        for column in ENCRYPTED_COLUMNS {
            let report = rotate(&pool, &keys, *column, self.dry_run).await?;
            if report.rotated > 0 {
                audit::record(&pool, actor, "keys rotate", &name(&report), json!({ "values": report.rotated })).await?;
            }
            reports.push(report);
        }
        let rotated: u64 = reports.iter().map(|report| report.rotated).sum();
        let is_bad = reports.iter().any(|report| report.unreadable > 0 || report.in_use > 0);
        let mut reply = Reply::of(&json!({ "dry_run": self.dry_run, "columns": reports })).table(table(&reports));
        if !self.dry_run {
            reply = reply.line(format!("{} encrypted anew with the newest key.", plural(rotated, "value was", "values were")));
        }
        for report in &reports {
            reply = reply.maybe_line(in_use(report)).maybe_line(unreadable(report));
        }
        if !self.dry_run && reports.iter().all(ColumnReport::is_on_newest) {
            reply = reply.line("Everything is on the newest key. Once every process was started with it, the older ones can go.");
        }
        Ok(reply.failed_if(is_bad))
    }
}

fn name(report: &ColumnReport) -> String {
    format!("{}.{}", report.table, report.column)
}

/// As found, before anything was encrypted anew.
fn table(reports: &[ColumnReport]) -> Table {
    let mut table = Table::new(&["COLUMN", "KEY", "VALUES"], "Nothing is encrypted.");
    for report in reports {
        for (place, count) in report.by_key.iter().enumerate() {
            let key = if place == 0 { "1 (newest)".to_owned() } else { (place + 1).to_string() };
            let count = if place == 0 { Cell::from(count) } else { Cell::alarming(*count, Tone::Warning) };
            table.push(vec![name(report).into(), key.into(), count]);
        }
        if report.unreadable > 0 {
            table.push(vec![name(report).into(), "none".into(), Cell::alarming(report.unreadable, Tone::Bad)]);
        }
    }
    table
}

fn in_use(report: &ColumnReport) -> Option<String> {
    (report.in_use > 0).then(|| {
        let values = plural(report.in_use, "value is", "values are");
        format!("{}: {values} still on an older key, as the rows were in use. Run it again.", name(report))
    })
}

fn unreadable(report: &ColumnReport) -> Option<String> {
    (report.unreadable > 0).then(|| {
        let values = plural(report.unreadable, "value", "values");
        let rows = report.unreadable_rows.join(", ");
        let more = if report.unreadable > report.unreadable_rows.len() as u64 { ", …" } else { "" };
        format!("{}: {values} that no key opens, left as found. Add the key that made them. Rows: {rows}{more}", name(report))
    })
}
