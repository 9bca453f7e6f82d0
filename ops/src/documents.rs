//! Documents as the web app deals with them: store the upload, insert its row and enqueue its job in one transaction, read the result.

use std::path::Path;

use anyhow::Context;
use celeriac_jobs::crypt::FieldKeys;
use celeriac_jobs::storage::Storage;
use celeriac_queue::JobId;
use chrono::{DateTime, Utc};
use serde::Serialize;
use serde_json::json;
use sqlx::PgPool;
use uuid::Uuid;

use crate::audit::{self, Actor};
use crate::stores::Stores;

/// Jobs whose argument is `document_id`, and which a deletion makes pointless.
const JOBS_OF_DOCUMENTS: [&str; 3] = ["process_document", "decode_denial_letter", "send_document_ready_email"];

/// A file to add.
pub(crate) struct Upload<'a> {
    pub(crate) file: &'a Path,
    pub(crate) user_id: i64,
    /// Record the user's consent to AI processing too, unless one stands.
    pub(crate) consent: bool,
}

#[derive(Debug, Serialize)]
pub(crate) struct Added {
    pub(crate) document_id: i64,
    pub(crate) job_id: String,
    /// Relative to the storage.
    pub(crate) file_path: String,
    pub(crate) bytes: u64,
}

#[derive(Debug, Serialize)]
pub(crate) struct DocumentRow {
    pub(crate) id: i64,
    pub(crate) user_id: i64,
    pub(crate) file_path: String,
    pub(crate) file_name: String,
    pub(crate) status: String,
    pub(crate) error_message: Option<String>,
    /// Encrypted; shown only decrypted.
    #[serde(skip)]
    pub(crate) ai_summary: Option<String>,
    pub(crate) ai_model_used: Option<String>,
    pub(crate) ai_tokens_used: Option<i32>,
    pub(crate) page_count: Option<i32>,
    pub(crate) text_length: Option<i32>,
    pub(crate) ocr_confidence: Option<f32>,
    pub(crate) processing_ms: Option<i64>,
    /// How it was put to the model.
    pub(crate) strategy: Option<String>,
    pub(crate) pages_missing: i32,
    /// Milliseconds by stage.
    pub(crate) stage_ms: Option<serde_json::Value>,
    pub(crate) created_at: DateTime<Utc>,
    pub(crate) started_at: Option<DateTime<Utc>>,
    pub(crate) completed_at: Option<DateTime<Utc>>,
    pub(crate) deleted_at: Option<DateTime<Utc>>,
}

/// Stores the file first and commits its row and its job second: what is committed can always be read.
///
/// # Errors
/// When the file cannot be read or stored, or PostgreSQL does not answer; then no row was added and no file is left behind.
pub(crate) async fn add(pool: &PgPool, storage: &Storage, upload: Upload<'_>) -> anyhow::Result<Added> {
    let file_path = format!("documents/user_{}/{}{}", upload.user_id, Uuid::new_v4(), extension(upload.file));
    let source = tokio::fs::File::open(upload.file).await.with_context(|| format!("cannot read {}", upload.file.display()))?;
    let bytes = storage.put(&file_path, source).await.with_context(|| format!("cannot store {}", upload.file.display()))?;
    match commit(pool, &upload, &file_path).await {
        Ok((document_id, job_id)) => Ok(Added { document_id, job_id, file_path, bytes }),
        Err(error) => {
            let _ = storage.delete(&file_path).await;
            Err(error)
        }
    }
}

/// The extension of the stored file: the given one where it is plain, none otherwise. What the file is, its content decides.
fn extension(file: &Path) -> String {
    match file.extension().and_then(|extension| extension.to_str()) {
        Some(extension) if (1..=8).contains(&extension.len()) && extension.bytes().all(|b| b.is_ascii_alphanumeric()) => {
            format!(".{}", extension.to_ascii_lowercase())
        }
        _ => String::new(),
    }
}

async fn commit(pool: &PgPool, upload: &Upload<'_>, file_path: &str) -> anyhow::Result<(i64, String)> {
    let mut transaction = pool.begin().await?;
    if upload.consent {
        sqlx::query!("insert into celeriac.consents (user_id) values ($1) on conflict do nothing", upload.user_id)
            .execute(&mut *transaction)
            .await?;
    }
    let name = upload.file.file_name().map(|name| name.to_string_lossy().into_owned()).unwrap_or_default();
    let document_id = sqlx::query_scalar!(
        "insert into celeriac.documents (user_id, file_path, file_name) values ($1, $2, $3) returning id",
        upload.user_id,
        file_path,
        name
    )
    .fetch_one(&mut *transaction)
    .await?;
    let job_id = sqlx::query_scalar!(
        r#"select celeriac.enqueue('process_document', $1, origin => 'cli') as "id!""#,
        json!({ "document_id": document_id })
    )
    .fetch_one(&mut *transaction)
    .await?;
    transaction.commit().await?;
    Ok((document_id, job_id))
}

/// # Errors
/// When PostgreSQL does not answer.
pub(crate) async fn find(pool: &PgPool, id: i64) -> sqlx::Result<Option<DocumentRow>> {
    let row = sqlx::query_as!(
        DocumentRow,
        "select id, user_id, file_path, file_name, status, error_message, ai_summary, ai_model_used, ai_tokens_used, page_count,
                text_length, ocr_confidence, processing_ms, strategy, pages_missing, stage_ms, created_at, started_at, completed_at,
                deleted_at
         from celeriac.documents where id = $1",
        id
    );
    row.fetch_optional(pool).await
}

/// What a deletion came to.
#[derive(Debug, Serialize)]
pub(crate) struct Deleted {
    pub(crate) document_id: i64,
    /// False: it had been deleted before.
    pub(crate) fresh: bool,
    /// Jobs of this document that were cancelled, or asked to stop.
    pub(crate) cancelled: Vec<String>,
}

/// Deletes a document as the web app does: its row is marked, which fences off a run that has it, and its open jobs are cancelled.
/// purge_documents deletes row and file later.
///
/// # Errors
/// When there is no such document, or PostgreSQL does not answer.
pub(crate) async fn delete(stores: &Stores, actor: &Actor, id: i64) -> anyhow::Result<Deleted> {
    let mut transaction = stores.postgres().await?.begin().await?;
    let marked =
        sqlx::query_scalar!("update celeriac.documents set deleted_at = now() where id = $1 and deleted_at is null returning id", id);
    let fresh = marked.fetch_optional(&mut *transaction).await?.is_some();
    if !fresh {
        let known = sqlx::query_scalar!("select id from celeriac.documents where id = $1", id).fetch_optional(&mut *transaction).await?;
        known.with_context(|| format!("there is no document {id}"))?;
        return Ok(Deleted { document_id: id, fresh, cancelled: Vec::new() });
    }
    let open = sqlx::query_scalar!(
        "select id from celeriac.outbox
         where done_at is null and job = any($2) and args ->> 'document_id' = $1::bigint::text order by created_at",
        id,
        &JOBS_OF_DOCUMENTS.map(str::to_owned)
    )
    .fetch_all(&mut *transaction)
    .await?;
    audit::record(&mut *transaction, actor, "delete document", &id.to_string(), json!({ "jobs": open })).await?;
    transaction.commit().await?;
    let mut cancelled = Vec::new();
    for job in open {
        // Whatever becomes of the cancellation: no run can complete the document any more.
        match crate::actions::jobs::cancel(stores, actor, &JobId::parse(&job)?, None).await {
            Ok(_) => cancelled.push(job),
            Err(error) => tracing::warn!(job.id = job, error = format!("{error:#}"), "a job of a deleted document was not cancelled"),
        }
    }
    Ok(Deleted { document_id: id, fresh, cancelled })
}

/// Opens an analysis with the ring of keys.
///
/// # Errors
/// When no key fits, or what it hides is not JSON.
pub(crate) fn decrypt(token: &str, keys: &[String]) -> anyhow::Result<serde_json::Value> {
    let text = FieldKeys::new(keys)?.decrypt(token)?;
    serde_json::from_str(&text).context("the decrypted analysis is not JSON")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_a_plain_extension_reaches_the_disk() {
        let of = |name: &str| extension(Path::new(name));
        assert_eq!([of("a.PDF"), of("b.tar.gz"), of("noext"), of("x.p/df"), of("x.häh"), of(".pdf")], [".pdf", ".gz", "", "", "", ""]);
    }
}
