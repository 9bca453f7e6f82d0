//! The document's row: every statement that reads or changes it. A write of a run carries the run's fence and does nothing without it.

use sqlx::PgPool;

use crate::fault::Fault;
use crate::mail::Announcing;

/// A run that has the document.
#[derive(Debug, Clone)]
pub(super) struct Run {
    pub(super) document_id: i64,
    pub(super) user_id: i64,
    pub(super) file_path: String,
    fence: i64,
}

/// What a run finds when it begins.
#[derive(Debug)]
pub(super) enum Begun {
    Run(Run),
    /// An earlier run has completed it: nothing to do, nobody to call.
    Completed,
    Deleted,
    Missing,
}

/// What is saved of a completed document besides its analysis.
#[derive(Debug, Clone)]
pub(super) struct Completion {
    pub(super) encrypted_analysis: String,
    pub(super) model: String,
    pub(super) tokens: i32,
    pub(super) page_count: i32,
    pub(super) text_length: i32,
    pub(super) processing_ms: i64,
}

/// Takes the document for a new run: older runs can no longer write.
pub(super) async fn begin(pool: &PgPool, document_id: i64) -> sqlx::Result<Begun> {
    let taken = sqlx::query_as!(
        Run,
        r#"update celeriac.documents
           set fence = fence + 1, status = 'processing', started_at = now(), completed_at = null, error_message = null
           where id = $1 and deleted_at is null and status <> 'completed'
           returning id as document_id, user_id, file_path, fence"#,
        document_id
    )
    .fetch_optional(pool)
    .await?;
    if let Some(run) = taken {
        return Ok(Begun::Run(run));
    }
    let status = sqlx::query_scalar!("select status from celeriac.documents where id = $1", document_id).fetch_optional(pool).await?;
    Ok(match status.as_deref() {
        Some("completed") => Begun::Completed,
        Some(_) => Begun::Deleted,
        None => Begun::Missing,
    })
}

impl Run {
    /// Whether the user's recorded consent to AI processing lives.
    pub(super) async fn has_consent(&self, pool: &PgPool) -> sqlx::Result<bool> {
        sqlx::query_scalar!(
            r#"select exists (select 1 from celeriac.consents
               where user_id = $1 and kind = 'ai_processing' and revoked_at is null) as "living!""#,
            self.user_id
        )
        .fetch_one(pool)
        .await
    }

    /// The pages are read; the model is asked next.
    pub(super) async fn analyzing(&self, pool: &PgPool) -> Result<(), Fault> {
        let changed = sqlx::query!(
            "update celeriac.documents set status = 'analyzing' where id = $1 and fence = $2 and status = 'processing'",
            self.document_id,
            self.fence
        )
        .execute(pool)
        .await?;
        if changed.rows_affected() == 1 { Ok(()) } else { Err(Fault::superseded()) }
    }

    /// Result, usage counters and completion, together or not at all; the last statement marks the document completed.
    pub(super) async fn complete(&self, pool: &PgPool, result: &Completion, announcing: Announcing) -> Result<(), Fault> {
        let mut transaction = pool.begin().await?;
        // A worker that is frozen in here holds the row's lock: PostgreSQL ends it then, so that the run that follows can begin.
        sqlx::query!("select set_config('idle_in_transaction_session_timeout', '5s', true)").fetch_one(&mut *transaction).await?;
        sqlx::query!(
            "insert into celeriac.usage_counters (user_id, month, kind, used)
             select $1, date_trunc('month', now() at time zone 'UTC')::date, kind, used
             from (values ('documents', 1::bigint), ('tokens', $2::bigint)) as raised (kind, used)
             on conflict (user_id, month, kind) do update set used = usage_counters.used + excluded.used",
            self.user_id,
            i64::from(result.tokens)
        )
        .execute(&mut *transaction)
        .await?;
        let completed = sqlx::query!(
            "update celeriac.documents
             set status = 'completed', error_message = null, completed_at = now(), ai_summary = $3, ai_model_used = $4, ai_tokens_used = $5,
                 page_count = $6, text_length = $7, ocr_confidence = null, processing_ms = $8
             where id = $1 and fence = $2 and status <> 'completed'",
            self.document_id,
            self.fence,
            result.encrypted_analysis,
            result.model,
            result.tokens,
            result.page_count,
            result.text_length,
            result.processing_ms
        )
        .execute(&mut *transaction)
        .await?;
        if completed.rows_affected() != 1 {
            transaction.rollback().await?;
            return Err(Fault::superseded());
        }
        announcing.announce(&mut transaction, self.document_id).await?;
        crate::checkpoint::checkpoint("documents.before_commit").await;
        transaction.commit().await?;
        crate::checkpoint::checkpoint("documents.after_commit").await;
        Ok(())
    }

    /// Tells the user why this attempt failed; whether it was the last one is not for this run to say.
    pub(super) async fn explain(&self, pool: &PgPool, sentence: &str) -> sqlx::Result<()> {
        sqlx::query!(
            "update celeriac.documents set error_message = $3 where id = $1 and fence = $2 and status <> 'completed'",
            self.document_id,
            self.fence,
            sentence
        )
        .execute(pool)
        .await?;
        Ok(())
    }
}

/// The job has ended without completing the document: failed, with what the last attempt said, or else with `sentence`. A run that still
/// sleeps somewhere can write no more. Doing it again changes nothing.
pub(super) async fn fail(pool: &PgPool, document_id: i64, sentence: &str, keep_message: bool) -> sqlx::Result<()> {
    sqlx::query!(
        "update celeriac.documents
         set status = 'failed', fence = fence + 1, completed_at = now(), error_message = case when $3 then coalesce(error_message, $2) else $2 end
         where id = $1 and status not in ('completed', 'failed')",
        document_id,
        sentence,
        keep_message
    )
    .execute(pool)
    .await?;
    Ok(())
}
