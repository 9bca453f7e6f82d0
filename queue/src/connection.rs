//! Connections to Redis: one shared and multiplexed for commands, dedicated ones for what blocks.

use std::path::PathBuf;
use std::time::Duration;

use redis::aio::{MultiplexedConnection, PubSub};
use redis::io::tcp::TcpSettings;
use redis::{AsyncConnectionConfig, Client, IntoConnectionInfo, TlsCertificates};
use tokio_util::sync::CancellationToken;

use crate::line::Line;
use crate::{Error, KeyRing, Namespace};

/// Where Redis is and how long to wait for it.
#[derive(Clone)]
pub struct RedisConfig {
    /// `redis://` or, with certificate checks, `rediss://`.
    pub url: String,
    pub namespace: Namespace,
    /// A certificate authority (PEM) to trust instead of the system's, for a private `rediss://`.
    pub ca_file: Option<PathBuf>,
    /// Encrypts the payloads of new jobs, and reads those of others. `None`: they are stored as they are.
    pub payload_keys: Option<KeyRing>,
    /// How long a command may take before it counts as failed and the connection as suspect.
    pub response_timeout: Duration,
    pub connect_timeout: Duration,
}

impl RedisConfig {
    pub fn new(url: impl Into<String>) -> Self {
        Self {
            url: url.into(),
            namespace: Namespace::default(),
            ca_file: None,
            payload_keys: None,
            response_timeout: Duration::from_secs(5),
            connect_timeout: Duration::from_secs(3),
        }
    }
}

impl std::fmt::Debug for RedisConfig {
    /// Without the URL, which may hold a password.
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("RedisConfig").field("namespace", &self.namespace).finish_non_exhaustive()
    }
}

/// A cheap-to-clone handle. Commands share one connection that reconnects by itself; a command that was under way when it broke fails.
#[derive(Clone)]
pub struct Connection {
    client: Client,
    line: Line,
    config: RedisConfig,
}

impl Connection {
    /// # Errors
    /// [`Error::Redis`] when the URL is malformed, the CA file unreadable, or Redis does not answer in time.
    pub async fn open(config: &RedisConfig) -> Result<Self, Error> {
        let client = client(config)?;
        let settings = AsyncConnectionConfig::new()
            .set_response_timeout(Some(config.response_timeout))
            .set_connection_timeout(Some(config.connect_timeout));
        let line = Line::open(client.clone(), settings).await?;
        Ok(Self { client, line, config: config.clone() })
    }

    pub fn namespace(&self) -> &Namespace {
        &self.config.namespace
    }

    /// What payloads are encrypted with, if they are.
    pub fn payload_keys(&self) -> Option<&KeyRing> {
        self.config.payload_keys.as_ref()
    }

    /// The shared connection. Never block on it: everything else would wait behind.
    pub(crate) fn shared(&self) -> Line {
        self.line.clone()
    }

    /// Cancelled once the shared connection was given up: whoever has one of his own to the same place had better make it anew.
    pub(crate) async fn given_up(&self) -> Result<CancellationToken, Error> {
        Ok(self.line.given_up().await?)
    }

    /// A connection for blocking commands. How long an answer may take is for each of them to say: see [`Connection::response_timeout`].
    pub(crate) async fn blocking(&self) -> Result<MultiplexedConnection, Error> {
        let settings = AsyncConnectionConfig::new().set_response_timeout(None).set_connection_timeout(Some(self.config.connect_timeout));
        Ok(self.client.get_multiplexed_async_connection_with_config(&settings).await?)
    }

    /// How long a command may take beyond what it was told to wait; then the line counts as dead.
    pub(crate) fn response_timeout(&self) -> Duration {
        self.config.response_timeout
    }

    pub(crate) async fn pubsub(&self) -> Result<PubSub, Error> {
        match tokio::time::timeout(self.config.connect_timeout, self.client.get_async_pubsub()).await {
            Ok(subscribed) => Ok(subscribed?),
            Err(_) => Err(Error::Redis(std::io::Error::from(std::io::ErrorKind::TimedOut).into())),
        }
    }

    /// Milliseconds since the epoch by the Redis clock; also the cheapest proof that Redis answers.
    pub async fn time_ms(&self) -> Result<crate::Millis, Error> {
        let (seconds, micros): (u64, u64) = redis::cmd("TIME").query_async(&mut self.shared()).await?;
        Ok(seconds * 1_000 + micros / 1_000)
    }

    /// `INFO` fields that matter to us, as Redis names them, e.g. `run_id`, `redis_version`, `maxmemory_policy`, `used_memory`.
    pub async fn info(&self) -> Result<std::collections::BTreeMap<String, String>, Error> {
        let text: String = redis::cmd("INFO").query_async(&mut self.shared()).await?;
        Ok(text
            .lines()
            .filter_map(|line| line.split_once(':'))
            .map(|(name, value)| (name.to_owned(), value.trim_end().to_owned()))
            .collect())
    }
}

fn client(config: &RedisConfig) -> Result<Client, Error> {
    let info = config.url.as_str().into_connection_info()?.set_tcp_settings(tcp_settings(config));
    let Some(path) = &config.ca_file else { return Ok(Client::open(info)?) };
    let root_cert = std::fs::read(path).map_err(|error| {
        let detail = format!("{}: {error}", path.display());
        redis::RedisError::from((redis::ErrorKind::InvalidClientConfig, "cannot read the Redis CA file", detail))
    })?;
    Ok(Client::build_with_tls(info, TlsCertificates { client_tls: None, root_cert: Some(root_cert) })?)
}

/// Small commands leave at once; where the system can, bytes that nobody acknowledges end the connection.
fn tcp_settings(config: &RedisConfig) -> TcpSettings {
    let settings = TcpSettings::default().set_nodelay(true);
    #[cfg(target_os = "linux")]
    let settings = settings.set_user_timeout(config.response_timeout * 2);
    #[cfg(not(target_os = "linux"))]
    let _ = config;
    settings
}
