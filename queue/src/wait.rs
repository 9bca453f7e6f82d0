//! Waiting without polling: a worker for work, a worker for cancellations, a client for a job's end.

use std::time::Duration;

use futures::StreamExt;
use redis::aio::{MultiplexedConnection, PubSubSink, PubSubStream};

use crate::keys::Key;
use crate::{Connection, Error, JobId, Outcome, QueueName};

/// Shorter waits are rounded up to this.
const SHORTEST: Duration = Duration::from_millis(10);

/// Blocks on the wake lists of some queues, on a connection of its own.
///
/// A token taken by a worker that has no room is to be passed on with [`Waker::pass_on`], or an idle worker elsewhere would sleep on.
pub struct Waker {
    connection: Connection,
    keys: Vec<String>,
    blocking: Option<MultiplexedConnection>,
}

impl Waker {
    pub fn new(connection: Connection, queues: &[QueueName]) -> Self {
        let namespace = connection.namespace().clone();
        let keys = queues.iter().map(|queue| namespace.queue(queue).get(Key::Wake).to_owned()).collect();
        Self { connection, keys, blocking: None }
    }

    /// True when some queue was woken, false when `longest` passed quietly (Redis notices that up to 100 ms late). Dropped before it
    /// returns, it may take a token with it: look for work then.
    ///
    /// # Errors
    /// [`Error::Redis`] when the line is down or silent; the next call makes a new one.
    pub async fn wait(&mut self, longest: Duration) -> Result<bool, Error> {
        let mut line = match self.blocking.take() {
            Some(line) => line,
            None => self.connection.blocking().await?,
        };
        // Zero would mean for ever, and Redis 6.2 cuts a fraction of a second to milliseconds by way of a float: 1 ms can become none.
        let longest = longest.max(SHORTEST);
        let mut pop = redis::cmd("BLPOP");
        pop.arg(&self.keys).arg(longest.as_secs_f64());
        let popped = pop.query_async::<Option<(String, String)>>(&mut line);
        let reply = tokio::time::timeout(longest + self.connection.response_timeout(), popped)
            .await
            .map_err(|_| redis::RedisError::from(std::io::Error::from(std::io::ErrorKind::TimedOut)))??;
        self.blocking = Some(line);
        Ok(reply.is_some())
    }

    /// Gives a taken token to somebody else.
    pub async fn pass_on(&self) -> Result<(), Error> {
        for key in &self.keys {
            redis::cmd("LPUSH").arg(key).arg("1").exec_async(&mut self.connection.shared()).await?;
            redis::cmd("LTRIM").arg(key).arg(0).arg(0).exec_async(&mut self.connection.shared()).await?;
        }
        Ok(())
    }
}

/// Hears of jobs that somebody wants cancelled. What is missed while the line is down comes with the next extend.
pub struct CancelListener {
    stream: PubSubStream,
    /// The subscription lives as long as its sink.
    _sink: PubSubSink,
}

impl CancelListener {
    pub async fn subscribe(connection: &Connection, queues: &[QueueName]) -> Result<Self, Error> {
        let (mut sink, stream) = connection.pubsub().await?.split();
        for queue in queues {
            sink.subscribe(connection.namespace().queue(queue).get(Key::CancelChannel)).await?;
        }
        Ok(Self { stream, _sink: sink })
    }

    /// The next id; `None` when the line broke.
    pub async fn next(&mut self) -> Option<JobId> {
        loop {
            let message = self.stream.next().await?;
            if let Some(id) = message.get_payload::<String>().ok().and_then(|text| JobId::parse(&text).ok()) {
                return Some(id);
            }
        }
    }
}

/// Hears of one job's end.
pub(crate) struct EndListener {
    stream: PubSubStream,
    _sink: PubSubSink,
}

impl EndListener {
    pub(crate) async fn subscribe(connection: &Connection, channel: &str) -> Result<Self, Error> {
        let (mut sink, stream) = connection.pubsub().await?.split();
        sink.subscribe(channel).await?;
        Ok(Self { stream, _sink: sink })
    }

    /// The outcome of that job; `None` when the line broke.
    pub(crate) async fn outcome_of(&mut self, id: &JobId) -> Option<Outcome> {
        loop {
            let text = self.stream.next().await?.get_payload::<String>().ok()?;
            if let Some((ended, outcome)) = text.split_once('\n')
                && ended == id.as_str()
            {
                return serde_json::from_str(outcome).ok();
            }
        }
    }
}
