//! Connections to Redis: shared and multiplexed for commands, dedicated ones for what blocks.

use std::collections::BTreeMap;
use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;

use redis::aio::{MultiplexedConnection, PubSub};
use redis::{Cmd, RedisError};
use tokio_util::sync::CancellationToken;

use crate::address::Places;
use crate::dial::Dial;
use crate::line::Line;
use crate::lines::Lines;
use crate::{Error, KeyRing, Namespace};

/// Where Redis is and how long to wait for it.
#[derive(Clone)]
pub struct RedisConfig {
    /// `redis://` or, with certificate checks, `rediss://`. Several separated by commas are nodes of a cluster; of one node alone is asked
    /// whether it belongs to a cluster.
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

    /// What is wrong with a URL, in words that do not repeat it (it may hold a password).
    pub fn url_fault(url: &str) -> Option<String> {
        match Places::parse(url) {
            Err(Error::Url { reason }) => Some(reason.to_owned()),
            _ => None,
        }
    }

    /// With waits that a worker can afford whose leases are that long: one that finds its line dead has made another, and extended, before
    /// they run out.
    #[must_use]
    pub fn suited_to(mut self, lease: Duration) -> Self {
        self.response_timeout = self.response_timeout.min(lease / 2).max(RESPONSE_TIMEOUT_MIN);
        self.connect_timeout = self.connect_timeout.min(lease / 3).max(CONNECT_TIMEOUT_MIN);
        self
    }
}

/// Shorter waits would take a busy machine for a dead one.
const RESPONSE_TIMEOUT_MIN: Duration = Duration::from_secs(2);
const CONNECT_TIMEOUT_MIN: Duration = Duration::from_secs(1);

impl std::fmt::Debug for RedisConfig {
    /// Without the URL, which may hold a password.
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("RedisConfig").field("namespace", &self.namespace).finish_non_exhaustive()
    }
}

/// A cheap-to-clone handle. Commands share one connection (in a cluster one a node) that reconnects by itself; a command that was under
/// way when it broke fails.
#[derive(Clone)]
pub struct Connection {
    dial: Arc<Dial>,
    lines: Lines,
    config: RedisConfig,
}

impl Connection {
    /// # Errors
    /// [`Error::Url`] or [`Error::Redis`]: the URL is malformed, the CA file unreadable, or Redis does not answer in time.
    pub async fn open(config: &RedisConfig) -> Result<Self, Error> {
        let dial = Arc::new(Dial::new(config)?);
        let lines = Lines::open(&dial).await?;
        Ok(Self { dial, lines, config: config.clone() })
    }

    pub fn namespace(&self) -> &Namespace {
        &self.config.namespace
    }

    /// What payloads are encrypted with, if they are.
    pub fn payload_keys(&self) -> Option<&KeyRing> {
        self.config.payload_keys.as_ref()
    }

    /// Whether the keys lie on several nodes. A blocking command can then wait for one queue only.
    pub fn is_cluster(&self) -> bool {
        self.lines.is_cluster()
    }

    /// The shared connection. Never block on it: everything else would wait behind. A pipeline on it names keys of one queue only.
    pub(crate) fn shared(&self) -> Lines {
        self.lines.clone()
    }

    /// A connection for blocking commands on keys of that key's slot. How long an answer may take is for each of them to say: see
    /// [`Connection::response_timeout`]. What goes wrong on it is to be told by [`Connection::heed`].
    pub(crate) async fn blocking(&self, key: &str) -> Result<MultiplexedConnection, Error> {
        let opened = self.dial.blocking(&self.lines.client_for(key)?).await;
        Ok(opened.inspect_err(|error| self.heed(key, error))?)
    }

    /// Cancelled once the shared line to the server of that key was given up: whoever has one of his own there had better make it anew.
    pub(crate) async fn given_up(&self, key: &str) -> Result<CancellationToken, Error> {
        Ok(self.lines.given_up(key).await?)
    }

    /// Tells the shared lines what a connection of its own to the node of that key met: the key may be elsewhere now.
    pub(crate) fn heed(&self, key: &str, error: &RedisError) {
        self.lines.heed(key, error);
    }

    /// How long a command may take beyond what it was told to wait; then the line counts as dead.
    pub(crate) fn response_timeout(&self) -> Duration {
        self.config.response_timeout
    }

    /// The shared line to the server that a command goes to, for what concerns that server rather than its keys.
    pub(crate) fn server_of(&self, command: &Cmd) -> Result<Line, Error> {
        Ok(self.lines.server_of(command)?)
    }

    /// A connection for subscriptions to that channel. In a cluster every node hears of what is published at any, but that of the queue
    /// hears of it first and for certain. What goes wrong on it is to be told by [`Connection::heed`].
    pub(crate) async fn pubsub(&self, channel: &str) -> Result<PubSub, Error> {
        let opened = self.dial.pubsub(&self.lines.client_for(channel)?).await;
        Ok(opened.inspect_err(|error| self.heed(channel, error))?)
    }

    /// Milliseconds since the epoch by the Redis clock (in a cluster, that of any node); also the cheapest proof that Redis answers.
    pub async fn time_ms(&self) -> Result<crate::Millis, Error> {
        let (seconds, micros): (u64, u64) = redis::cmd("TIME").query_async(&mut self.shared()).await?;
        Ok(seconds * 1_000 + micros / 1_000)
    }

    /// `INFO` of every server that holds keys, fields as Redis names them, e.g. `redis_version`, `maxmemory_policy`, `used_memory`. One
    /// server; of a cluster, the masters.
    ///
    /// # Errors
    /// [`Error::Redis`] when one of them does not answer.
    pub async fn infos(&self) -> Result<Vec<BTreeMap<String, String>>, Error> {
        let mut infos = Vec::new();
        for mut line in self.lines.masters()? {
            let text: String = redis::cmd("INFO").query_async(&mut line).await?;
            infos.push(fields(&text));
        }
        Ok(infos)
    }

    /// Which Redis this is: another text whenever a server that holds keys was started anew, replaced, added or taken away.
    ///
    /// # Errors
    /// As [`Connection::infos`].
    pub async fn identity(&self) -> Result<String, Error> {
        let infos = self.infos().await?;
        let mut run_ids = infos.iter().filter_map(|info| info.get("run_id"));
        match (run_ids.next(), run_ids.next()) {
            (None, _) => Ok("unknown".into()),
            (Some(only), None) => Ok(only.clone()),
            _ => Ok(combined(infos.iter().filter_map(|info| info.get("run_id")))),
        }
    }
}

fn fields(info: &str) -> BTreeMap<String, String> {
    let pairs = info.lines().filter_map(|line| line.split_once(':'));
    pairs.map(|(name, value)| (name.to_owned(), value.trim_end().to_owned())).collect()
}

/// Of random ids one as long, whatever their number and order.
fn combined<'a>(run_ids: impl Iterator<Item = &'a String>) -> String {
    let number = |id: &String| id.get(..32).and_then(|digits| u128::from_str_radix(digits, 16).ok()).unwrap_or(0);
    format!("{:032x}", run_ids.fold(0, |all, id| all ^ number(id)))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn masters_are_known_in_any_order_and_by_each_of_them() {
        let [a, b, c] = ["a", "b", "c"].map(|digit| format!("{digit}1{}", "0".repeat(38)));
        assert_eq!(combined([&a, &b].into_iter()), combined([&b, &a].into_iter()));
        assert_ne!(combined([&a, &b].into_iter()), combined([&a, &c].into_iter()));
        assert_eq!(combined([&a, &b].into_iter()).len(), 32);
    }
}
