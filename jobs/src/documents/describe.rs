//! The study behind `process_document`: describes a document for its owner. Its row is the document's own.

use sqlx::{PgConnection, PgPool};

use super::kept::Kept;
use super::prompts::Prompt;
use super::study::{Begun, Completion, Recalled, Run, Sameness, Study};
use super::summary::{ANALYZE, Analysis, COMBINE};
use crate::crypt::FieldKeys;
use crate::fault::Fault;

/// Describes a document.
#[derive(Debug)]
pub(crate) struct Describe;

impl Study for Describe {
    const JOB: &'static str = super::NAME;
    const SUBJECT: &'static str = "document";
    const IS_MAIN: bool = true;
    type Finding = Analysis;

    fn ask() -> &'static Prompt {
        &ANALYZE
    }

    fn combine() -> &'static Prompt {
        &COMBINE
    }

    fn read(answer: &str) -> anyhow::Result<Analysis> {
        Analysis::parse(answer)
    }

    async fn begin(pool: &PgPool, document_id: i64) -> sqlx::Result<Begun> {
        let taken = sqlx::query_as!(
            Run,
            r#"update celeriac.documents
               set fence = fence + 1, status = 'processing', started_at = now(), completed_at = null, error_message = null
               where id = $1 and deleted_at is null and status <> 'completed'
               returning id as document_id, user_id, file_path, fence, now() as "began_at!""#,
            document_id
        );
        if let Some(run) = taken.fetch_optional(pool).await? {
            return Ok(Begun::Run(run));
        }
        let status = sqlx::query_scalar!("select status from celeriac.documents where id = $1", document_id).fetch_optional(pool).await?;
        Ok(match status.as_deref() {
            Some("completed") => Begun::Completed,
            Some(_) => Begun::Deleted,
            None => Begun::Missing,
        })
    }

    async fn analyzing(pool: &PgPool, run: &Run) -> Result<(), Fault> {
        let moved = sqlx::query!(
            "update celeriac.documents set status = 'analyzing' where id = $1 and fence = $2 and status = 'processing'",
            run.document_id,
            run.fence
        );
        if moved.execute(pool).await?.rows_affected() == 1 { Ok(()) } else { Err(Fault::superseded()) }
    }

    async fn hold(transaction: &mut PgConnection, run: &Run) -> sqlx::Result<bool> {
        let held = sqlx::query_scalar!(
            "select id from celeriac.documents where id = $1 and fence = $2 and deleted_at is null and status in ('processing', 'analyzing') for share",
            run.document_id,
            run.fence
        );
        Ok(held.fetch_optional(transaction).await?.is_some())
    }

    async fn recall(pool: &PgPool, run: &Run, same: &Sameness<'_>, keys: &FieldKeys) -> anyhow::Result<Option<Recalled<Analysis>>> {
        let row = sqlx::query!(
            r#"select ai_summary as "kept!", ai_model_used as "model!", page_count as "page_count!", text_length as "text_length!",
                      ocr_confidence
               from celeriac.documents
               where user_id = $1 and content_sha256 = $2 and prompt_version = $3 and model_asked = $4
                 and status = 'completed' and ai_summary is not null and strategy <> 'truncated' and pages_missing = 0 and id <> $5
               order by completed_at desc limit 1"#,
            run.user_id,
            same.content_sha256,
            same.prompt_version,
            same.model_asked,
            run.document_id
        );
        let Some(row) = row.fetch_optional(pool).await? else { return Ok(None) };
        let kept: Kept<Analysis> = serde_json::from_str(&keys.decrypt(&row.kept)?)?;
        Ok(Some(Recalled {
            finding: kept.finding,
            model: row.model,
            page_count: row.page_count,
            text_length: row.text_length,
            ocr_confidence: row.ocr_confidence,
        }))
    }

    async fn complete(
        transaction: &mut PgConnection,
        run: &Run,
        result: &Completion<Analysis>,
        tokens: i32,
        keys: &FieldKeys,
    ) -> anyhow::Result<bool> {
        let completed = sqlx::query!(
            "update celeriac.documents
             set status = 'completed', error_message = null, completed_at = now(), ai_summary = $3, ai_model_used = $4, ai_tokens_used = $5,
                 page_count = $6, text_length = $7, ocr_confidence = $8, processing_ms = $9, content_sha256 = $10, prompt_version = $11,
                 model_asked = $12, strategy = $13, pages_missing = $14, stage_ms = $15
             where id = $1 and fence = $2 and status <> 'completed' and deleted_at is null",
            run.document_id,
            run.fence,
            keys.encrypt(&serde_json::to_string(&result.kept)?),
            result.model,
            tokens,
            result.page_count,
            result.text_length,
            result.ocr_confidence,
            result.processing_ms,
            result.content_sha256,
            result.prompt_version,
            result.model_asked,
            result.strategy.name(),
            result.pages_missing(),
            result.stage_ms
        );
        Ok(completed.execute(transaction).await?.rows_affected() == 1)
    }

    async fn explain(pool: &PgPool, run: &Run, sentence: &str) -> sqlx::Result<()> {
        let explained = sqlx::query!(
            "update celeriac.documents set error_message = $3 where id = $1 and fence = $2 and status <> 'completed'",
            run.document_id,
            run.fence,
            sentence
        );
        explained.execute(pool).await?;
        Ok(())
    }

    async fn fail(transaction: &mut PgConnection, document_id: i64, sentence: &str, keep_message: bool) -> sqlx::Result<()> {
        let failed = sqlx::query!(
            "update celeriac.documents
             set status = 'failed', fence = fence + 1, completed_at = now(),
                 error_message = case when $3 then coalesce(error_message, $2) else $2 end
             where id = $1 and status not in ('completed', 'failed')",
            document_id,
            sentence,
            keep_message
        );
        failed.execute(&mut *transaction).await?;
        super::usage::give_back(transaction, document_id).await
    }
}
