//! What the paid calls cost, by day and model.

use chrono::NaiveDate;
use serde::Serialize;
use sqlx::PgPool;

#[derive(Debug, Clone, Serialize)]
pub(crate) struct CostRow {
    /// UTC.
    pub(crate) day: NaiveDate,
    pub(crate) model: String,
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

/// The last so many days, today included, newest first.
///
/// # Errors
/// When PostgreSQL does not answer.
pub(crate) async fn by_day(pool: &PgPool, days: i32) -> sqlx::Result<Vec<CostRow>> {
    let rows = sqlx::query_as!(
        CostRow,
        r#"select (started_at at time zone 'UTC')::date as "day!", model, sum(calls)::bigint as "calls!",
                  count(*) filter (where state = 'answered') as "answered!",
                  count(*) filter (where state = 'failed') as "failed!",
                  count(*) filter (where state = 'started') as "unsettled!",
                  coalesce(sum(input_tokens), 0)::bigint as "input_tokens!",
                  coalesce(sum(output_tokens), 0)::bigint as "output_tokens!",
                  coalesce(sum(cost_usd), 0)::float8 as "cost_usd!"
           from celeriac.paid_calls
           where started_at >= date_trunc('day', now() at time zone 'UTC') at time zone 'UTC' - make_interval(days => $1 - 1)
           group by 1, 2 order by 1 desc, 2"#,
        days
    );
    rows.fetch_all(pool).await
}
