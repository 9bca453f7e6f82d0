//! Bodies as PayPal reads and writes them.

use axum::Json;
use axum::http::StatusCode;
use axum::response::{IntoResponse, Response};
use serde::Deserialize;
use serde_json::{Value, json};
use uuid::Uuid;

/// `POST /v2/checkout/orders`.
#[derive(Debug, Deserialize)]
pub(super) struct CreateOrder {
    #[serde(default)]
    pub(super) intent: String,
    #[serde(default)]
    pub(super) purchase_units: Vec<PurchaseUnit>,
    #[serde(default)]
    pub(super) payment_source: Option<Value>,
}

#[derive(Debug, Clone, Deserialize)]
pub(super) struct PurchaseUnit {
    #[serde(default)]
    pub(super) invoice_id: Option<String>,
    pub(super) amount: Amount,
}

#[derive(Debug, Clone, Deserialize)]
pub(super) struct Amount {
    pub(super) currency_code: String,
    pub(super) value: String,
}

/// `POST /v2/checkout/orders/{id}/capture`.
#[derive(Debug, Default, Deserialize)]
pub(super) struct CaptureOrder {
    #[serde(default)]
    pub(super) payment_source: Option<PaymentSource>,
}

#[derive(Debug, Deserialize)]
pub(super) struct PaymentSource {
    #[serde(default)]
    pub(super) paypal: Option<Wallet>,
}

#[derive(Debug, Deserialize)]
pub(super) struct Wallet {
    #[serde(default)]
    pub(super) vault_id: Option<String>,
}

impl Amount {
    /// Digits, with two behind the point at most, and more than nothing.
    pub(super) fn is_payable(&self) -> bool {
        let (whole, cents) = self.value.split_once('.').unwrap_or((&self.value, "0"));
        let digits = |text: &str| !text.is_empty() && text.bytes().all(|byte| byte.is_ascii_digit());
        let takes_cents = !matches!(self.currency_code.as_str(), "JPY" | "HUF" | "TWD");
        let well_formed = digits(whole) && digits(cents) && cents.len() <= 2 && (takes_cents || !self.value.contains('.'));
        well_formed && self.value.bytes().any(|byte| (b'1'..=b'9').contains(&byte))
    }
}

/// PayPal says no.
#[derive(Debug, Clone)]
pub(super) struct Refusal {
    pub(super) status: StatusCode,
    pub(super) body: Value,
}

impl Refusal {
    pub(super) fn unprocessable(issue: &str, description: &str) -> Self {
        let message = "The requested action could not be performed, semantically incorrect, or failed business validation.";
        Self::new(StatusCode::UNPROCESSABLE_ENTITY, "UNPROCESSABLE_ENTITY", message, Some((issue, description)))
    }

    pub(super) fn invalid(issue: &str, description: &str) -> Self {
        let message = "Request is not well-formed, syntactically incorrect, or violates schema.";
        Self::new(StatusCode::BAD_REQUEST, "INVALID_REQUEST", message, Some((issue, description)))
    }

    pub(super) fn no_such_order() -> Self {
        let detail = ("INVALID_RESOURCE_ID", "Specified resource ID does not exist. Please check the resource ID and try again.");
        Self::new(StatusCode::NOT_FOUND, "RESOURCE_NOT_FOUND", "The specified resource does not exist.", Some(detail))
    }

    pub(super) fn unauthorized() -> Self {
        let message = "Authentication failed due to missing authorization header, or invalid authentication credentials.";
        Self::new(StatusCode::UNAUTHORIZED, "AUTHENTICATION_FAILURE", message, None)
    }

    fn new(status: StatusCode, name: &str, message: &str, detail: Option<(&str, &str)>) -> Self {
        let details: Vec<Value> =
            detail.into_iter().map(|(issue, description)| json!({ "issue": issue, "description": description })).collect();
        let debug_id = &Uuid::new_v4().simple().to_string()[..13];
        Self { status, body: json!({ "name": name, "message": message, "debug_id": debug_id, "details": details, "links": [] }) }
    }
}

impl IntoResponse for Refusal {
    fn into_response(self) -> Response {
        (self.status, Json(self.body)).into_response()
    }
}
