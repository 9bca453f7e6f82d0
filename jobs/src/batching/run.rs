//! One run over all batches.

use celeriac_queue::Client;

use super::rows::{self, Batch};
use super::send::{Sent, send};
use super::settings::BatchRunner;
use super::{BatchRun, collect, gather};

impl BatchRun {
    /// Grows with everything that changes what batches have cost or may cost.
    fn settled(&self) -> u64 {
        self.answered + self.failed + self.ended
    }
}

impl BatchRunner {
    /// Moves every batch on as far as it goes. What does not succeed with one of them is noted there and does not hold up the others.
    ///
    /// # Errors
    /// When PostgreSQL does not answer.
    pub async fn run(&self, client: &Client) -> anyhow::Result<BatchRun> {
        let mut done = BatchRun { unaffordable: gather::gather(&self.pool, &self.admission).await?, ..BatchRun::default() };
        for batch in rows::unfinished(&self.pool).await? {
            let settled = done.settled();
            let moved = self.move_on(&batch, client, &mut done).await;
            if done.settled() > settled {
                // Its answers are paid for now, and what was kept back for them is free.
                self.admission.forget().await;
            }
            if let Err(error) = moved {
                done.troubles += 1;
                let why = format!("{error:#}");
                tracing::warn!(batch.id, why, "a step of a batch did not succeed; it is tried again");
                batch.troubled(&self.pool, &why).await?;
            }
        }
        // What has ended in this run is cleaned in it.
        for batch in rows::unfinished(&self.pool).await?.into_iter().filter(|batch| batch.state == "ended") {
            if let Err(error) = collect::clean(self, &batch).await {
                done.troubles += 1;
                batch.troubled(&self.pool, &format!("its files could not be deleted: {error:#}")).await?;
            }
        }
        rows::forget_old(&self.pool).await?;
        Ok(done)
    }

    async fn move_on(&self, batch: &Batch, client: &Client, done: &mut BatchRun) -> anyhow::Result<()> {
        match batch.state.as_str() {
            "gathered" => match send(self, batch).await? {
                Sent::Running => done.sent += 1,
                Sent::Never(why) => collect::give_up(self, batch, client, done, &why).await?,
            },
            "running" => collect::collect(self, batch, client, done).await?,
            _ => {}
        }
        Ok(())
    }
}
