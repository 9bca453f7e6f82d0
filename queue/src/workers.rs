//! Which workers are alive.

use serde::{Deserialize, Serialize};

use crate::{Connection, Error, Millis, WorkerId, scripts};

/// A worker's card, renewed with every heartbeat.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct WorkerView {
    pub id: WorkerId,
    pub host: String,
    pub pid: u32,
    pub version: String,
    /// Queues it claims from, in order.
    pub queues: Vec<String>,
    pub concurrency: usize,
    pub in_flight: usize,
    pub started_at: Millis,
    pub seen_at: Millis,
    /// True once it was told to stop: it finishes what it has.
    pub stopping: bool,
    /// What is wrong with it, in words; absent when nothing is.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub trouble: Option<String>,
}

/// The register of workers. A card lives three heartbeats long.
#[derive(Clone)]
pub struct Workers {
    connection: Connection,
}

impl Workers {
    pub fn new(connection: Connection) -> Self {
        Self { connection }
    }

    /// Writes a worker's card; it expires after `ttl_ms` without another.
    pub async fn announce(&self, card: &WorkerView, ttl_ms: u64) -> Result<(), Error> {
        let namespace = self.connection.namespace();
        let json = serde_json::to_string(card).expect("a card has only text keys");
        let oldest = card.seen_at.saturating_sub(ttl_ms.max(60_000) * 10);
        // One command a key, as these keys live in different cluster slots. The card first: it says what is wrong, also when Redis takes
        // nothing else. The queues are told each time: Redis may have been emptied.
        scripts::announce(&self.connection, namespace.worker(card.id.as_str()), &json, ttl_ms).await?;
        match self.list_card(card, oldest).await {
            // A full memory: what was listed before still is.
            Err(error) if error.code() == Some("OOM") => Ok(()),
            listed => Ok(listed?),
        }
    }

    async fn list_card(&self, card: &WorkerView, oldest: Millis) -> redis::RedisResult<()> {
        let (namespace, mut shared) = (self.connection.namespace(), self.connection.shared());
        redis::cmd("SADD").arg(namespace.queues()).arg(&card.queues).exec_async(&mut shared).await?;
        redis::cmd("ZADD").arg(namespace.workers()).arg(card.seen_at).arg(card.id.as_str()).exec_async(&mut shared).await?;
        // Only a worker that could list itself removes others: while the memory is full everybody stays.
        redis::cmd("ZREMRANGEBYSCORE").arg(namespace.workers()).arg("-inf").arg(oldest).exec_async(&mut shared).await
    }

    /// Removes a worker that stopped in good order.
    pub async fn withdraw(&self, id: &WorkerId) -> Result<(), Error> {
        let namespace = self.connection.namespace();
        redis::cmd("DEL").arg(namespace.worker(id.as_str())).exec_async(&mut self.connection.shared()).await?;
        redis::cmd("ZREM").arg(namespace.workers()).arg(id.as_str()).exec_async(&mut self.connection.shared()).await?;
        Ok(())
    }

    /// The workers whose cards are alive, the oldest first; at most 1,000.
    pub async fn list(&self) -> Result<Vec<WorkerView>, Error> {
        let namespace = self.connection.namespace();
        let ids: Vec<String> =
            redis::cmd("ZRANGE").arg(namespace.workers()).arg(0).arg(999).query_async(&mut self.connection.shared()).await?;
        let mut cards = Vec::new();
        for id in ids {
            let card: Option<String> = redis::cmd("GET").arg(namespace.worker(&id)).query_async(&mut self.connection.shared()).await?;
            cards.extend(card.and_then(|json| serde_json::from_str::<WorkerView>(&json).ok()));
        }
        cards.sort_by_key(|card| card.started_at);
        Ok(cards)
    }
}
