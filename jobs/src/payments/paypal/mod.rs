//! PayPal's Orders v2, as far as renewals need it.
//!
//! The saved payment method is named at the capture and not at the order's creation: an order created with one would be captured in the
//! same call, before its id could be stored.

mod answer;
#[cfg(any(test, fuzzing))]
pub(crate) mod fuzzing;
mod token;
mod wire;

use std::time::Duration;

use anyhow::Context;
use reqwest::{Method, RequestBuilder, StatusCode};
use secrecy::{ExposeSecret, SecretString};
use serde::Serialize;
use url::Url;

use self::answer::{Answer, Issue};
use self::token::TokenCache;
use super::{Capture, NewOrder, OrderState, PaymentError};

/// PayPal's own advice is to wait that long before an answer is called lost.
const ANSWER_PATIENCE: Duration = Duration::from_secs(30);
const CONNECT_PATIENCE: Duration = Duration::from_secs(10);

/// Where PayPal is and who we are.
#[derive(Debug, Clone)]
pub struct PayPalConfig {
    /// `https://api-m.paypal.com`, the sandbox, or the stand-in.
    pub base_url: Url,
    pub client_id: String,
    pub client_secret: SecretString,
}

/// A client of one PayPal account. Keeps its access token while it is valid.
#[derive(Debug)]
pub struct PayPal {
    http: reqwest::Client,
    config: PayPalConfig,
    token: TokenCache,
}

impl PayPal {
    /// # Errors
    /// When no TLS configuration can be built.
    pub fn new(config: PayPalConfig) -> anyhow::Result<Self> {
        let http = reqwest::Client::builder()
            .timeout(ANSWER_PATIENCE)
            .connect_timeout(CONNECT_PATIENCE)
            // A charge that was sent elsewhere than we meant is worse than one that failed.
            .redirect(reqwest::redirect::Policy::none())
            .build()
            .context("set up the connection to PayPal")?;
        Ok(Self { http, config, token: TokenCache::default() })
    }

    /// Creates an order that nobody has paid yet, and returns its id.
    ///
    /// # Errors
    /// [`PaymentError::NoAnswer`] may have created it: the same call with the same request id then finds it.
    pub async fn create_order(&self, order: &NewOrder) -> Result<String, PaymentError> {
        let value = order.money.paypal_value().map_err(|error| PaymentError::Refused(error.to_string()))?;
        let body = wire::CreateOrder::new(order, &value);
        let answer = self.send(Method::POST, "/v2/checkout/orders", Some(&order.request_id), &body).await?;
        let id = answer.accepted::<wire::Order>()?.id;
        // It becomes part of a path.
        if id.is_empty() || id.len() > 36 || !id.bytes().all(|byte| byte.is_ascii_alphanumeric()) {
            return Err(PaymentError::NoAnswer("the order it created has an id that is not one".into()));
        }
        Ok(id)
    }

    /// Charges the saved payment method for the order. An order captured before is not charged again: its capture is returned.
    ///
    /// # Errors
    /// After [`PaymentError::NoAnswer`] ask [`PayPal::order`] what happened.
    pub async fn capture(&self, order_id: &str, vault_id: &str, request_id: &str) -> Result<Capture, PaymentError> {
        let path = format!("/v2/checkout/orders/{order_id}/capture");
        let answer = self.send(Method::POST, &path, Some(request_id), &wire::CaptureOrder::new(vault_id)).await?;
        let state = if answer.issue() == Some(Issue::AlreadyCaptured) {
            self.order(order_id).await?
        } else {
            answer.accepted::<wire::Order>()?.state()
        };
        match state {
            OrderState::Captured(capture) => Ok(capture),
            other => Err(PaymentError::NoAnswer(format!("it took the capture, but the order is {other:?}"))),
        }
    }

    /// What became of an order.
    pub async fn order(&self, order_id: &str) -> Result<OrderState, PaymentError> {
        let answer = self.send(Method::GET, &format!("/v2/checkout/orders/{order_id}"), None, &()).await?;
        if answer.status == StatusCode::NOT_FOUND {
            return Ok(OrderState::Unknown);
        }
        Ok(answer.accepted::<wire::Order>()?.state())
    }

    /// With a token that PayPal no longer accepts, once more with a fresh one: it refused before it did anything.
    async fn send(&self, method: Method, path: &str, request_id: Option<&str>, body: &impl Serialize) -> Result<Answer, PaymentError> {
        let token = self.token.get(&self.http, &self.config).await?;
        let answer = Answer::read(self.request(method.clone(), path, request_id, body, &token)?).await?;
        if answer.status != StatusCode::UNAUTHORIZED {
            return Ok(answer);
        }
        self.token.forget().await;
        let token = self.token.get(&self.http, &self.config).await?;
        Answer::read(self.request(method, path, request_id, body, &token)?).await
    }

    fn request(
        &self,
        method: Method,
        path: &str,
        request_id: Option<&str>,
        body: &impl Serialize,
        token: &SecretString,
    ) -> Result<RequestBuilder, PaymentError> {
        let url = self.config.base_url.join(path).map_err(|error| PaymentError::Refused(format!("PAYPAL_BASE_URL: {error}")))?;
        let has_body = method == Method::POST;
        // The short answer to a capture lacks the capture itself.
        let mut request = self.http.request(method, url).bearer_auth(token.expose_secret()).header("prefer", "return=representation");
        if let Some(request_id) = request_id {
            request = request.header("paypal-request-id", request_id);
        }
        Ok(if has_body { request.json(body) } else { request })
    }
}
