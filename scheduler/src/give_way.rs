//! Rows of the outbox that were not enqueued because another job had their unique key.

use std::collections::BTreeMap;

use celeriac_queue::{Enqueued, JobId, QueueName};
use sqlx::PgTransaction;

/// What one pass is to write of them.
#[derive(Default)]
pub(crate) struct GaveWay {
    /// Row, and the job that had the key.
    ended: Vec<(JobId, JobId)>,
    /// Queue and waiting job that took over arguments, and the last row that it took them from.
    taken_over: BTreeMap<(QueueName, JobId), JobId>,
}

impl GaveWay {
    pub(crate) fn add(&mut self, row: JobId, answer: Enqueued) {
        if answer.replaced {
            self.taken_over.insert((answer.queue, answer.id.clone()), row.clone());
        }
        self.ended.push((row, answer.id));
    }

    pub(crate) fn len(&self) -> usize {
        self.ended.len()
    }

    /// To be called after the relayed rows of the pass are marked: one of them may be the job that took over.
    pub(crate) async fn write(&self, tx: &mut PgTransaction<'_>) -> sqlx::Result<()> {
        if self.ended.is_empty() {
            return Ok(());
        }
        if !self.taken_over.is_empty() {
            let rows: Vec<String> = self.taken_over.values().map(JobId::to_string).collect();
            let (queues, holders): (Vec<String>, Vec<String>) =
                self.taken_over.keys().map(|(queue, holder)| (queue.to_string(), holder.to_string())).unzip();
            sqlx::query_file!("sql/take_over.sql", &rows, &holders, &queues).execute(&mut **tx).await?;
        }
        let (rows, holders): (Vec<String>, Vec<String>) =
            self.ended.iter().map(|(row, holder)| (row.to_string(), holder.to_string())).unzip();
        sqlx::query!("select celeriac.give_way($1, $2)", &rows, &holders).execute(&mut **tx).await?;
        Ok(())
    }
}
