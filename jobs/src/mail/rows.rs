//! The statements of mail: who is written to, and what was sent.

use chrono::{DateTime, Utc};
use sqlx::PgPool;

use super::Told;

const KIND: &str = "document_ready";

/// Whom to write to.
#[derive(Debug)]
pub(super) struct Recipient {
    pub(super) user_id: i64,
    pub(super) email: String,
    pub(super) name: String,
    pub(super) language: String,
    pub(super) uploaded_at: DateTime<Utc>,
}

/// The right to hand one mail over.
#[derive(Debug, Clone, Copy)]
pub(super) struct Permit {
    document_id: i64,
    attempt: i32,
}

/// The recipient of a document that is completed and not deleted, if they have an address and want to be told.
pub(super) async fn recipient(pool: &PgPool, document_id: i64) -> sqlx::Result<Option<Recipient>> {
    sqlx::query_as!(
        Recipient,
        "select user_id, email, name, language, created_at as uploaded_at from celeriac.documents join celeriac.recipients using (user_id)
         where documents.id = $1 and status = 'completed' and deleted_at is null and document_ready",
        document_id
    )
    .fetch_optional(pool)
    .await
}

/// How an earlier run ended, if one did. A run that broke off while it handed the mail over has left nobody to say.
pub(super) async fn earlier(pool: &PgPool, document_id: i64) -> sqlx::Result<Option<Told>> {
    let state = sqlx::query_scalar!(
        "update celeriac.sent_mails set state = case state when 'sending' then 'unknown' else state end, settled_at = coalesce(settled_at, now())
         where kind = $1 and subject_id = $2 and state <> 'postponed' returning state",
        KIND,
        document_id
    )
    .fetch_optional(pool)
    .await?;
    Ok(state.map(|state| match state.as_str() {
        "sent" => Told::Sent,
        "refused" => Told::Refused,
        _ => Told::Unknown,
    }))
}

/// Commits that the mail is about to be handed over. `None`: another run has come first.
pub(super) async fn begin(pool: &PgPool, document_id: i64, user_id: i64, job_id: &str) -> sqlx::Result<Option<Permit>> {
    let attempt = sqlx::query_scalar!(
        "insert into celeriac.sent_mails (kind, subject_id, user_id, job_id) values ($1, $2, $3, $4)
         on conflict (kind, subject_id) do update
         set state = 'sending', attempts = sent_mails.attempts + 1, job_id = excluded.job_id, begun_at = now(), settled_at = null,
             reply_code = null
         where sent_mails.state = 'postponed'
         returning attempts",
        KIND,
        document_id,
        user_id,
        job_id
    )
    .fetch_optional(pool)
    .await?;
    Ok(attempt.map(|attempt| Permit { document_id, attempt }))
}

/// How the handing over ended.
#[derive(Debug, Clone, Copy)]
pub(super) enum End {
    Sent,
    Refused(u16),
    /// The server said no for now: the next attempt may begin.
    Postponed(Option<u16>),
    Unknown,
}

/// Settles the row, also where another run has called this one lost meanwhile: what the server said is the truth.
pub(super) async fn settle(pool: &PgPool, permit: Permit, end: End) -> sqlx::Result<()> {
    let (state, code) = match end {
        End::Sent => ("sent", Some(250)),
        End::Refused(code) => ("refused", Some(code)),
        End::Postponed(code) => ("postponed", code),
        End::Unknown => ("unknown", None),
    };
    sqlx::query!(
        "update celeriac.sent_mails set state = $4, reply_code = $5, settled_at = now()
         where kind = $1 and subject_id = $2 and attempts = $3 and state in ('sending', 'unknown')",
        KIND,
        permit.document_id,
        permit.attempt,
        state,
        code.and_then(|code| i16::try_from(code).ok())
    )
    .execute(pool)
    .await?;
    Ok(())
}

/// An address that the server refused before anything was handed over.
pub(super) async fn refuse(pool: &PgPool, document_id: i64, user_id: i64, job_id: &str, code: u16) -> sqlx::Result<()> {
    if let Some(permit) = begin(pool, document_id, user_id, job_id).await? {
        settle(pool, permit, End::Refused(code)).await?;
    }
    Ok(())
}
