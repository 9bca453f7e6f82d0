//! The one way to OpenAI: every call of every job goes through [`OpenAi::ask`], is made once, and ends in one of the [`Outcome`]s.
//!
//! async-openai builds and reads the wire format (Responses API); the HTTP exchange is ours (`exchange.rs`), because the library's own
//! retries behind the caller's back and hides status and headers of a refusal. Retrying belongs to the queue, paying to the ledger.

pub(crate) mod batch;
mod estimate;
mod exchange;
#[cfg(any(test, fuzzing))]
pub(crate) mod fuzzing;
mod learned;
mod outcome;
mod prices;
mod question;
mod reading;
mod retry_after;

use std::fmt;
use std::time::{Duration, Instant};

use anyhow::Context;
use async_openai::Client;
use async_openai::config::OpenAIConfig;
use secrecy::{ExposeSecret, SecretString};
use sha2::{Digest, Sha256};

use batch::BatchApi;
use exchange::Exchange;
pub use learned::Learned;
pub use outcome::{Outcome, Usage};
pub use prices::Prices;
pub use question::{Part, Question};

/// An address that does not answer at all is known after this long.
const CONNECT_TIMEOUT: Duration = Duration::from_secs(10);

/// Where and as whom to ask.
#[derive(Clone)]
pub struct OpenAiConfig {
    /// As in `https://api.openai.com/v1`.
    pub base_url: String,
    pub api_key: SecretString,
    pub model: String,
    /// Until the answer begins to come.
    pub first_byte_timeout: Duration,
    /// For the whole exchange, the answer's last byte included.
    pub timeout: Duration,
    pub prices: Prices,
}

/// The gateway. Cheap to clone; clones share their connections.
#[derive(Clone)]
pub struct OpenAi {
    http: reqwest::Client,
    config: OpenAIConfig,
    batches: BatchApi,
    model: String,
    first_byte_timeout: Duration,
    timeout: Duration,
    fingerprint: String,
    prices: Prices,
}

/// What came of a question.
#[derive(Debug)]
pub struct Asked {
    pub outcome: Outcome,
    /// What the provider said of its limits.
    pub learned: Learned,
    pub latency: Duration,
}

impl fmt::Debug for OpenAi {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("OpenAi").field("model", &self.model).field("timeout", &self.timeout).finish_non_exhaustive()
    }
}

impl OpenAi {
    /// # Errors
    /// When the HTTP client cannot be set up (no certificate store, for one).
    pub fn new(config: OpenAiConfig) -> anyhow::Result<Self> {
        let http = reqwest::Client::builder()
            .connect_timeout(CONNECT_TIMEOUT)
            .timeout(config.timeout)
            // A redirect would carry a document, and the key, to another host.
            .redirect(reqwest::redirect::Policy::none())
            .build()
            .context("setting up the HTTP client for OpenAI")?;
        let base_url = config.base_url.trim_end_matches('/').to_owned();
        let wire = OpenAIConfig::new().with_api_base(&base_url).with_api_key(config.api_key.expose_secret());
        let fingerprint = fingerprint(&config);
        let OpenAiConfig { model, first_byte_timeout, timeout, api_key, prices, .. } = config;
        let batches = BatchApi::new(http.clone(), base_url, api_key);
        Ok(Self { http, config: wire, batches, model, first_byte_timeout, timeout, fingerprint, prices })
    }

    /// Tells this key, address and model from others, and does not give the key away.
    pub fn fingerprint(&self) -> &str {
        &self.fingerprint
    }

    /// The model that is asked.
    pub fn model(&self) -> &str {
        &self.model
    }

    pub fn prices(&self) -> &Prices {
        &self.prices
    }

    /// The longest that one call can take.
    pub fn timeout(&self) -> Duration {
        self.timeout
    }

    /// The same account's Batch API.
    pub(crate) fn batches(&self) -> &BatchApi {
        &self.batches
    }

    /// The question as it is sent, for a batch.
    pub(crate) fn request(&self, question: &Question) -> anyhow::Result<String> {
        Ok(serde_json::to_string(&question.to_wire(&self.model))?)
    }

    /// Asks once. What happened is the outcome; there is no other error.
    pub async fn ask(&self, question: &Question) -> Asked {
        let started = Instant::now();
        let exchange = Exchange::new(self.http.clone(), self.first_byte_timeout);
        let client = Client::build(self.http.clone(), self.config.clone()).with_http_service(exchange.clone());
        let answered = client.responses().create(question.to_wire(&self.model)).await;
        let latency = started.elapsed();
        let heard = exchange.heard();
        let outcome = reading::classify(answered, heard.request_id.clone(), latency);
        tracing::info!(
            outcome = outcome.name(),
            model = %self.model,
            request_id = heard.request_id.as_deref(),
            duration_ms = u64::try_from(latency.as_millis()).unwrap_or(u64::MAX),
            "asked OpenAI"
        );
        Asked { outcome, learned: heard.learned, latency }
    }
}

/// A key is long and random, so that a digest of it cannot be turned round; sixteen digits are enough to tell two apart.
fn fingerprint(config: &OpenAiConfig) -> String {
    let mut hash = Sha256::new();
    for part in ["celeriac openai", config.api_key.expose_secret(), &config.base_url, &config.model] {
        hash.update((part.len() as u64).to_be_bytes());
        hash.update(part.as_bytes());
    }
    hex::encode(&hash.finalize()[..8])
}
