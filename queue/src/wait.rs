//! Waiting without polling: a worker for work, a worker for cancellations, a client for a job's end.

use std::time::Duration;

use futures::StreamExt;
use redis::aio::{MultiplexedConnection, PubSubSink, PubSubStream};
use redis::{Msg, RedisError, Value};
use tokio_util::sync::CancellationToken;

use crate::keys::Key;
use crate::line::given_up_error;
use crate::{Connection, Error, JobId, Outcome, QueueName};

/// Shorter waits are rounded up to this.
const SHORTEST: Duration = Duration::from_millis(10);

/// How long nothing may come on a line that only listens before it is asked whether it lives.
const PROOF_OF_LIFE: Duration = Duration::from_secs(10);

/// Blocks on the wake lists of some queues, on a connection of its own. A blocking command cannot span the nodes of a cluster: there a
/// waker is for one queue, see [`Waker::groups`].
///
/// A token taken by a worker that has no room is to be passed on with [`Waker::pass_on`], or an idle worker elsewhere would sleep on.
pub struct Waker {
    connection: Connection,
    keys: Vec<String>,
    blocking: Option<Blocking>,
}

/// A connection that blocks, and the sign to let go of it.
struct Blocking {
    line: MultiplexedConnection,
    given_up: CancellationToken,
}

impl Waker {
    /// The queues that one waker each can wait for: all together on a single server, each by itself in a cluster.
    pub fn groups<'a>(connection: &Connection, queues: &'a [QueueName]) -> Vec<&'a [QueueName]> {
        queues.chunks(if connection.is_cluster() { 1 } else { queues.len().max(1) }).collect()
    }

    /// # Panics
    /// At the first wait, when it is for no queue.
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
        let mut blocking = match self.blocking.take() {
            Some(blocking) => blocking,
            None => self.block().await?,
        };
        // Zero would mean for ever, and Redis 6.2 cuts a fraction of a second to milliseconds by way of a float: 1 ms can become none.
        let longest = longest.max(SHORTEST);
        let mut pop = redis::cmd("BLPOP");
        pop.arg(&self.keys).arg(longest.as_secs_f64());
        let popped = pop.query_async::<Option<(String, String)>>(&mut blocking.line);
        let reply = tokio::select! {
            reply = tokio::time::timeout(longest + self.connection.response_timeout(), popped) => reply.unwrap_or_else(|_| Err(silent())),
            () = blocking.given_up.cancelled() => return Err(given_up_error().into()),
        };
        let token = reply.inspect_err(|error| self.connection.heed(&self.keys[0], error))?;
        self.blocking = Some(blocking);
        Ok(token.is_some())
    }

    async fn block(&self) -> Result<Blocking, Error> {
        let key = &self.keys[0];
        Ok(Blocking { given_up: self.connection.given_up(key).await?, line: self.connection.blocking(key).await? })
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
    subscription: Subscription,
}

impl CancelListener {
    /// # Errors
    /// [`Error::Redis`] when Redis does not answer in time.
    pub async fn subscribe(connection: &Connection, queues: &[QueueName]) -> Result<Self, Error> {
        let namespace = connection.namespace();
        let channels: Vec<String> = queues.iter().map(|queue| namespace.queue(queue).get(Key::CancelChannel).to_owned()).collect();
        Ok(Self { subscription: Subscription::begin(connection, &channels).await? })
    }

    /// The next id; `None` when the line broke or fell silent.
    pub async fn next(&mut self) -> Option<JobId> {
        loop {
            let message = self.subscription.next().await?;
            if let Some(id) = message.get_payload::<String>().ok().and_then(|text| JobId::parse(&text).ok()) {
                return Some(id);
            }
        }
    }
}

/// Hears of one job's end.
pub(crate) struct EndListener {
    subscription: Subscription,
}

impl EndListener {
    pub(crate) async fn subscribe(connection: &Connection, channel: &str) -> Result<Self, Error> {
        Ok(Self { subscription: Subscription::begin(connection, &[channel.to_owned()]).await? })
    }

    /// The outcome of that job; `None` when the line broke or fell silent.
    pub(crate) async fn outcome_of(&mut self, id: &JobId) -> Option<Outcome> {
        loop {
            let text = self.subscription.next().await?.get_payload::<String>().ok()?;
            if let Some((ended, outcome)) = text.split_once('\n')
                && ended == id.as_str()
            {
                return serde_json::from_str(outcome).ok();
            }
        }
    }
}

/// A connection that only listens. As nothing need ever come on it, it is asked now and then whether it still lives.
pub(crate) struct Subscription {
    stream: PubSubStream,
    /// The subscription lives as long as its sink.
    sink: PubSubSink,
    given_up: CancellationToken,
    response_timeout: Duration,
}

impl Subscription {
    /// At the server of the first channel; in a cluster at another's when that one does not answer.
    pub(crate) async fn begin(connection: &Connection, channels: &[String]) -> Result<Self, Error> {
        let places = channels.iter().take(if connection.is_cluster() { channels.len() } else { 1 });
        let mut failure = Error::from(RedisError::from((redis::ErrorKind::Client, "there is no channel to listen to")));
        for place in places {
            match Self::begin_at(connection, place, channels).await {
                Ok(begun) => return Ok(begun),
                Err(error) => failure = error,
            }
        }
        Err(failure)
    }

    async fn begin_at(connection: &Connection, place: &str, channels: &[String]) -> Result<Self, Error> {
        let given_up = connection.given_up(place).await?;
        let response_timeout = connection.response_timeout();
        let (mut sink, stream) = connection.pubsub(place).await?.split();
        tokio::time::timeout(response_timeout, sink.subscribe(channels)).await.map_err(|_| silent())??;
        Ok(Self { stream, sink, given_up, response_timeout })
    }

    /// The next message; `None` when the line broke, fell silent, or may lead to a server that is no longer the master.
    pub(crate) async fn next(&mut self) -> Option<Msg> {
        loop {
            tokio::select! {
                message = self.stream.next() => return message,
                () = self.given_up.cancelled() => return None,
                () = tokio::time::sleep(PROOF_OF_LIFE) => {
                    let pong = self.sink.ping::<Value>();
                    tokio::time::timeout(self.response_timeout, pong).await.ok()?.ok()?;
                }
            }
        }
    }
}

fn silent() -> RedisError {
    std::io::Error::from(std::io::ErrorKind::TimedOut).into()
}
