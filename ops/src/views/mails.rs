//! Mail to users: what became of it of late.

use chrono::{DateTime, Utc};
use serde::Serialize;
use sqlx::PgPool;

#[derive(Debug, Clone, Default, Serialize)]
pub(crate) struct MailCounts {
    pub(crate) sent: i64,
    /// The server takes no mail for the address.
    pub(crate) refused: i64,
    /// The server said no for now.
    pub(crate) postponed: i64,
    /// Nobody knows; not sent again.
    pub(crate) unknown: i64,
}

/// Those settled since `since`.
///
/// # Errors
/// When PostgreSQL does not answer.
pub(crate) async fn since(pool: &PgPool, since: DateTime<Utc>) -> sqlx::Result<MailCounts> {
    sqlx::query_as!(
        MailCounts,
        r#"select count(*) filter (where state = 'sent') as "sent!", count(*) filter (where state = 'refused') as "refused!",
                  count(*) filter (where state = 'postponed') as "postponed!", count(*) filter (where state = 'unknown') as "unknown!"
           from celeriac.sent_mails where settled_at >= $1"#,
        since
    )
    .fetch_one(pool)
    .await
}
