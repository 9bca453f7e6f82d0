//! `celeriac migrate`: the schema's migrations, a step of its own before a deploy.

use celeriac_migrations as migrations;
use clap::Subcommand;
use serde_json::json;

use crate::human::{clock, plural};
use crate::reply::{Cell, Reply, Table, Tone};
use crate::stores::Stores;

#[derive(Debug, Subcommand)]
pub(crate) enum Migrate {
    /// Apply every migration that is not applied yet.
    Up,
    /// Undo the newest N migrations. What they created is dropped, with its data.
    Down {
        #[arg(value_parser = clap::value_parser!(u32).range(1..))]
        count: u32,
    },
    /// List the migrations and which of them are applied; exit code 1 when some are not.
    Status,
}

impl Migrate {
    pub(crate) async fn run(self, stores: &Stores) -> anyhow::Result<Reply> {
        let pool = stores.postgres().await?;
        match self {
            Self::Up => {
                migrations::up(&pool).await?;
                Ok(listed(&pool).await?.line("The schema is up to date."))
            }
            Self::Down { count } => {
                migrations::down(&pool, count as usize).await?;
                Ok(listed(&pool).await?.line(format!("{} undone.", plural(count.into(), "migration is", "migrations are"))))
            }
            Self::Status => {
                let rows = migrations::status(&pool).await?;
                let missing = rows.iter().any(|row| row.applied_at.is_none());
                Ok(listed(&pool).await?.failed_if(missing))
            }
        }
    }
}

async fn listed(pool: &sqlx::PgPool) -> anyhow::Result<Reply> {
    let rows = migrations::status(pool).await?;
    let mut table = Table::new(&["VERSION", "MIGRATION", "APPLIED"], "There are no migrations.");
    for row in &rows {
        table.push(vec![
            format!("{:04}", row.version).into(),
            (&row.description).into(),
            match row.applied_at {
                Some(at) => Cell::toned(clock(at), Tone::Good),
                None => Cell::toned("not applied", Tone::Bad),
            },
        ]);
    }
    Ok(Reply::of(&json!(rows)).table(table))
}
