//! Charging a saved payment method: an order first, its capture second.
//!
//! Two steps, because a charge whose answer was lost must be found again. Creating an order moves no money; its id is stored before the
//! capture, an order can be captured once only, and asking for the order tells for certain whether that has happened. PayPal's idempotency
//! keys alone would not do: it forgets them after some hours.

mod money;
pub(crate) mod paypal;

pub use money::{Money, MoneyError};
pub use paypal::{PayPal, PayPalConfig};

/// An order to create.
#[derive(Debug, Clone)]
pub struct NewOrder {
    /// Our own name for the charge. PayPal refuses to be paid twice for one.
    pub invoice_id: String,
    pub money: Money,
    /// Shown to the customer.
    pub description: String,
    /// The same for a repetition of the same call: the provider then answers with the first one's order.
    pub request_id: String,
}

/// An order's capture, as the provider knows it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Capture {
    pub id: String,
    pub state: CaptureState,
}

#[derive(Debug, Clone, PartialEq, Eq)]
pub enum CaptureState {
    /// The money was moved (also when it was refunded since).
    Completed,
    /// On its way; the provider will know later. The reason is the provider's word.
    Pending(String),
    /// No money was moved. The reason is the provider's word.
    Declined(String),
}

/// What became of an order.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum OrderState {
    /// Not captured so far.
    Open,
    Captured(Capture),
    /// Withdrawn without a capture.
    Voided,
    /// The provider has no such order (any more).
    Unknown,
}

/// Why a call brought no answer to work with.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum PaymentError {
    /// No answer, or one that promises nothing: the call may have had its effect.
    #[error("PayPal did not answer: {0}")]
    NoAnswer(String),
    /// The customer's payment method was declined; no money was moved.
    #[error("PayPal declined the payment: {0}")]
    Declined(String),
    /// This invoice id was paid through another order; no money was moved by this one.
    #[error("PayPal says that this invoice was already paid through another order")]
    AlreadyPaid,
    /// PayPal does not accept our request; no money was moved.
    #[error("PayPal refused the request: {0}")]
    Refused(String),
    /// PayPal does not accept our credentials; nothing else will work either.
    #[error("PayPal refused our credentials: {0}; check PAYPAL_CLIENT_ID, PAYPAL_CLIENT_SECRET and PAYPAL_BASE_URL")]
    Unauthorized(String),
}
