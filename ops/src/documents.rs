//! Documents as the web app deals with them: store the upload, insert its row and enqueue its job in one transaction, read the result.

use std::path::Path;

use anyhow::Context;
use celeriac_jobs::crypt::FieldKeys;
use celeriac_jobs::storage::Storage;
use chrono::{DateTime, Utc};
use serde::Serialize;
use serde_json::json;
use sqlx::PgPool;
use uuid::Uuid;

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
    pub(crate) created_at: DateTime<Utc>,
    pub(crate) started_at: Option<DateTime<Utc>>,
    pub(crate) completed_at: Option<DateTime<Utc>>,
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
                text_length, ocr_confidence, processing_ms, created_at, started_at, completed_at
         from celeriac.documents where id = $1",
        id
    );
    row.fetch_optional(pool).await
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
