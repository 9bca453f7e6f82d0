//! Denial letters as they were taken apart.

use chrono::{DateTime, NaiveDate, Utc};
use serde::Serialize;
use sqlx::PgPool;

#[derive(Debug, Serialize)]
pub(crate) struct LetterRow {
    pub(crate) document_id: i64,
    pub(crate) status: String,
    pub(crate) error_message: Option<String>,
    /// Encrypted; shown only decrypted.
    #[serde(skip)]
    pub(crate) details: Option<String>,
    /// Encrypted, one for each denied condition.
    #[serde(skip)]
    pub(crate) denied: Vec<String>,
    pub(crate) decision_date: Option<NaiveDate>,
    pub(crate) appeal_deadline: Option<NaiveDate>,
    pub(crate) strategy: Option<String>,
    pub(crate) model_used: Option<String>,
    pub(crate) tokens_used: Option<i32>,
    pub(crate) processing_ms: Option<i64>,
    pub(crate) completed_at: Option<DateTime<Utc>>,
}

/// # Errors
/// When PostgreSQL does not answer.
pub(crate) async fn find(pool: &PgPool, document_id: i64) -> sqlx::Result<Option<LetterRow>> {
    let row = sqlx::query_as!(
        LetterRow,
        r#"select document_id, status, error_message, details,
                  array(select c.details from celeriac.denied_conditions c where c.document_id = l.document_id order by c.position)
                      as "denied!",
                  decision_date, appeal_deadline, strategy, model_used, tokens_used, processing_ms, completed_at
           from celeriac.denial_letters l where document_id = $1"#,
        document_id
    );
    row.fetch_optional(pool).await
}
