//! The ends of a renewal, each one transaction that only one run can make.

use chrono::NaiveDate;
use sqlx::{PgConnection, PgPool};

use super::calendar;
use super::due::Renewal;

/// Marks the renewal charged, moves the subscription to its next period and extends the licence. `capture_id` is the provider's proof;
/// `None` when credit paid it whole. False when it was settled before.
pub(super) async fn charged(pool: &PgPool, renewal: &Renewal, capture_id: Option<&str>) -> sqlx::Result<bool> {
    let mut transaction = pool.begin().await?;
    let settled = sqlx::query!(
        "update celeriac.renewals set state = 'charged', provider_capture_id = $2, settled_at = now(), error = null
         where id = $1 and state = 'started'",
        renewal.id,
        capture_id
    )
    .execute(&mut *transaction)
    .await?;
    if settled.rows_affected() == 0 {
        return Ok(false);
    }
    advance(&mut transaction, renewal.subscription_id, renewal.period_start).await?;
    transaction.commit().await?;
    Ok(true)
}

/// Marks the renewal declined, gives its credit back and the subscription becomes `past_due`. The licence ends when it ends. False when it
/// was settled before.
pub(super) async fn declined(pool: &PgPool, renewal: &Renewal, reason: &str) -> sqlx::Result<bool> {
    let mut transaction = pool.begin().await?;
    let settled = sqlx::query!(
        "update celeriac.renewals set state = 'declined', settled_at = now(), error = $2 where id = $1 and state = 'started'",
        renewal.id,
        reason
    )
    .execute(&mut *transaction)
    .await?;
    if settled.rows_affected() == 0 {
        return Ok(false);
    }
    sqlx::query!(
        "update celeriac.subscriptions
         set credit_cents = credit_cents + $2, status = case status when 'active' then 'past_due' else status end
         where id = $1",
        renewal.subscription_id,
        renewal.credit_cents
    )
    .execute(&mut *transaction)
    .await?;
    transaction.commit().await?;
    Ok(true)
}

/// For a subscription that stands at a period already paid (its date was moved back by hand): moves it on. False when it is not paid.
pub(super) async fn advance_if_paid(connection: &mut PgConnection, subscription_id: i64, period_start: NaiveDate) -> sqlx::Result<bool> {
    let paid = sqlx::query_scalar!(
        r#"select exists (select from celeriac.renewals where subscription_id = $1 and period_start = $2 and state = 'charged') as "paid!""#,
        subscription_id,
        period_start
    )
    .fetch_one(&mut *connection)
    .await?;
    if paid {
        advance(connection, subscription_id, period_start).await?;
    }
    Ok(paid)
}

/// The licence lasts through the day of the next renewal, so that the hourly expiry does not come before that day's charge. One that had
/// expired while the charge was late comes back; a revoked one does not.
async fn advance(connection: &mut PgConnection, subscription_id: i64, period_start: NaiveDate) -> sqlx::Result<()> {
    let subscription =
        sqlx::query!("select plan, renewal_day, license_id from celeriac.subscriptions where id = $1 for update", subscription_id)
            .fetch_one(&mut *connection)
            .await?;
    let day = calendar::renewal_day(period_start, subscription.renewal_day);
    let next = calendar::next_period(period_start, &subscription.plan, day);
    // A date that the web app has moved meanwhile stays as it set it.
    sqlx::query!(
        "update celeriac.subscriptions set next_renewal_on = $3, renewal_day = $4 where id = $1 and next_renewal_on = $2",
        subscription_id,
        period_start,
        next,
        i16::try_from(day).expect("a day of a month")
    )
    .execute(&mut *connection)
    .await?;
    sqlx::query!(
        "update celeriac.licenses
         set plan = $2, status = 'active', expired_at = null,
             plan_expires_at = greatest(plan_expires_at, ($3::date + 1)::timestamp at time zone 'America/New_York')
         where id = $1 and status <> 'revoked' and plan <> 'perpetual'",
        subscription.license_id,
        subscription.plan,
        next
    )
    .execute(&mut *connection)
    .await?;
    Ok(())
}
