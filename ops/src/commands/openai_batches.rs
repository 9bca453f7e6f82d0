//! `celeriac openai-batches`: questions that go to the model in batches, at half the price.

use clap::Args;

use crate::human::plural;
use crate::reply::{Reply, Table};
use crate::stores::Stores;
use crate::views::openai_batches;

#[derive(Debug, Args)]
pub(crate) struct OpenaiBatches {
    /// How many, newest first.
    #[arg(long, default_value_t = 20, value_parser = clap::value_parser!(i64).range(1..=1000))]
    limit: i64,
}

impl OpenaiBatches {
    pub(crate) async fn run(self, stores: &Stores) -> anyhow::Result<Reply> {
        let pool = stores.postgres().await?;
        let rows = openai_batches::newest(&pool, self.limit).await?;
        let under_way = openai_batches::under_way(&pool).await?;
        let header = &["ID", "MODEL", "STATE", "AT OPENAI", "QUESTIONS", "ANSWERED", "NOT ANSWERED", "CREATED", "WHAT WENT WRONG"];
        let mut table = Table::new(header, "No batch has been made yet.");
        for row in &rows {
            table.push(vec![
                row.id.into(),
                (&row.model).into(),
                (&row.state).into(),
                row.provider_status.as_deref().unwrap_or("-").into(),
                row.questions.into(),
                row.answered.into(),
                row.not_answered.into(),
                row.created_at.format("%Y-%m-%d %H:%M").into(),
                row.error.as_deref().unwrap_or("").into(),
            ]);
        }
        let waiting = plural(under_way.waiting.unsigned_abs(), "question waits", "questions wait");
        let reply = Reply::of(&serde_json::json!({ "batches": rows, "under_way": under_way })).table(table);
        Ok(reply.line(format!("{waiting} for a batch.")))
    }
}
