//! The bodies that go over the wire, only as far as they are read or written here.

use std::time::Duration;

use serde::{Deserialize, Serialize};

use crate::payments::{Capture, CaptureState, NewOrder, OrderState};

#[derive(Serialize)]
pub(super) struct CreateOrder<'a> {
    intent: &'static str,
    purchase_units: [PurchaseUnit<'a>; 1],
}

#[derive(Serialize)]
struct PurchaseUnit<'a> {
    invoice_id: &'a str,
    description: &'a str,
    amount: Amount<'a>,
}

#[derive(Serialize)]
struct Amount<'a> {
    currency_code: &'a str,
    value: &'a str,
}

impl<'a> CreateOrder<'a> {
    pub(super) fn new(order: &'a NewOrder, value: &'a str) -> Self {
        let amount = Amount { currency_code: &order.money.currency, value };
        let unit = PurchaseUnit { invoice_id: &order.invoice_id, description: &order.description, amount };
        Self { intent: "CAPTURE", purchase_units: [unit] }
    }
}

#[derive(Serialize)]
pub(super) struct CaptureOrder<'a> {
    payment_source: PaymentSource<'a>,
}

#[derive(Serialize)]
struct PaymentSource<'a> {
    paypal: SavedWallet<'a>,
}

#[derive(Serialize)]
struct SavedWallet<'a> {
    vault_id: &'a str,
}

impl<'a> CaptureOrder<'a> {
    pub(super) fn new(vault_id: &'a str) -> Self {
        Self { payment_source: PaymentSource { paypal: SavedWallet { vault_id } } }
    }
}

#[derive(Deserialize)]
pub(super) struct AccessToken {
    pub(super) access_token: String,
    /// Seconds.
    expires_in: u64,
}

/// PayPal's tokens live for nine hours; a clock cannot tell every moment that a number of seconds could name.
const TOKEN_LIFETIME_MAX: Duration = Duration::from_secs(24 * 3_600);

impl AccessToken {
    pub(super) fn lifetime(&self) -> Duration {
        Duration::from_secs(self.expires_in).min(TOKEN_LIFETIME_MAX)
    }
}

#[derive(Deserialize)]
pub(super) struct Order {
    pub(super) id: String,
    #[serde(default)]
    status: String,
    #[serde(default)]
    purchase_units: Vec<PaidUnit>,
}

#[derive(Deserialize)]
struct PaidUnit {
    #[serde(default)]
    payments: Payments,
}

#[derive(Default, Deserialize)]
struct Payments {
    #[serde(default)]
    captures: Vec<WireCapture>,
}

#[derive(Deserialize)]
struct WireCapture {
    id: String,
    status: String,
    #[serde(default)]
    status_details: StatusDetails,
}

#[derive(Default, Deserialize)]
struct StatusDetails {
    #[serde(default)]
    reason: String,
}

impl Order {
    /// A capture tells more than the order's own status, which says COMPLETED also of one that was declined. Of several, the one that
    /// moved money counts, then the one that may yet.
    pub(super) fn state(self) -> OrderState {
        let captures = self.purchase_units.into_iter().flat_map(|unit| unit.payments.captures).map(Capture::from);
        let telling = captures.min_by_key(|capture| match capture.state {
            CaptureState::Completed => 0,
            CaptureState::Pending(_) => 1,
            CaptureState::Declined(_) => 2,
        });
        match telling {
            Some(capture) => OrderState::Captured(capture),
            None if self.status == "VOIDED" => OrderState::Voided,
            None => OrderState::Open,
        }
    }
}

impl From<WireCapture> for Capture {
    fn from(capture: WireCapture) -> Self {
        let reason = if capture.status_details.reason.is_empty() { capture.status.clone() } else { capture.status_details.reason };
        let state = match capture.status.as_str() {
            "COMPLETED" | "REFUNDED" | "PARTIALLY_REFUNDED" => CaptureState::Completed,
            "DECLINED" | "FAILED" => CaptureState::Declined(reason),
            // Also a status that PayPal invents after this was written: neither paid nor free to be charged again.
            _ => CaptureState::Pending(reason),
        };
        Self { id: capture.id, state }
    }
}
