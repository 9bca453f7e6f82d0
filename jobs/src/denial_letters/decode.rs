//! The study behind `decode_denial_letter`. Its row is `celeriac.denial_letters`, made by the first run.

use serde::{Deserialize, Serialize};
use sqlx::{PgConnection, PgPool};

use super::finding::{COMBINE, DECODE, Deadline, DenialLetter, DeniedCondition, day};
use crate::crypt::FieldKeys;
use crate::documents::kept::{Kept, MissingPage};
use crate::documents::prompts::Prompt;
use crate::documents::study::{Begun, Completion, Recalled, Run, Sameness, Study};
use crate::fault::Fault;

/// Takes a letter apart.
#[derive(Debug)]
pub(super) struct Decode;

/// What concerns the whole letter, as it is stored (encrypted) in `denial_letters.details`.
#[derive(Serialize, Deserialize)]
struct Details {
    is_denial: bool,
    sender: String,
    reference: String,
    summary: String,
    language: String,
    decision_date: String,
    deadlines: Vec<Deadline>,
    #[serde(default)]
    truncated: bool,
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pages_missing: Vec<MissingPage>,
}

impl Study for Decode {
    const JOB: &'static str = super::NAME;
    const SUBJECT: &'static str = "denial_letter";
    /// The upload counts and is announced already.
    const IS_MAIN: bool = false;
    type Finding = DenialLetter;

    fn ask() -> &'static Prompt {
        &DECODE
    }

    fn combine() -> &'static Prompt {
        &COMBINE
    }

    fn read(answer: &str) -> anyhow::Result<DenialLetter> {
        DenialLetter::parse(answer)
    }

    async fn begin(pool: &PgPool, document_id: i64) -> sqlx::Result<Begun> {
        let taken = sqlx::query_as!(
            Run,
            r#"with document as (
                   select id, user_id, file_path from celeriac.documents where id = $1 and deleted_at is null
               ), taken as (
                   insert into celeriac.denial_letters as letter (document_id, status, fence, started_at)
                   select id, 'processing', 1, now() from document
                   on conflict (document_id) do update
                   set fence = letter.fence + 1, status = 'processing', started_at = now(), completed_at = null, error_message = null
                   where letter.status <> 'completed'
                   returning document_id, fence
               )
               select document.id as document_id, document.user_id, document.file_path, taken.fence, now() as "began_at!"
               from taken join document on document.id = taken.document_id"#,
            document_id
        );
        if let Some(run) = taken.fetch_optional(pool).await? {
            return Ok(Begun::Run(run));
        }
        let deleted =
            sqlx::query_scalar!(r#"select deleted_at is not null as "deleted!" from celeriac.documents where id = $1"#, document_id);
        Ok(match deleted.fetch_optional(pool).await? {
            None => Begun::Missing,
            Some(true) => Begun::Deleted,
            Some(false) => Begun::Completed,
        })
    }

    async fn analyzing(pool: &PgPool, run: &Run) -> Result<(), Fault> {
        let moved = sqlx::query!(
            "update celeriac.denial_letters set status = 'analyzing' where document_id = $1 and fence = $2 and status = 'processing'",
            run.document_id,
            run.fence
        );
        if moved.execute(pool).await?.rows_affected() == 1 { Ok(()) } else { Err(Fault::superseded()) }
    }

    async fn hold(transaction: &mut PgConnection, run: &Run) -> sqlx::Result<bool> {
        let held = sqlx::query_scalar!(
            "select document_id from celeriac.denial_letters
             where document_id = $1 and fence = $2 and status in ('processing', 'analyzing') for share",
            run.document_id,
            run.fence
        );
        Ok(held.fetch_optional(transaction).await?.is_some())
    }

    async fn recall(pool: &PgPool, run: &Run, same: &Sameness<'_>, keys: &FieldKeys) -> anyhow::Result<Option<Recalled<DenialLetter>>> {
        let row = sqlx::query!(
            r#"select l.document_id, l.details as "details!", l.model_used as "model!", l.page_count as "page_count!",
                      array(select c.details from celeriac.denied_conditions c where c.document_id = l.document_id order by c.position)
                          as "conditions!"
               from celeriac.denial_letters l join celeriac.documents d on d.id = l.document_id
               where d.user_id = $1 and l.content_sha256 = $2 and l.prompt_version = $3 and l.model_asked = $4
                 and l.status = 'completed' and l.strategy <> 'truncated' and l.pages_missing = 0 and l.document_id <> $5
               order by l.completed_at desc limit 1"#,
            run.user_id,
            same.content_sha256,
            same.prompt_version,
            same.model_asked,
            run.document_id
        );
        let Some(row) = row.fetch_optional(pool).await? else { return Ok(None) };
        let Details { is_denial, sender, reference, summary, language, decision_date, deadlines, .. } =
            serde_json::from_str(&keys.decrypt(&row.details)?)?;
        let opened = row.conditions.iter().map(|token| Ok(serde_json::from_str(&keys.decrypt(token)?)?));
        let denied_conditions = opened.collect::<anyhow::Result<Vec<DeniedCondition>>>()?;
        let finding = DenialLetter { is_denial, sender, reference, summary, language, decision_date, denied_conditions, deadlines };
        Ok(Some(Recalled { finding, model: row.model, page_count: row.page_count, text_length: 0, ocr_confidence: None }))
    }

    async fn complete(
        transaction: &mut PgConnection,
        run: &Run,
        result: &Completion<DenialLetter>,
        tokens: i32,
        keys: &FieldKeys,
    ) -> anyhow::Result<bool> {
        let letter = &result.kept.finding;
        let conditions = &letter.denied_conditions;
        let completed = sqlx::query!(
            "update celeriac.denial_letters
             set status = 'completed', error_message = null, completed_at = now(), details = $3, decision_date = $4, appeal_deadline = $5,
                 conditions = $6, model_used = $7, tokens_used = $8, content_sha256 = $9, prompt_version = $10, model_asked = $11,
                 strategy = $12, page_count = $13, pages_missing = $14, processing_ms = $15, stage_ms = $16
             where document_id = $1 and fence = $2 and status <> 'completed'
               and exists (select 1 from celeriac.documents where id = $1 and deleted_at is null)",
            run.document_id,
            run.fence,
            keys.encrypt(&serde_json::to_string(&details(&result.kept))?),
            day(&letter.decision_date),
            letter.appeal_deadline(),
            i32::try_from(conditions.len()).unwrap_or(i32::MAX),
            result.model,
            tokens,
            result.content_sha256,
            result.prompt_version,
            result.model_asked,
            result.strategy.name(),
            result.page_count,
            result.pages_missing(),
            result.processing_ms,
            result.stage_ms
        );
        if completed.execute(&mut *transaction).await?.rows_affected() != 1 {
            return Ok(false);
        }
        let encrypted = conditions.iter().map(|condition| Ok(keys.encrypt(&serde_json::to_string(condition)?)));
        let encrypted = encrypted.collect::<anyhow::Result<Vec<String>>>()?;
        let deadlines: Vec<_> = conditions.iter().map(|condition| day(&condition.deadline)).collect();
        sqlx::query!(
            "insert into celeriac.denied_conditions (document_id, position, details, deadline)
             select $1, position, details, deadline
             from unnest($2::text[], $3::date[]) with ordinality as denied (details, deadline, position)",
            run.document_id,
            &encrypted,
            &deadlines as &[Option<chrono::NaiveDate>]
        )
        .execute(transaction)
        .await?;
        Ok(true)
    }

    async fn explain(pool: &PgPool, run: &Run, sentence: &str) -> sqlx::Result<()> {
        let explained = sqlx::query!(
            "update celeriac.denial_letters set error_message = $3 where document_id = $1 and fence = $2 and status <> 'completed'",
            run.document_id,
            run.fence,
            sentence
        );
        explained.execute(pool).await?;
        Ok(())
    }

    async fn fail(transaction: &mut PgConnection, document_id: i64, sentence: &str, keep_message: bool) -> sqlx::Result<()> {
        // A job that ended before its first run has no row yet; the web app that waits for one shall find it.
        let failed = sqlx::query!(
            "insert into celeriac.denial_letters as letter (document_id, status, error_message, completed_at)
             select id, 'failed', $2, now() from celeriac.documents where id = $1
             on conflict (document_id) do update
             set status = 'failed', fence = letter.fence + 1, completed_at = now(),
                 error_message = case when $3 then coalesce(letter.error_message, $2) else $2 end
             where letter.status not in ('completed', 'failed')",
            document_id,
            sentence,
            keep_message
        );
        failed.execute(transaction).await?;
        Ok(())
    }
}

fn details(kept: &Kept<DenialLetter>) -> Details {
    let DenialLetter { is_denial, sender, reference, summary, language, decision_date, deadlines, .. } = kept.finding.clone();
    let Kept { truncated, pages_missing, .. } = kept;
    let (truncated, pages_missing) = (*truncated, pages_missing.clone());
    Details { is_denial, sender, reference, summary, language, decision_date, deadlines, truncated, pages_missing }
}
