//! One renewal, from its ledger row to its end.

use crate::checkpoint::checkpoint;
use crate::payments::{Capture, CaptureState, Money, NewOrder, OrderState, PayPal, PaymentError};

use super::due::Renewal;
use super::{Renewing, ledger, settle};

/// How a renewal ended in this run.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Outcome {
    Charged,
    Credited,
    Declined,
    Pending,
    /// Somebody else settled it meanwhile.
    Overtaken,
}

/// Why a renewal stays unsettled.
#[derive(Debug, thiserror::Error)]
pub(super) enum Failure {
    #[error(transparent)]
    Payment(#[from] PaymentError),
    /// It cannot be known whether the customer paid.
    #[error("{0}")]
    Unclear(String),
    #[error("PAYPAL_CLIENT_ID and PAYPAL_CLIENT_SECRET are not set: set both, or call process_renewals with dry_run")]
    NoProvider,
    #[error(transparent)]
    Sql(#[from] sqlx::Error),
}

/// What the provider has of a renewal.
enum Known {
    /// No order, or one that can no longer be captured and was not.
    Nothing,
    Open(String),
    Captured(Capture),
}

impl Renewing {
    /// Charges what credit leaves to pay. Safe to be repeated from any point at which it was cut off.
    pub(super) async fn charge(&self, renewal: &mut Renewal) -> Result<Outcome, Failure> {
        checkpoint("renewals.started").await;
        let money = to_charge(renewal);
        if money.cents == 0 {
            let settled = settle::charged(&self.pool, renewal, None).await?;
            return Ok(if settled { Outcome::Credited } else { Outcome::Overtaken });
        }
        let paypal = self.paypal.as_deref().ok_or(Failure::NoProvider)?;
        let known = self.look_up(paypal, renewal).await?;
        if let Known::Captured(capture) = known {
            return self.settle(renewal, capture).await;
        }
        if !renewal.subscription_active {
            return self.decline(renewal, "the subscription was no longer active, so it was not charged").await;
        }
        let order_id = match known {
            Known::Open(order_id) => order_id,
            _ => match self.create_order(paypal, renewal, money).await? {
                Some(order_id) => order_id,
                None => return Ok(Outcome::Overtaken),
            },
        };
        self.capture(paypal, renewal, &order_id).await
    }

    /// Asks for the order of an earlier run.
    async fn look_up(&self, paypal: &PayPal, renewal: &mut Renewal) -> Result<Known, Failure> {
        let Some(order_id) = renewal.provider_order_id.clone() else { return Ok(Known::Nothing) };
        renewal.lookups = ledger::note_lookup(&self.pool, renewal.id).await?.unwrap_or(renewal.lookups);
        match paypal.order(&order_id).await? {
            OrderState::Captured(capture) => Ok(Known::Captured(capture)),
            OrderState::Open => Ok(Known::Open(order_id)),
            OrderState::Voided => Ok(Known::Nothing),
            // PayPal forgets orders that nobody paid.
            OrderState::Unknown if renewal.calls == 0 => Ok(Known::Nothing),
            OrderState::Unknown => Err(Failure::Unclear(format!(
                "PayPal no longer knows order {order_id}, which was sent to be captured: look for invoice {} in PayPal's activity, then \
                 set the renewal to charged with that transaction's id, or to declined",
                renewal.idempotency_key
            ))),
        }
    }

    /// Creates the order and stores its id. `None` when another run was faster.
    async fn create_order(&self, paypal: &PayPal, renewal: &Renewal, money: Money) -> Result<Option<String>, Failure> {
        let order = NewOrder {
            invoice_id: renewal.idempotency_key.clone(),
            money,
            description: format!(
                "{} plan, period from {}",
                if renewal.plan == "yearly" { "Yearly" } else { "Monthly" },
                renewal.period_start
            ),
            // Both numbers change only after an order was stored, so a repetition of this call finds the order of the first.
            request_id: format!("{}-order-{}-{}", renewal.idempotency_key, renewal.calls, renewal.lookups),
        };
        let order_id = paypal.create_order(&order).await?;
        let stored = ledger::store_order(&self.pool, renewal.id, renewal.provider_order_id.as_deref(), &order_id).await?;
        checkpoint("renewals.ordered").await;
        Ok(stored.then_some(order_id))
    }

    async fn capture(&self, paypal: &PayPal, renewal: &Renewal, order_id: &str) -> Result<Outcome, Failure> {
        if !ledger::note_call(&self.pool, renewal.id, order_id).await? {
            return Ok(Outcome::Overtaken);
        }
        let request_id = format!("{}-capture-{order_id}", renewal.idempotency_key);
        let captured = paypal.capture(order_id, &renewal.payment_token, &request_id).await;
        checkpoint("renewals.captured").await;
        match captured {
            Ok(capture) => self.settle(renewal, capture).await,
            Err(PaymentError::Declined(reason)) => self.decline(renewal, &reason).await,
            Err(error) => Err(error.into()),
        }
    }

    async fn settle(&self, renewal: &Renewal, capture: Capture) -> Result<Outcome, Failure> {
        match capture.state {
            CaptureState::Completed => {
                let settled = settle::charged(&self.pool, renewal, Some(&capture.id)).await?;
                checkpoint("renewals.settled").await;
                Ok(if settled { Outcome::Charged } else { Outcome::Overtaken })
            }
            CaptureState::Pending(reason) => {
                let sentence = format!("PayPal has the payment, but not its money yet ({reason})");
                ledger::note_error(&self.pool, renewal.id, &sentence).await?;
                Ok(Outcome::Pending)
            }
            CaptureState::Declined(reason) => self.decline(renewal, &reason).await,
        }
    }

    async fn decline(&self, renewal: &Renewal, reason: &str) -> Result<Outcome, Failure> {
        let settled = settle::declined(&self.pool, renewal, reason).await?;
        Ok(if settled { Outcome::Declined } else { Outcome::Overtaken })
    }
}

fn to_charge(renewal: &Renewal) -> Money {
    let cents = u32::try_from(renewal.amount_cents - renewal.credit_cents).expect("the table keeps credit within the amount");
    Money { cents, currency: renewal.currency.clone() }
}
