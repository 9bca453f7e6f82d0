//! What the paid calls cost, by day, user, job or model.

use chrono::{DateTime, Days, NaiveDate, Utc};
use serde::{Deserialize, Serialize};
use sqlx::PgPool;

/// What the rows of a sum have in common.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, clap::ValueEnum, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub(crate) enum By {
    /// Day and model.
    #[default]
    Day,
    User,
    Job,
    Model,
}

/// A sum; of the first four fields it has those that it is by.
#[derive(Debug, Clone, Serialize)]
pub(crate) struct CostRow {
    /// UTC.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) day: Option<NaiveDate>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) model: Option<String>,
    /// Absent for work that is nobody's.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) user_id: Option<i64>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) job: Option<String>,
    /// Calls made, repetitions included.
    pub(crate) calls: i64,
    pub(crate) answered: i64,
    pub(crate) failed: i64,
    /// Sent, and no answer known: under way, or cut off by a crash.
    pub(crate) unsettled: i64,
    pub(crate) input_tokens: i64,
    pub(crate) output_tokens: i64,
    pub(crate) cost_usd: f64,
}

/// When the last so many days (UTC) began, today included.
pub(crate) fn days_back(now: DateTime<Utc>, days: u32) -> DateTime<Utc> {
    (now.date_naive() - Days::new(u64::from(days.saturating_sub(1)))).and_time(chrono::NaiveTime::MIN).and_utc()
}

/// Since that moment; days newest first, all else with the most expensive first. Calls count at the moment at which the latest under their
/// key began, money and tokens when they were paid.
///
/// # Errors
/// When PostgreSQL does not answer.
pub(crate) async fn by(pool: &PgPool, since: DateTime<Utc>, by: By) -> sqlx::Result<Vec<CostRow>> {
    let by = match by {
        By::Day => "day",
        By::User => "user",
        By::Job => "job",
        By::Model => "model",
    };
    let rows = sqlx::query_as!(
        CostRow,
        r#"with facts as (
               select started_at as at, model, user_id, job, calls, (state = 'answered')::int as answered, (state = 'failed')::int as failed,
                      (state = 'started')::int as unsettled, 0 as input_tokens, 0 as output_tokens, 0::numeric as cost_usd
               from celeriac.paid_calls where started_at >= $1
               union all
               select paid_at, model, user_id, job, 0, 0, 0, 0, input_tokens, output_tokens, coalesce(cost_usd, 0)
               from celeriac.paid_answers where paid_at >= $1)
           select case when $2 = 'day' then (at at time zone 'UTC')::date end as "day?",
                  case when $2 in ('day', 'model') then model end as "model?",
                  case when $2 = 'user' then user_id end as "user_id?",
                  case when $2 = 'job' then job end as "job?",
                  sum(calls)::bigint as "calls!", sum(answered)::bigint as "answered!", sum(failed)::bigint as "failed!",
                  sum(unsettled)::bigint as "unsettled!", sum(input_tokens)::bigint as "input_tokens!",
                  sum(output_tokens)::bigint as "output_tokens!", sum(cost_usd)::float8 as "cost_usd!"
           from facts group by 1, 2, 3, 4 order by 1 desc nulls last, sum(cost_usd) desc, 2, 3, 4"#,
        since,
        by
    );
    rows.fetch_all(pool).await
}
