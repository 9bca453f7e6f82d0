//! `celeriac backup list`: the catalogue, with the proof of each backup.

use chrono::Utc;
use clap::Subcommand;

use crate::human::{bytes, clock, relative};
use crate::reply::{Cell, Reply, Table, Tone};
use crate::stores::Stores;
use crate::views::backups::{self, BackupRow};

#[derive(Debug, Subcommand)]
pub(crate) enum Backup {
    /// Backups, newest first, and whether each was proved restorable.
    List {
        /// Show at most so many.
        #[arg(long, default_value_t = 30)]
        limit: u32,
    },
}

impl Backup {
    pub(crate) async fn run(self, stores: &Stores) -> anyhow::Result<Reply> {
        let Self::List { limit } = self;
        let rows = backups::list(&stores.postgres().await?, limit.into()).await?;
        let now = Utc::now();
        let header = &["ID", "STARTED", "STATE", "SIZE", "PROVED", "KEPT UNTIL", "OBJECT", "ERROR"];
        let mut table = Table::new(header, "There are no backups yet. Make one with: celeriac enqueue backup_database --wait");
        for row in &rows {
            table.push(vec![
                row.id.into(),
                clock(row.started_at).into(),
                state(row),
                Cell::maybe(row.bytes.map(|count| bytes(count.unsigned_abs()))),
                proof(row, now),
                Cell::maybe(row.keep_until.map(clock)),
                (&row.object_key).into(),
                Cell::maybe(row.error.clone().or_else(|| row.verify_error.clone())),
            ]);
        }
        Ok(Reply::of(&rows).table(table))
    }
}

fn state(row: &BackupRow) -> Cell {
    let tone = match row.state.as_str() {
        "stored" => Tone::Good,
        "failed" => Tone::Bad,
        "deleted" => Tone::Faint,
        _ => Tone::Plain,
    };
    Cell::toned(&row.state, tone)
}

fn proof(row: &BackupRow, now: chrono::DateTime<Utc>) -> Cell {
    match (&row.verify_error, row.verified_at) {
        (Some(_), _) => Cell::toned("failed", Tone::Bad),
        (None, Some(at)) => Cell::toned(relative(at, now), Tone::Good),
        (None, None) => Cell::maybe(None::<String>),
    }
}
