//! `celeriac schedule`: what runs when, what ran, and firing by hand.

use chrono::Utc;
use clap::Subcommand;
use serde_json::json;

use crate::actions::schedules as act;
use crate::audit::Actor;
use crate::human::{clock, relative, span};
use crate::reply::{Cell, Reply, Table, Tone};
use crate::stores::Stores;
use crate::views::schedules::{self, RunRow, ScheduleRow};

#[derive(Debug, Subcommand)]
pub(crate) enum Schedule {
    /// Every schedule with its next and its last run.
    List,
    /// Fire a schedule now, beside its usual occurrences.
    Run { name: String },
    /// Runs, newest first; of one schedule or of all.
    History {
        name: Option<String>,
        /// Show at most so many.
        #[arg(long, default_value_t = 50)]
        limit: u32,
    },
    /// Let a schedule fire again, from now on.
    Enable { name: String },
    /// Fire a schedule no more until it is enabled.
    Disable { name: String },
}

impl Schedule {
    pub(crate) async fn run(self, stores: &Stores, actor: &Actor) -> anyhow::Result<Reply> {
        let pool = stores.postgres().await?;
        match self {
            Self::List => {
                let rows = schedules::all(&pool).await?;
                Ok(Reply::of(&rows).table(list(&rows)))
            }
            Self::Run { name } => {
                let report = act::fire(&pool, actor, &name).await?;
                let line = format!("{name} is fired as job {}. Follow it with: celeriac job show {}", report.job_id, report.job_id);
                Ok(Reply::of(&report).line(line))
            }
            Self::History { name, limit } => {
                let rows = schedules::history(&pool, name.as_deref(), limit.into()).await?;
                Ok(Reply::of(&rows).table(history(&rows)))
            }
            Self::Enable { name } => switch(&pool, actor, name, true).await,
            Self::Disable { name } => switch(&pool, actor, name, false).await,
        }
    }
}

async fn switch(pool: &sqlx::PgPool, actor: &Actor, name: String, enabled: bool) -> anyhow::Result<Reply> {
    let changed = act::set_enabled(pool, actor, &name, enabled).await?;
    let line = match (changed, enabled) {
        (false, true) => format!("{name} was enabled before."),
        (false, false) => format!("{name} was disabled before."),
        (true, true) => format!("{name} is enabled; schedules.toml no longer changes it."),
        (true, false) => format!("{name} is disabled; schedules.toml no longer changes it."),
    };
    Ok(Reply::of(&json!({ "schedule": name, "enabled": enabled, "changed": changed })).line(line))
}

fn list(rows: &[ScheduleRow]) -> Table {
    let now = Utc::now();
    let header = &["SCHEDULE", "WHEN", "JOB", "NEXT", "LAST", "OUTCOME", "ERROR"];
    let mut table = Table::new(header, "There are no schedules. A scheduler seeds them from SCHEDULES_FILE at its start.");
    for row in rows {
        let next = match (row.enabled, row.overdue_seconds, row.next_at) {
            (false, ..) => Cell::toned("disabled", Tone::Warning),
            (true, Some(seconds), _) => Cell::toned(format!("overdue by {}", span(seconds.unsigned_abs())), Tone::Bad),
            (true, None, Some(at)) => relative(at, now).into(),
            (true, None, None) => Cell::toned("not yet computed", Tone::Warning),
        };
        table.push(vec![
            (&row.name).into(),
            row.when().into(),
            (&row.job).into(),
            next,
            Cell::maybe(row.last_instant.map(|at| relative(at, now))),
            row.last_word().map_or_else(|| Cell::maybe(None::<String>), outcome),
            Cell::maybe(row.last_error.clone()),
        ]);
    }
    table
}

fn history(rows: &[RunRow]) -> Table {
    let header = &["SCHEDULE", "INSTANT", "WHY", "OUTCOME", "TOOK", "JOB ID", "ERROR"];
    let mut table = Table::new(header, "Nothing has run yet.");
    for row in rows {
        let seconds = row.finished_at.map(|at| (at - row.fired_at).num_milliseconds().unsigned_abs());
        table.push(vec![
            (&row.schedule).into(),
            clock(row.instant).into(),
            row.reason.replace('_', " ").into(),
            outcome(row.outcome.as_deref().unwrap_or(if row.reason == "skipped_overlap" { "skipped" } else { "running" })),
            Cell::maybe(seconds.map(crate::human::took)),
            Cell::maybe(row.job_id.clone()),
            Cell::maybe(row.error.clone()),
        ]);
    }
    table
}

fn outcome(word: &str) -> Cell {
    let tone = match word {
        "finished" => Tone::Good,
        "running" => Tone::Plain,
        "dead" => Tone::Bad,
        _ => Tone::Warning,
    };
    Cell::toned(word, tone)
}
