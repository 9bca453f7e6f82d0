//! What was spent, by the ledger: the truth of which Redis only has a copy.

use celeriac_queue::Millis;
use chrono::{DateTime, Utc};
use sqlx::PgPool;

/// Millionths of a US dollar.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Spent {
    pub day: u64,
    pub month: u64,
    /// Of the user who was asked about.
    pub user_day: u64,
    pub user_month: u64,
}

/// Since the beginning of the day and of the month.
///
/// # Errors
/// When PostgreSQL does not answer.
pub async fn spent(pool: &PgPool, user_id: Option<i64>, day_from: Millis, month_from: Millis) -> anyhow::Result<Spent> {
    let moment = |ms: Millis| i64::try_from(ms).ok().and_then(DateTime::<Utc>::from_timestamp_millis).unwrap_or(DateTime::UNIX_EPOCH);
    let sums = sqlx::query!(
        r#"select coalesce(sum(cost_usd) filter (where paid_at >= $1), 0)::float8 as "day!",
                  coalesce(sum(cost_usd), 0)::float8 as "month!",
                  coalesce(sum(cost_usd) filter (where user_id = $3 and paid_at >= $1), 0)::float8 as "user_day!",
                  coalesce(sum(cost_usd) filter (where user_id = $3), 0)::float8 as "user_month!"
           from celeriac.paid_answers where paid_at >= $2"#,
        moment(day_from),
        moment(month_from),
        user_id
    )
    .fetch_one(pool)
    .await?;
    let micro = |usd: f64| (usd * 1e6).round() as u64;
    Ok(Spent { day: micro(sums.day), month: micro(sums.month), user_day: micro(sums.user_day), user_month: micro(sums.user_month) })
}
