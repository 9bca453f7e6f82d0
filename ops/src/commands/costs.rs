//! `celeriac costs`: what the model cost.

use chrono::Utc;
use clap::Args;

use crate::reply::{Cell, Reply, Table, Tone};
use crate::stores::Stores;
use crate::views::budget;
use crate::views::costs::{self, By, CostRow};

#[derive(Debug, Args)]
pub(crate) struct Costs {
    /// How many days back, today (UTC) included.
    #[arg(long, default_value_t = 7, value_parser = clap::value_parser!(u32).range(1..=3660))]
    days: u32,
    /// What to sum up by.
    #[arg(long, value_enum, default_value = "day")]
    by: By,
}

impl Costs {
    pub(crate) async fn run(self, stores: &Stores) -> anyhow::Result<Reply> {
        let rows = costs::by(&stores.postgres().await?, costs::days_back(Utc::now(), self.days), self.by).await?;
        let mut table = Table::new(header(self.by), "No paid call was made in that time.");
        for row in &rows {
            let mut cells = keys(row, self.by);
            cells.extend([
                row.calls.into(),
                row.answered.into(),
                Cell::alarming(row.failed.unsigned_abs(), Tone::Bad),
                Cell::alarming(row.unsettled.unsigned_abs(), Tone::Warning),
                row.input_tokens.into(),
                row.output_tokens.into(),
                format!("{:.4}", row.cost_usd).into(),
            ]);
            table.push(cells);
        }
        let total: f64 = rows.iter().map(|row| row.cost_usd).sum();
        let reply = Reply::of(&rows).table(table);
        let reply = if rows.is_empty() { reply } else { reply.line(format!("Total: {total:.4} USD")) };
        // What was spent is PostgreSQL's to say; that the limits are not known takes nothing from it.
        Ok(match budget::read(stores).await {
            Ok(budget) => reply.maybe_line(budget.sentence()),
            Err(error) => reply.note(Some(format!("The budgets could not be read: {error:#}"))),
        })
    }
}

fn header(by: By) -> &'static [&'static str] {
    match by {
        By::Day => &["DAY", "MODEL", "CALLS", "ANSWERED", "FAILED", "UNSETTLED", "TOKENS IN", "TOKENS OUT", "USD"],
        By::User => &["USER", "CALLS", "ANSWERED", "FAILED", "UNSETTLED", "TOKENS IN", "TOKENS OUT", "USD"],
        By::Job => &["JOB", "CALLS", "ANSWERED", "FAILED", "UNSETTLED", "TOKENS IN", "TOKENS OUT", "USD"],
        By::Model => &["MODEL", "CALLS", "ANSWERED", "FAILED", "UNSETTLED", "TOKENS IN", "TOKENS OUT", "USD"],
    }
}

fn keys(row: &CostRow, by: By) -> Vec<Cell> {
    match by {
        By::Day => vec![Cell::maybe(row.day.map(|day| day.to_string())), Cell::maybe(row.model.as_deref())],
        By::User => vec![Cell::maybe(row.user_id.map(|user| user.to_string()))],
        By::Job => vec![Cell::maybe(row.job.as_deref())],
        By::Model => vec![Cell::maybe(row.model.as_deref())],
    }
}
