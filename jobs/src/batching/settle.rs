//! What became of a question goes into the ledger, once, however often it is read.

use celeriac_queue::{Client, JobId, QueueName};
use sqlx::PgPool;

use super::settings::BatchRunner;
use crate::openai::{Outcome, Usage};

/// What settling one answer came to.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Settled {
    Answered,
    Failed,
    /// It was settled before, or is no question of this batch.
    Not,
}

/// Settles one question of a batch by what its line says.
pub(super) async fn settle(
    runner: &BatchRunner,
    batch_id: i64,
    question: i64,
    outcome: Outcome,
) -> anyhow::Result<(Settled, Option<Waiting>)> {
    let BatchRunner { pool, keys, openai, .. } = runner;
    let name = outcome.name();
    let (answer, usage) = match outcome {
        Outcome::Answer { text, usage } => (Some(keys.encrypt(&text)), Some(usage)),
        Outcome::Refusal { usage } | Outcome::Incomplete { usage, .. } | Outcome::InvalidJson { usage } => (None, Some(usage)),
        _ => (None, None),
    };
    let mut transaction = pool.begin().await?;
    let row = sqlx::query!(
        "select call_id, number, state, queue, job_id, request_hash from celeriac.batched_questions
         where id = $1 and batch_id = $2 for update",
        question,
        batch_id
    )
    .fetch_optional(&mut *transaction)
    .await?;
    let Some(row) = row else { return Ok((Settled::Not, None)) };
    if row.state != "sent" && row.state != "withdrawn" {
        // The run that settled it may have died before it woke the job.
        return Ok((Settled::Not, Some(Waiting { queue: row.queue, job_id: row.job_id })));
    }
    let is_late = row.state == "withdrawn";
    if is_late && usage.is_none() {
        // It was withdrawn and nothing was bought.
        return Ok((Settled::Not, None));
    }
    let answered = answer.is_some();
    if let Some(usage) = &usage {
        let Usage { model, input_tokens, output_tokens, request_id, .. } = usage;
        let cost = openai.prices().batch_cost_micro_usd(model, *input_tokens, *output_tokens);
        let counted = |tokens: u32| i32::try_from(tokens).unwrap_or(i32::MAX);
        sqlx::query!(
            "with receipt as (
               insert into celeriac.paid_answers (call_id, number, job, user_id, model, state, input_tokens, output_tokens, cost_usd,
                                                  provider_request_id, batched)
               select id, $2, job, user_id, model, $3, $4, $5, $6::bigint / 1000000.0, $7, true from celeriac.paid_calls where id = $1
               on conflict do nothing)
             update celeriac.paid_calls
             set input_tokens = coalesce(input_tokens, 0) + $4, output_tokens = coalesce(output_tokens, 0) + $5,
                 cost_usd = case when $6::bigint is null then cost_usd else coalesce(cost_usd, 0) + $6::bigint / 1000000.0 end
             where id = $1",
            row.call_id,
            row.number,
            if answered { "answered" } else { "failed" },
            counted(*input_tokens),
            counted(*output_tokens),
            cost,
            request_id.as_deref()
        )
        .execute(&mut *transaction)
        .await?;
        // One that comes late is of use where no other has come, and the question is still the same.
        sqlx::query!(
            "update celeriac.paid_calls
             set state = case when $3::text is null then 'failed' else 'answered' end, answer = $3, answer_deleted_at = null,
                 error = case when $3::text is null then $4 end, answered_model = $5, provider_request_id = $6, settled_at = now(),
                 unusable_answers = unusable_answers + case when $3::text is null then 1 else 0 end
             where id = $1 and (calls = $2 and state = 'batched' or $3::text is not null and state <> 'answered' and request_hash = $7)",
            row.call_id,
            row.number,
            answer,
            name,
            model,
            request_id.as_deref(),
            row.request_hash
        )
        .execute(&mut *transaction)
        .await?;
    } else {
        sqlx::query!(
            "update celeriac.paid_calls set state = 'failed', error = $3, settled_at = now() where id = $1 and calls = $2 and state = 'batched'",
            row.call_id,
            row.number,
            name
        )
        .execute(&mut *transaction)
        .await?;
    }
    sqlx::query!(
        "update celeriac.batched_questions
         set state = case when $2 then 'answered' else 'failed' end, request = null,
             error = case when $2 then null else $3 end, settled_at = now()
         where id = $1",
        question,
        answered,
        name
    )
    .execute(&mut *transaction)
    .await?;
    transaction.commit().await?;
    let waiting = (!is_late).then_some(Waiting { queue: row.queue, job_id: row.job_id });
    Ok((if answered { Settled::Answered } else { Settled::Failed }, waiting))
}

/// Every question of the batch that has no answer is asked directly.
pub(super) async fn fail_the_rest(pool: &PgPool, batch_id: i64, why: &str) -> sqlx::Result<Vec<Waiting>> {
    sqlx::query_as!(
        Waiting,
        "with failed as (
           update celeriac.batched_questions set state = 'failed', request = null, error = $2, settled_at = now()
           where batch_id = $1 and state = 'sent' returning call_id, number, queue, job_id),
         calls as (
           update celeriac.paid_calls c set state = 'failed', error = $2, settled_at = now() from failed
           where c.id = failed.call_id and c.calls = failed.number and c.state = 'batched')
         select queue, job_id from failed",
        batch_id,
        why
    )
    .fetch_all(pool)
    .await
}

/// A job that sleeps until its question is settled.
#[derive(Debug)]
pub(super) struct Waiting {
    queue: String,
    job_id: String,
}

impl Waiting {
    /// Wakes the job. One that cannot be woken wakes by itself a little later.
    pub(super) async fn wake(&self, client: &Client) {
        let (Ok(queue), Ok(id)) = (QueueName::parse(&self.queue), JobId::parse(&self.job_id)) else { return };
        if let Err(error) = client.hasten(&queue, &id).await {
            tracing::debug!(job.id = %id, %error, "a job whose answer has come was not woken");
        }
    }
}
