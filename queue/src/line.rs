//! The shared line to a server: one multiplexed connection for all commands of a process, made anew whenever it cannot be trusted.
//!
//! redis-rs's own manager keeps the outcome of a failed reconnect for ever unless it was an I/O error (so a password that was wrong for a
//! moment makes it deaf), and goes on using a connection that no longer answers, or whose server has become somebody's replica. Here a line
//! that failed is given up, also when it only fell silent or its server takes no writes any more; the next command makes another, by the
//! address, and so finds the new master. Whatever else waits on a line that was given up fails at once, and connections of their own (to
//! block, to subscribe) are made anew too: see [`Line::given_up`].

use std::sync::{Arc, Mutex, PoisonError};
use std::time::Instant;

use redis::aio::{ConnectionLike, MultiplexedConnection};
use redis::{AsyncConnectionConfig, Client, Cmd, Pipeline, RedisError, RedisFuture, RedisResult, Value};
use tokio_util::sync::CancellationToken;

use crate::error::is_no_master;

/// A cheap-to-clone handle. A command that was under way when the line broke fails; repeating it is for the caller to decide.
#[derive(Clone)]
pub(crate) struct Line {
    shared: Arc<Shared>,
}

struct Shared {
    client: Client,
    settings: AsyncConnectionConfig,
    current: Mutex<Option<Current>>,
    /// Held while one caller connects. Remembers a failure, which answers everybody who was waiting for it.
    connecting: tokio::sync::Mutex<Option<(Instant, RedisError)>>,
}

#[derive(Clone)]
struct Current {
    number: u64,
    connection: MultiplexedConnection,
    given_up: CancellationToken,
}

impl Line {
    /// Connects at the first command.
    pub(crate) fn new(client: Client, settings: AsyncConnectionConfig) -> Self {
        Self { shared: Arc::new(Shared { client, settings, current: Mutex::default(), connecting: tokio::sync::Mutex::default() }) }
    }

    pub(crate) fn is_connected(&self) -> bool {
        self.current().is_some()
    }

    async fn connected(&self) -> RedisResult<Current> {
        if let Some(current) = self.current() {
            return Ok(current);
        }
        let asked = Instant::now();
        let mut last_failure = self.shared.connecting.lock().await;
        if let Some(current) = self.current() {
            return Ok(current);
        }
        if let Some((at, error)) = last_failure.as_ref()
            && *at > asked
        {
            return Err(error.clone());
        }
        match self.shared.client.get_multiplexed_async_connection_with_config(&self.shared.settings).await {
            Ok(connection) => {
                let mut slot = self.shared.current.lock().unwrap_or_else(PoisonError::into_inner);
                let current = Current { number: rand::random(), connection, given_up: CancellationToken::new() };
                *slot = Some(current.clone());
                Ok(current)
            }
            Err(error) => {
                *last_failure = Some((Instant::now(), error.clone()));
                Err(error)
            }
        }
    }

    fn current(&self) -> Option<Current> {
        self.shared.current.lock().unwrap_or_else(PoisonError::into_inner).clone()
    }

    /// Cancelled once the present line, which is made if there is none, cannot be trusted any more.
    ///
    /// # Errors
    /// When Redis does not answer, or refuses.
    pub(crate) async fn given_up(&self) -> RedisResult<CancellationToken> {
        Ok(self.connected().await?.given_up)
    }

    /// Gives up the line, whatever it is worth.
    pub(crate) fn retire(&self) {
        if let Some(current) = self.shared.current.lock().unwrap_or_else(PoisonError::into_inner).take() {
            current.given_up.cancel();
        }
    }

    /// Gives up the line with that number, unless somebody has replaced it already.
    fn give_up(&self, number: u64) {
        let mut slot = self.shared.current.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(current) = slot.take_if(|current| current.number == number) {
            current.given_up.cancel();
        }
    }

    /// Asks on the present line, and judges the line by the answer.
    async fn ask<T: Answer, F>(&self, question: impl FnOnce(MultiplexedConnection) -> F) -> RedisResult<T>
    where
        F: Future<Output = RedisResult<T>>,
    {
        let Current { number, connection, given_up } = self.connected().await?;
        let answer = tokio::select! {
            // An answer that is there counts, also when the line was given up in the same moment.
            biased;
            answer = question(connection) => answer,
            () = given_up.cancelled() => return Err(given_up_error()),
        };
        if is_the_lines_fault(&answer) {
            self.give_up(number);
        }
        answer
    }
}

/// What another command found out about the line, to those who were waiting on it as well.
pub(crate) fn given_up_error() -> RedisError {
    std::io::Error::new(std::io::ErrorKind::ConnectionAborted, "the line was given up, as another command on it failed").into()
}

/// What Redis answers to one command, or to several.
trait Answer {
    /// The values, in which errors may stand too.
    fn values(&self) -> &[Value];
}

impl Answer for Value {
    fn values(&self) -> &[Value] {
        std::slice::from_ref(self)
    }
}

impl Answer for Vec<Value> {
    fn values(&self) -> &[Value] {
        self
    }
}

fn is_the_lines_fault<T: Answer>(answer: &RedisResult<T>) -> bool {
    match answer {
        Err(error) => error.is_unrecoverable_error() || error.is_timeout() || is_no_master(error),
        Ok(answer) => answer.values().iter().any(|value| match value {
            Value::ServerError(error) => is_no_master(&error.clone().into()),
            _ => false,
        }),
    }
}

impl ConnectionLike for Line {
    fn req_packed_command<'a>(&'a mut self, cmd: &'a Cmd) -> RedisFuture<'a, Value> {
        Box::pin(self.ask(move |mut line| async move { line.send_packed_command(cmd).await }))
    }

    fn req_packed_commands<'a>(&'a mut self, pipeline: &'a Pipeline, offset: usize, count: usize) -> RedisFuture<'a, Vec<Value>> {
        Box::pin(self.ask(move |mut line| async move { line.send_packed_commands(pipeline, offset, count).await }))
    }

    fn get_db(&self) -> i64 {
        self.current().map_or(0, |current| current.connection.get_db())
    }
}
