//! One HTTP answer, and what it means for the money.

use reqwest::{RequestBuilder, StatusCode};
use serde::Deserialize;
use serde::de::DeserializeOwned;

use crate::payments::PaymentError;

/// A real answer is a few kilobytes.
const BODY_BYTES_MAX: usize = 1_000_000;

/// What is wrong with the customer's payment method, in PayPal's words. Anything else that PayPal refuses is our own mistake, or its
/// account's, and no reason to call a customer's payment declined.
const DECLINED: [&str; 22] = [
    "AGREEMENT_ALREADY_CANCELLED",
    "BILLING_AGREEMENT_NOT_FOUND",
    "CARD_EXPIRED",
    "COMPLIANCE_VIOLATION",
    "CONSENT_NEEDED",
    "INSTRUMENT_DECLINED",
    "MAX_NUMBER_OF_PAYMENT_ATTEMPTS_EXCEEDED",
    "PAYEE_BLOCKED_TRANSACTION",
    "PAYER_ACCOUNT_LOCKED_OR_CLOSED",
    "PAYER_ACCOUNT_RESTRICTED",
    "PAYER_ACTION_REQUIRED",
    "PAYER_CANNOT_PAY",
    "PAYMENT_SOURCE_CANNOT_BE_USED",
    "PAYMENT_SOURCE_DECLINED_BY_PROCESSOR",
    "PAYMENT_SOURCE_INFO_CANNOT_BE_VERIFIED",
    "REDIRECT_PAYER_FOR_ALTERNATE_FUNDING",
    "REFERENCED_CARD_EXPIRED",
    "TOKEN_EXPIRED",
    "TOKEN_ID_NOT_FOUND",
    "TRANSACTION_BLOCKED_BY_PAYEE",
    "TRANSACTION_LIMIT_EXCEEDED",
    "TRANSACTION_REFUSED",
];

/// A refusal's reason that leads somewhere else than to an error.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Issue {
    AlreadyCaptured,
}

/// A whole answer, whatever its status.
#[derive(Debug)]
pub(super) struct Answer {
    pub(super) status: StatusCode,
    body: Vec<u8>,
}

/// PayPal's error body; the token endpoint has words of its own.
#[derive(Debug, Default, Deserialize)]
struct Refusal {
    #[serde(default, alias = "error")]
    name: String,
    #[serde(default, alias = "error_description")]
    message: String,
    #[serde(default)]
    debug_id: String,
    #[serde(default)]
    details: Vec<Detail>,
}

#[derive(Debug, Deserialize)]
struct Detail {
    #[serde(default)]
    issue: String,
    #[serde(default)]
    description: String,
}

impl Answer {
    /// # Errors
    /// [`PaymentError::NoAnswer`] when none arrived whole.
    pub(super) async fn read(request: RequestBuilder) -> Result<Self, PaymentError> {
        // Without the URL, which would only repeat ids.
        let lost = |error: reqwest::Error| PaymentError::NoAnswer(root_cause(&error.without_url()));
        let mut response = request.send().await.map_err(lost)?;
        let status = response.status();
        let mut body = Vec::new();
        while let Some(chunk) = response.chunk().await.map_err(lost)? {
            body.extend_from_slice(&chunk);
            if body.len() > BODY_BYTES_MAX {
                return Err(PaymentError::NoAnswer(format!("its answer is longer than {BODY_BYTES_MAX} bytes")));
            }
        }
        Ok(Self { status, body })
    }

    #[cfg(any(test, fuzzing))]
    pub(super) fn of(status: StatusCode, body: &[u8]) -> Self {
        Self { status, body: body.to_vec() }
    }

    /// The body of an accepted call.
    ///
    /// # Errors
    /// What a refusal means. An accepted call whose body cannot be read may have had its effect.
    pub(super) fn accepted<T: DeserializeOwned>(&self) -> Result<T, PaymentError> {
        if self.status.is_success() {
            return serde_json::from_slice(&self.body)
                .map_err(|error| PaymentError::NoAnswer(format!("its answer cannot be read ({error})")));
        }
        Err(self.refusal())
    }

    /// The reason of a refusal, if it is one of those that the client itself acts on.
    pub(super) fn issue(&self) -> Option<Issue> {
        let refused = self.status == StatusCode::UNPROCESSABLE_ENTITY && self.names("ORDER_ALREADY_CAPTURED");
        refused.then_some(Issue::AlreadyCaptured)
    }

    fn refusal(&self) -> PaymentError {
        let words = self.words();
        if DECLINED.iter().any(|issue| self.names(issue)) {
            return PaymentError::Declined(words);
        }
        match self.status {
            StatusCode::UNAUTHORIZED | StatusCode::FORBIDDEN => PaymentError::Unauthorized(words),
            StatusCode::REQUEST_TIMEOUT | StatusCode::CONFLICT | StatusCode::TOO_MANY_REQUESTS => PaymentError::NoAnswer(words),
            // Also of a status that no standard knows: nobody can say what was done.
            status if status.as_u16() >= 500 => PaymentError::NoAnswer(words),
            _ if self.names("DUPLICATE_INVOICE_ID") => PaymentError::AlreadyPaid,
            _ if self.names("ORDER_COMPLETION_IN_PROGRESS") => PaymentError::NoAnswer(words),
            _ => PaymentError::Refused(words),
        }
    }

    /// Whether the refusal gives that reason.
    fn names(&self, issue: &str) -> bool {
        self.parsed().details.iter().any(|detail| detail.issue == issue)
    }

    /// The refusal for people, as in `INSTRUMENT_DECLINED, The instrument … (HTTP 422, debug id 4f1)`.
    pub(super) fn words(&self) -> String {
        let refusal = self.parsed();
        let (name, text) = match refusal.details.first() {
            Some(detail) if !detail.issue.is_empty() => (&detail.issue, &detail.description),
            _ => (&refusal.name, &refusal.message),
        };
        let mut words: String = [name.as_str(), text.trim_end_matches('.')].join(", ").trim_matches([',', ' ']).chars().take(300).collect();
        if !words.is_empty() {
            words.push(' ');
        }
        words
            + &match refusal.debug_id.as_str() {
                "" => format!("(HTTP {})", self.status.as_u16()),
                id => format!("(HTTP {}, debug id {id})", self.status.as_u16()),
            }
    }

    /// A proxy's page in place of PayPal's JSON has no words that help.
    fn parsed(&self) -> Refusal {
        serde_json::from_slice(&self.body).unwrap_or_default()
    }
}

/// The innermost message, as in `connection refused`: the outer ones only say that sending failed.
fn root_cause(error: &dyn std::error::Error) -> String {
    let mut cause = error;
    while let Some(inner) = cause.source() {
        cause = inner;
    }
    cause.to_string()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn refused(status: u16, body: &str) -> PaymentError {
        let answer = Answer { status: StatusCode::from_u16(status).unwrap(), body: body.into() };
        answer.accepted::<serde_json::Value>().unwrap_err()
    }

    fn unprocessable(issue: &str) -> String {
        format!(
            r#"{{"name":"UNPROCESSABLE_ENTITY","message":"The requested action could not be performed.","debug_id":"d1",
                "details":[{{"issue":"{issue}","description":"What is wrong."}}]}}"#
        )
    }

    #[test]
    fn only_what_concerns_the_customer_is_a_decline() {
        let declined = refused(422, &unprocessable("INSTRUMENT_DECLINED"));
        assert_eq!(declined, PaymentError::Declined("INSTRUMENT_DECLINED, What is wrong (HTTP 422, debug id d1)".into()));
        assert!(matches!(refused(422, &unprocessable("CURRENCY_NOT_SUPPORTED")), PaymentError::Refused(_)));
        assert_eq!(refused(422, &unprocessable("DUPLICATE_INVOICE_ID")), PaymentError::AlreadyPaid);
    }

    #[test]
    fn an_answer_that_promises_nothing_is_no_answer() {
        for status in [408, 409, 429, 500, 502, 503] {
            assert!(matches!(refused(status, "<html>busy</html>"), PaymentError::NoAnswer(_)), "{status}");
        }
        let broken = Answer { status: StatusCode::CREATED, body: b"{\"id\":".to_vec() };
        assert!(matches!(broken.accepted::<serde_json::Value>(), Err(PaymentError::NoAnswer(_))));
    }

    #[test]
    fn refused_credentials_say_which_settings_to_check() {
        let error = refused(401, r#"{"error":"invalid_client","error_description":"Client Authentication failed"}"#);
        let expected = "PayPal refused our credentials: invalid_client, Client Authentication failed (HTTP 401); \
                        check PAYPAL_CLIENT_ID, PAYPAL_CLIENT_SECRET and PAYPAL_BASE_URL";
        assert_eq!(error.to_string(), expected);
    }
}
