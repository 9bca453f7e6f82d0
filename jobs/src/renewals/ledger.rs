//! The renewal ledger: what is committed before the provider is asked for anything.

use chrono::NaiveDate;
use sqlx::PgPool;

use super::settle;

/// What came of beginning a renewal.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Begun {
    /// The ledger has it, with this id.
    Started(i64),
    /// That period was paid before; the subscription was moved on to the next one.
    PaidBefore,
    /// It is no longer due: cancelled, moved, or begun by somebody else.
    NotDue,
}

/// Writes the ledger row and takes the credit that the period uses. A row declined before is begun again: the customer has mended what was
/// declined, or the subscription would not be active.
pub(super) async fn begin(pool: &PgPool, subscription_id: i64, period_start: NaiveDate) -> sqlx::Result<Begun> {
    let mut transaction = pool.begin().await?;
    let Some(subscription) = sqlx::query!(
        r#"select amount_cents, least(credit_cents, amount_cents) as "credit_cents!", currency from celeriac.subscriptions
           where id = $1 and next_renewal_on = $2 and status = 'active' for update"#,
        subscription_id,
        period_start
    )
    .fetch_optional(&mut *transaction)
    .await?
    else {
        return Ok(Begun::NotDue);
    };
    let begun = sqlx::query_scalar!(
        r#"insert into celeriac.renewals (subscription_id, period_start, amount_cents, credit_cents, currency, idempotency_key)
           values ($1, $2, $3, $4, $5, $6)
           on conflict (subscription_id, period_start) do update
           set state = 'started', amount_cents = excluded.amount_cents, credit_cents = excluded.credit_cents, currency = excluded.currency,
               provider_order_id = null, error = null, started_at = now(), settled_at = null
           where renewals.state = 'declined'
           returning id"#,
        subscription_id,
        period_start,
        subscription.amount_cents,
        subscription.credit_cents,
        subscription.currency,
        format!("renewal-{subscription_id}-{period_start}")
    )
    .fetch_optional(&mut *transaction)
    .await?;
    let Some(id) = begun else {
        let paid = settle::advance_if_paid(&mut transaction, subscription_id, period_start).await?;
        transaction.commit().await?;
        return Ok(if paid { Begun::PaidBefore } else { Begun::NotDue });
    };
    sqlx::query!(
        "update celeriac.subscriptions set credit_cents = credit_cents - $2 where id = $1",
        subscription_id,
        subscription.credit_cents
    )
    .execute(&mut *transaction)
    .await?;
    transaction.commit().await?;
    Ok(Begun::Started(id))
}

/// Counts a look-up, before it is made. Returns how many there were with it; `None` when the renewal is settled.
pub(super) async fn note_lookup(pool: &PgPool, id: i64) -> sqlx::Result<Option<i32>> {
    sqlx::query_scalar!("update celeriac.renewals set lookups = lookups + 1 where id = $1 and state = 'started' returning lookups", id)
        .fetch_optional(pool)
        .await
}

/// Stores the order that is going to be captured, in place of `before`. False when another run has stored one or settled the renewal.
pub(super) async fn store_order(pool: &PgPool, id: i64, before: Option<&str>, order_id: &str) -> sqlx::Result<bool> {
    let stored = sqlx::query!(
        "update celeriac.renewals set provider_order_id = $3
         where id = $1 and state = 'started' and provider_order_id is not distinct from $2",
        id,
        before,
        order_id
    )
    .execute(pool)
    .await?;
    Ok(stored.rows_affected() == 1)
}

/// Counts a capture, before it is sent. False when this order is no longer the one to capture.
pub(super) async fn note_call(pool: &PgPool, id: i64, order_id: &str) -> sqlx::Result<bool> {
    let noted = sqlx::query!(
        "update celeriac.renewals set calls = calls + 1 where id = $1 and state = 'started' and provider_order_id = $2",
        id,
        order_id
    )
    .execute(pool)
    .await?;
    Ok(noted.rows_affected() == 1)
}

/// Says beside an unsettled renewal why it is not settled.
pub(super) async fn note_error(pool: &PgPool, id: i64, sentence: &str) -> sqlx::Result<()> {
    sqlx::query!("update celeriac.renewals set error = $2 where id = $1 and state = 'started'", id, sentence).execute(pool).await?;
    Ok(())
}
