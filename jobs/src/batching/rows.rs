//! The rows of batches: every statement that changes one.

use sqlx::PgPool;
use uuid::Uuid;

/// A batch that is not done with.
#[derive(Debug, Clone)]
pub(super) struct Batch {
    pub(super) id: i64,
    pub(super) token: Uuid,
    pub(super) state: String,
    pub(super) attempts: i32,
    /// Seconds since 1970.
    pub(super) created_at: i64,
    pub(super) input_file_id: Option<String>,
    pub(super) provider_id: Option<String>,
    pub(super) output_file_id: Option<String>,
    pub(super) error_file_id: Option<String>,
    pub(super) cancel_asked: bool,
}

/// Oldest first.
pub(super) async fn unfinished(pool: &PgPool) -> sqlx::Result<Vec<Batch>> {
    sqlx::query_as!(
        Batch,
        r#"select id, token, state, attempts, extract(epoch from created_at)::bigint as "created_at!", input_file_id, provider_id,
                  output_file_id, error_file_id, cancel_asked
           from celeriac.openai_batches where state <> 'cleaned' order by id"#
    )
    .fetch_all(pool)
    .await
}

impl Batch {
    /// From here on something of it may be at the provider.
    pub(super) async fn begin_sending(&self, pool: &PgPool) -> sqlx::Result<()> {
        sqlx::query!("update celeriac.openai_batches set attempts = attempts + 1 where id = $1", self.id).execute(pool).await?;
        Ok(())
    }

    pub(super) async fn uploaded(&self, pool: &PgPool, file_id: &str, lines: i32) -> sqlx::Result<()> {
        sqlx::query!("update celeriac.openai_batches set input_file_id = $2, lines = $3 where id = $1", self.id, file_id, lines)
            .execute(pool)
            .await?;
        Ok(())
    }

    /// It is created at the provider: the questions need no longer be kept here.
    pub(super) async fn running(&self, pool: &PgPool, provider_id: &str, file_id: &str, status: &str) -> sqlx::Result<()> {
        sqlx::query!(
            "with questions as (
               update celeriac.batched_questions set request = null where batch_id = $1 and state = 'sent')
             update celeriac.openai_batches
             set state = 'running', provider_id = $2, input_file_id = $3, provider_status = $4, sent_at = now(), error = null where id = $1",
            self.id,
            provider_id,
            file_id,
            status
        )
        .execute(pool)
        .await?;
        Ok(())
    }

    pub(super) async fn polled(&self, pool: &PgPool, status: &str, output: Option<&str>, errors: Option<&str>) -> sqlx::Result<()> {
        sqlx::query!(
            "update celeriac.openai_batches
             set provider_status = $2, output_file_id = coalesce($3, output_file_id), error_file_id = coalesce($4, error_file_id),
                 polled_at = now(), error = null
             where id = $1",
            self.id,
            status,
            output,
            errors
        )
        .execute(pool)
        .await?;
        Ok(())
    }

    pub(super) async fn cancel_asked(&self, pool: &PgPool) -> sqlx::Result<()> {
        sqlx::query!("update celeriac.openai_batches set cancel_asked = true where id = $1", self.id).execute(pool).await?;
        Ok(())
    }

    /// Every question of it is settled.
    pub(super) async fn ended(&self, pool: &PgPool, error: Option<&str>) -> sqlx::Result<()> {
        sqlx::query!(
            "update celeriac.openai_batches b
             set state = 'ended', ended_at = now(), error = $2,
                 answered = (select count(*) from celeriac.batched_questions q where q.batch_id = b.id and q.state = 'answered'),
                 failed = (select count(*) from celeriac.batched_questions q where q.batch_id = b.id and q.state <> 'answered')
             where id = $1",
            self.id,
            error
        )
        .execute(pool)
        .await?;
        Ok(())
    }

    /// Nothing of it is left at the provider.
    pub(super) async fn cleaned(&self, pool: &PgPool) -> sqlx::Result<()> {
        sqlx::query!("update celeriac.openai_batches set state = 'cleaned', cleaned_at = now() where id = $1", self.id)
            .execute(pool)
            .await?;
        Ok(())
    }

    /// A step of it did not succeed; the next run tries again.
    pub(super) async fn troubled(&self, pool: &PgPool, why: &str) -> sqlx::Result<()> {
        sqlx::query!("update celeriac.openai_batches set error = $2 where id = $1", self.id, why).execute(pool).await?;
        Ok(())
    }

    /// Whether an answer is still waited for.
    pub(super) async fn is_wanted(&self, pool: &PgPool) -> sqlx::Result<bool> {
        sqlx::query_scalar!(
            r#"select exists (select 1 from celeriac.batched_questions where batch_id = $1 and state = 'sent') as "wanted!""#,
            self.id
        )
        .fetch_one(pool)
        .await
    }
}

/// What has long been over is not kept for ever; its receipts are.
pub(super) async fn forget_old(pool: &PgPool) -> sqlx::Result<()> {
    // Its job would have withdrawn it long ago, if there still were one.
    sqlx::query!(
        "with questions as (
           update celeriac.batched_questions set state = 'withdrawn', request = null, settled_at = now()
           where state = 'waiting' and ask_directly_at < now() - interval '1 day' returning call_id, number)
         update celeriac.paid_calls c set state = 'failed', settled_at = now(), error = 'withdrawn from its batch, as nobody asked for it any more'
         from questions where c.id = questions.call_id and c.calls = questions.number and c.state = 'batched'"
    )
    .execute(pool)
    .await?;
    sqlx::query!("delete from celeriac.batched_questions where settled_at < now() - interval '90 days'").execute(pool).await?;
    sqlx::query!(
        "delete from celeriac.openai_batches b where cleaned_at < now() - interval '90 days'
         and not exists (select 1 from celeriac.batched_questions q where q.batch_id = b.id)"
    )
    .execute(pool)
    .await?;
    Ok(())
}
