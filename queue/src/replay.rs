//! What a person does with dead jobs: run them again, now or spread over time, or delete them.

use std::time::Duration;

use futures::future::join_all;
use serde::Serialize;

use crate::consumer::BATCH_MAX;
use crate::scripts::{self, Deleted, RequeueReply};
use crate::{Client, Error, JobId, QueueName};

/// What a replay did to one job.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum Replayed {
    /// It is ready, from its first attempt.
    Ready,
    /// It is scheduled, and runs from its first attempt when it is due.
    Scheduled,
    /// It is not dead (any more); nothing was changed.
    NotDead,
}

impl Client {
    /// Runs dead jobs again from their first attempt, each so long from now; a delay is held in Redis, so that nobody needs to stay for it.
    /// A job that another replayed meanwhile is left alone. One answer a job; at most 500 jobs.
    ///
    /// # Errors
    /// [`Error::BatchTooLarge`] for all; [`Error::Redis`] for each whose fate is not known.
    pub async fn replay(&self, queue: &QueueName, jobs: &[(JobId, Duration)]) -> Result<Vec<Result<Replayed, Error>>, Error> {
        check_count(jobs.len())?;
        let keys = self.connection().namespace().queue(queue);
        // All on their way at once, in their order: the connection carries many commands at a time.
        let calls = jobs.iter().map(|(id, delay)| async {
            let delay_ms = u64::try_from(delay.as_millis()).unwrap_or(u64::MAX);
            match scripts::requeue(self.connection(), &keys, id, delay_ms, true).await? {
                RequeueReply::Ready => Ok(Replayed::Ready),
                RequeueReply::Scheduled => Ok(Replayed::Scheduled),
                RequeueReply::Refused | RequeueReply::Missing => Ok(Replayed::NotDead),
            }
        });
        Ok(join_all(calls).await)
    }

    /// Deletes the records of ended jobs, or only of dead ones, with everything of theirs. One answer a job; at most 500 jobs.
    ///
    /// # Errors
    /// [`Error::BatchTooLarge`]; [`Error::Redis`], and then all may have been deleted.
    pub async fn delete(&self, queue: &QueueName, ids: &[JobId], only_dead: bool) -> Result<Vec<Deleted>, Error> {
        check_count(ids.len())?;
        let keys = self.connection().namespace().queue(queue);
        if ids.is_empty() {
            return Ok(Vec::new());
        }
        scripts::delete(self.connection(), &keys, ids, only_dead).await
    }
}

fn check_count(count: usize) -> Result<(), Error> {
    if count > BATCH_MAX { Err(Error::BatchTooLarge { count, max: BATCH_MAX }) } else { Ok(()) }
}
