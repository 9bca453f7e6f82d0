//! What a user has used in a month.

use chrono::NaiveDate;
use sqlx::PgPool;

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Used {
    pub(crate) documents: i64,
    pub(crate) tokens: i64,
    /// Documents a month; `None`: no limit.
    pub(crate) limit: Option<i64>,
}

/// `default` is the limit of users without one of their own.
///
/// # Errors
/// When PostgreSQL does not answer.
pub(crate) async fn of_user(pool: &PgPool, user: i64, month: NaiveDate, default: Option<i64>) -> sqlx::Result<Used> {
    let row = sqlx::query!(
        r#"select coalesce((select used from celeriac.usage_counters where user_id = $1 and month = $2 and kind = 'documents'), 0) as "documents!",
                  coalesce((select used from celeriac.usage_counters where user_id = $1 and month = $2 and kind = 'tokens'), 0) as "tokens!",
                  exists (select 1 from celeriac.usage_limits where user_id = $1 and kind = 'documents') as "has_own!",
                  (select monthly from celeriac.usage_limits where user_id = $1 and kind = 'documents') as own"#,
        user,
        month
    )
    .fetch_one(pool)
    .await?;
    Ok(Used { documents: row.documents, tokens: row.tokens, limit: if row.has_own { row.own } else { default } })
}
