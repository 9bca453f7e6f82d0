//! The access token: asked for once, kept until shortly before it ends.

use std::time::{Duration, Instant};

use reqwest::StatusCode;
use reqwest::header::CONTENT_TYPE;
use secrecy::{ExposeSecret, SecretString};
use tokio::sync::Mutex;

use super::PayPalConfig;
use super::answer::Answer;
use super::wire;
use crate::payments::PaymentError;

/// A token is renewed that long before its end, so that none ends on its way.
const MARGIN: Duration = Duration::from_secs(60);

#[derive(Debug, Default)]
pub(super) struct TokenCache {
    kept: Mutex<Option<Token>>,
}

#[derive(Debug)]
struct Token {
    value: SecretString,
    until: Instant,
}

impl TokenCache {
    /// A valid token, by OAuth2 client credentials when none is kept. Whoever comes meanwhile waits for the same answer.
    pub(super) async fn get(&self, http: &reqwest::Client, config: &PayPalConfig) -> Result<SecretString, PaymentError> {
        let mut kept = self.kept.lock().await;
        if let Some(token) = kept.as_ref().filter(|token| token.until > Instant::now()) {
            return Ok(token.value.clone());
        }
        let url = config.base_url.join("/v1/oauth2/token").map_err(|error| PaymentError::Refused(format!("PAYPAL_BASE_URL: {error}")))?;
        let request = http
            .post(url)
            .basic_auth(&config.client_id, Some(config.client_secret.expose_secret()))
            .header(CONTENT_TYPE, "application/x-www-form-urlencoded")
            .body("grant_type=client_credentials");
        let answer = Answer::read(request).await?;
        if answer.status == StatusCode::BAD_REQUEST {
            return Err(PaymentError::Unauthorized(answer.words()));
        }
        let granted: wire::AccessToken = answer.accepted()?;
        let until = Instant::now() + granted.lifetime().saturating_sub(MARGIN);
        let value = SecretString::from(granted.access_token);
        *kept = Some(Token { value: value.clone(), until });
        Ok(value)
    }

    pub(super) async fn forget(&self) {
        *self.kept.lock().await = None;
    }
}
