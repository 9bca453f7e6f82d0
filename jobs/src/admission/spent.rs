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
    /// What batches may cost that have not ended, of all and of that user.
    pub in_batches: u64,
    pub user_in_batches: u64,
}

/// Since the beginning of the day and of the month.
///
/// # Errors
/// When PostgreSQL does not answer.
pub async fn spent(pool: &PgPool, user_id: Option<i64>, day_from: Millis, month_from: Millis) -> anyhow::Result<Spent> {
    let moment = |ms: Millis| i64::try_from(ms).ok().and_then(DateTime::<Utc>::from_timestamp_millis).unwrap_or(DateTime::UNIX_EPOCH);
    let sums = sqlx::query!(
        r#"with paid as (
             select coalesce(sum(cost_usd) filter (where paid_at >= $1), 0) as day, coalesce(sum(cost_usd), 0) as month,
                    coalesce(sum(cost_usd) filter (where user_id = $3 and paid_at >= $1), 0) as user_day,
                    coalesce(sum(cost_usd) filter (where user_id = $3), 0) as user_month
             from celeriac.paid_answers where paid_at >= $2),
           -- One that was withdrawn may be answered all the same while its batch is there.
           batched as (
             select coalesce(sum(q.may_cost_usd), 0) as all_users, coalesce(sum(q.may_cost_usd) filter (where c.user_id = $3), 0) as of_user
             from celeriac.openai_batches b join celeriac.batched_questions q on q.batch_id = b.id join celeriac.paid_calls c on c.id = q.call_id
             where b.state in ('gathered', 'running') and q.state in ('sent', 'withdrawn'))
           select day::float8 as "day!", month::float8 as "month!", user_day::float8 as "user_day!", user_month::float8 as "user_month!",
                  all_users::float8 as "in_batches!", of_user::float8 as "user_in_batches!"
           from paid, batched"#,
        moment(day_from),
        moment(month_from),
        user_id
    )
    .fetch_one(pool)
    .await?;
    let micro = |usd: f64| (usd * 1e6).round() as u64;
    Ok(Spent {
        day: micro(sums.day),
        month: micro(sums.month),
        user_day: micro(sums.user_day),
        user_month: micro(sums.user_month),
        in_batches: micro(sums.in_batches),
        user_in_batches: micro(sums.user_in_batches),
    })
}
