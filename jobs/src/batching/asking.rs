//! The side of a job that asks: puts its question aside, waits, or withdraws it.

use std::time::Duration;

use chrono::{DateTime, Utc};

use super::Batching;
use crate::ledger::{Batched, Call, CallKey, Caller, Ledger, Subject};

/// The longest that a job sleeps for an answer: it is woken when it comes, and this is for the waking that is lost.
const NAP_MAX: Duration = Duration::from_secs(10 * 60);

/// A question larger than this is asked directly: it would fill a batch alone.
const REQUEST_BYTES_MAX: usize = 20 * 1024 * 1024;

/// Whose question may wait, and how long.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Asker<'a> {
    pub(crate) deadline: DateTime<Utc>,
    /// Where the job is, for waking it.
    pub(crate) queue: &'a str,
}

/// A call that a job wants to make, and that has time.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Wanted<'a> {
    pub(crate) key: &'a CallKey,
    pub(crate) request_hash: &'a str,
    pub(crate) caller: &'a Caller<'a>,
    /// As for [`Ledger::begin`].
    pub(crate) longest: Duration,
    pub(crate) asker: Asker<'a>,
}

/// What goes into the batch.
pub(crate) struct Question {
    /// As it is sent.
    pub(crate) request: String,
    /// Its estimate, rather too large; `None` for a model without a price.
    pub(crate) may_cost_micro_usd: Option<i64>,
}

impl Batching {
    /// Puts a call aside for a batch, when there is time and it has not been in one in vain. How long to wait for its answer; `None`: it is
    /// to be made directly, or needs not be made. `question` is called only when needed.
    ///
    /// It is begun in the ledger and put aside in one transaction: a question that waits is never an unknown outcome.
    ///
    /// # Errors
    /// When PostgreSQL does not answer, or the request cannot be put into words.
    pub(crate) async fn offer(
        &self,
        ledger: &Ledger,
        call: &Wanted<'_>,
        question: impl FnOnce() -> anyhow::Result<Question>,
    ) -> anyhow::Result<Option<Duration>> {
        let until = self.waits_until(call.asker.deadline);
        let mut transaction = self.pool.begin().await?;
        let permit = match ledger.begin_in(&mut transaction, call.key, call.request_hash, call.caller, call.longest).await? {
            Call::Make(permit) => permit,
            Call::Batched(batched) => {
                transaction.rollback().await?;
                let wait = self.wait_for(&batched, call.request_hash).await?;
                if wait.is_none() || until.is_none() {
                    self.withdraw(&batched).await?;
                    return Ok(None);
                }
                return Ok(wait);
            }
            _ => return Ok(None),
        };
        let Some(until) = until else { return Ok(None) };
        if permit.is_repeat || was_in_one(&mut transaction, permit.row).await? {
            return Ok(None);
        }
        let Question { request, may_cost_micro_usd } = question()?;
        if request.len() > REQUEST_BYTES_MAX {
            return Ok(None);
        }
        sqlx::query!(
            "with put as (
               insert into celeriac.batched_questions (call_id, number, model, request_hash, request, request_bytes, ask_directly_at, queue, job_id,
                                                       may_cost_usd)
               values ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10::bigint / 1000000.0))
             update celeriac.paid_calls set state = 'batched' where id = $1",
            permit.row,
            permit.number,
            call.key.model,
            call.request_hash,
            self.keys.encrypt(&request),
            i32::try_from(request.len())?,
            until,
            call.asker.queue,
            call.caller.job_id,
            may_cost_micro_usd
        )
        .execute(&mut *transaction)
        .await?;
        transaction.commit().await?;
        Ok(Some(nap(until)))
    }

    /// A question is asked directly after all. An answer that comes with its batch is counted, and of use where it is the first.
    ///
    /// # Errors
    /// When PostgreSQL does not answer.
    pub(crate) async fn withdraw(&self, batched: &Batched) -> anyhow::Result<()> {
        sqlx::query!(
            "with call as (
               update celeriac.paid_calls set state = 'failed', settled_at = now(), error = 'withdrawn from its batch'
               where id = $1 and calls = $2 and state = 'batched' returning id)
             update celeriac.batched_questions set state = 'withdrawn', request = null, settled_at = now()
             where call_id in (select id from call) and number = $2 and state in ('waiting', 'sent')",
            batched.row,
            batched.number
        )
        .execute(&self.pool)
        .await?;
        crate::checkpoint::checkpoint("batches.withdrawn").await;
        Ok(())
    }

    /// How long the questions about a subject can still wait for their batch; `None` when none does, or one has to be asked directly.
    ///
    /// # Errors
    /// When PostgreSQL does not answer.
    pub(crate) async fn waits(&self, subject: Subject) -> anyhow::Result<Option<Duration>> {
        if !self.enabled {
            return Ok(None);
        }
        let until = sqlx::query_scalar!(
            "select min(q.ask_directly_at) from celeriac.batched_questions q join celeriac.paid_calls c on c.id = q.call_id
             where c.subject_kind = $1 and c.subject_id = $2 and c.state = 'batched' and q.state in ('waiting', 'sent')",
            subject.kind,
            subject.id
        )
        .fetch_one(&self.pool)
        .await?;
        Ok(until.filter(|until| *until > Utc::now()).map(nap))
    }

    /// The job of that subject has ended: its questions are not asked any more. Those that are on their way may still be answered.
    ///
    /// # Errors
    /// When PostgreSQL does not answer.
    pub(crate) async fn withdraw_all(&self, subject: Subject) -> anyhow::Result<()> {
        sqlx::query!(
            "with calls as (
               update celeriac.paid_calls set state = 'failed', settled_at = now(), error = 'withdrawn from its batch as its job has ended'
               where subject_kind = $1 and subject_id = $2 and state = 'batched' returning id)
             update celeriac.batched_questions set state = 'withdrawn', request = null, settled_at = now()
             where call_id in (select id from calls) and state in ('waiting', 'sent')",
            subject.kind,
            subject.id
        )
        .execute(&self.pool)
        .await?;
        Ok(())
    }

    /// An answer that nobody can use, as it is not of the form asked for: if it came with a batch, nobody has read it before. It stays paid for,
    /// and the next call is a direct one. False when it did not come with a batch.
    ///
    /// # Errors
    /// When PostgreSQL does not answer.
    pub(crate) async fn disown(&self, key: &CallKey) -> anyhow::Result<bool> {
        let disowned = sqlx::query_scalar!(
            r#"with call as (
                 update celeriac.paid_calls c
                 set state = 'failed', answer = null, error = 'off_form', unusable_answers = unusable_answers + 1
                 where subject_kind = $1 and subject_id = $2 and step = $3 and page = $4 and prompt_version = $5 and model = $6 and state = 'answered'
                   and exists (select 1 from celeriac.batched_questions q where q.call_id = c.id and q.state = 'answered')
                 returning id),
               receipt as (
                 update celeriac.paid_answers set state = 'failed' where call_id in (select id from call) and batched)
               select count(*) as "count!" from call"#,
            key.subject.kind,
            key.subject.id,
            key.step,
            key.page,
            key.prompt_version,
            key.model
        )
        .fetch_one(&self.pool)
        .await?;
        Ok(disowned > 0)
    }

    /// `None`: its time has come, or it is another question than the one that waits.
    async fn wait_for(&self, batched: &Batched, request_hash: &str) -> anyhow::Result<Option<Duration>> {
        let until = sqlx::query_scalar!(
            "select ask_directly_at from celeriac.batched_questions where call_id = $1 and number = $2 and request_hash = $3",
            batched.row,
            batched.number,
            request_hash
        )
        .fetch_optional(&self.pool)
        .await?;
        Ok(until.filter(|until| *until > Utc::now()).map(nap))
    }
}

/// Whether this call has been in a batch without success.
async fn was_in_one(transaction: &mut sqlx::PgConnection, call: i64) -> sqlx::Result<bool> {
    sqlx::query_scalar!(r#"select exists (select 1 from celeriac.batched_questions where call_id = $1) as "was!""#, call)
        .fetch_one(transaction)
        .await
}

fn nap(until: DateTime<Utc>) -> Duration {
    (until - Utc::now()).to_std().unwrap_or(Duration::ZERO).min(NAP_MAX).max(Duration::from_secs(1))
}
