//! `celeriac costs`: what the model cost.

use clap::Args;

use crate::reply::{Cell, Reply, Table, Tone};
use crate::stores::Stores;
use crate::views::costs;

#[derive(Debug, Args)]
pub(crate) struct Costs {
    /// How many days back, today (UTC) included.
    #[arg(long, default_value_t = 7, value_parser = clap::value_parser!(i32).range(1..=3660))]
    days: i32,
}

impl Costs {
    pub(crate) async fn run(self, stores: &Stores) -> anyhow::Result<Reply> {
        let rows = costs::by_day(&stores.postgres().await?, self.days).await?;
        let header = &["DAY", "MODEL", "CALLS", "ANSWERED", "FAILED", "UNSETTLED", "TOKENS IN", "TOKENS OUT", "USD"];
        let mut table = Table::new(header, "No paid call was made in that time.");
        for row in &rows {
            table.push(vec![
                row.day.into(),
                (&row.model).into(),
                row.calls.into(),
                row.answered.into(),
                Cell::alarming(row.failed.unsigned_abs(), Tone::Bad),
                Cell::alarming(row.unsettled.unsigned_abs(), Tone::Warning),
                row.input_tokens.into(),
                row.output_tokens.into(),
                format!("{:.4}", row.cost_usd).into(),
            ]);
        }
        let total: f64 = rows.iter().map(|row| row.cost_usd).sum();
        let reply = Reply::of(&rows).table(table);
        Ok(if rows.is_empty() { reply } else { reply.line(format!("Total: {total:.4} USD")) })
    }
}
