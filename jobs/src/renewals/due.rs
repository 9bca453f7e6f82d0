//! What is to be done: charges whose outcome is not known, then subscriptions that are due.

use chrono::NaiveDate;
use sqlx::PgPool;

use super::report::{Action, WouldCharge};

/// A renewal in the ledger that is not settled, with what its subscription says about it now.
#[derive(Debug, Clone)]
pub(super) struct Renewal {
    pub(super) id: i64,
    pub(super) subscription_id: i64,
    pub(super) period_start: NaiveDate,
    pub(super) amount_cents: i32,
    pub(super) credit_cents: i32,
    pub(super) currency: String,
    pub(super) idempotency_key: String,
    /// Captures sent so far.
    pub(super) calls: i32,
    pub(super) lookups: i32,
    pub(super) provider_order_id: Option<String>,
    pub(super) plan: String,
    pub(super) payment_token: String,
    pub(super) subscription_active: bool,
}

/// A subscription whose next period is to be paid.
#[derive(Debug, Clone)]
pub(super) struct Due {
    pub(super) subscription_id: i64,
    pub(super) period_start: NaiveDate,
    amount_cents: i32,
    credit_cents: i32,
    currency: String,
    /// How many are due in all.
    pub(super) total: i64,
}

/// The database's day in New York.
pub(super) async fn today(pool: &PgPool) -> sqlx::Result<NaiveDate> {
    sqlx::query_scalar!(r#"select (now() at time zone 'America/New_York')::date as "today!""#).fetch_one(pool).await
}

/// Renewals begun and not settled, also those of subscriptions cancelled since: their money may have been taken. With an id, only that one.
pub(super) async fn unsettled(pool: &PgPool, id: Option<i64>, limit: i64) -> sqlx::Result<Vec<Renewal>> {
    sqlx::query_as!(
        Renewal,
        r#"select r.id, r.subscription_id, r.period_start, r.amount_cents, r.credit_cents, r.currency, r.idempotency_key, r.calls,
                  r.lookups, r.provider_order_id, s.plan, s.payment_token, s.status = 'active' as "subscription_active!"
           from celeriac.renewals r join celeriac.subscriptions s on s.id = r.subscription_id
           where r.state = 'started' and ($1::bigint is null or r.id = $1)
           order by r.id limit $2"#,
        id,
        limit
    )
    .fetch_all(pool)
    .await
}

/// Active subscriptions whose next period begins on that day or did before, the longest overdue first. Not those with an unsettled renewal
/// for it, and not those whose licence was revoked.
pub(super) async fn due(pool: &PgPool, on: NaiveDate, limit: i64) -> sqlx::Result<Vec<Due>> {
    sqlx::query_as!(
        Due,
        r#"select s.id as subscription_id, s.next_renewal_on as period_start, s.amount_cents, s.credit_cents, s.currency,
                  count(*) over () as "total!"
           from celeriac.subscriptions s left join celeriac.licenses l on l.id = s.license_id
           where s.status = 'active' and s.next_renewal_on <= $1 and l.status is distinct from 'revoked'
             and not exists (select from celeriac.renewals r
                             where r.subscription_id = s.id and r.period_start = s.next_renewal_on and r.state = 'started')
           order by s.next_renewal_on, s.id limit $2"#,
        on,
        limit
    )
    .fetch_all(pool)
    .await
}

/// What a dry run says of an unsettled renewal.
impl From<Renewal> for WouldCharge {
    fn from(renewal: Renewal) -> Self {
        Self {
            subscription_id: renewal.subscription_id,
            period_start: renewal.period_start,
            action: Action::LookUp,
            amount_cents: renewal.amount_cents,
            credit_cents: renewal.credit_cents,
            charge_cents: renewal.amount_cents - renewal.credit_cents,
            currency: renewal.currency,
        }
    }
}

/// What a dry run says of a subscription that is due.
impl From<Due> for WouldCharge {
    fn from(due: Due) -> Self {
        let credit_cents = due.credit_cents.min(due.amount_cents);
        Self {
            subscription_id: due.subscription_id,
            period_start: due.period_start,
            action: if credit_cents == due.amount_cents { Action::Credit } else { Action::Charge },
            amount_cents: due.amount_cents,
            credit_cents,
            charge_cents: due.amount_cents - credit_cents,
            currency: due.currency,
        }
    }
}
