//! The shared line to Redis: one multiplexed connection for all commands of a process, made anew whenever it cannot be trusted.
//!
//! redis-rs's own manager keeps the outcome of a failed reconnect for ever unless it was an I/O error (so a password that was wrong for a
//! moment makes it deaf), and goes on using a connection that no longer answers. Here a line that failed is dropped, also when it only fell
//! silent; the next command makes another.

use std::sync::{Arc, Mutex, PoisonError};
use std::time::Instant;

use redis::aio::{ConnectionLike, MultiplexedConnection};
use redis::{AsyncConnectionConfig, Client, Cmd, Pipeline, RedisError, RedisFuture, RedisResult, Value};

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
}

impl Line {
    /// # Errors
    /// When Redis does not answer, or refuses.
    pub(crate) async fn open(client: Client, settings: AsyncConnectionConfig) -> RedisResult<Self> {
        let line =
            Self { shared: Arc::new(Shared { client, settings, current: Mutex::default(), connecting: tokio::sync::Mutex::default() }) };
        line.connected().await?;
        Ok(line)
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
                let current = Current { number: rand::random(), connection };
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

    /// Drops the line that an answer came from, or did not come from, unless somebody has replaced it already.
    fn judge<T>(&self, number: u64, answer: &RedisResult<T>) {
        let Err(error) = answer else { return };
        if !(error.is_unrecoverable_error() || error.is_timeout()) {
            return;
        }
        let mut slot = self.shared.current.lock().unwrap_or_else(PoisonError::into_inner);
        if slot.as_ref().is_some_and(|current| current.number == number) {
            *slot = None;
        }
    }
}

impl ConnectionLike for Line {
    fn req_packed_command<'a>(&'a mut self, cmd: &'a Cmd) -> RedisFuture<'a, Value> {
        Box::pin(async move {
            let Current { number, mut connection } = self.connected().await?;
            let answer = connection.send_packed_command(cmd).await;
            self.judge(number, &answer);
            answer
        })
    }

    fn req_packed_commands<'a>(&'a mut self, pipeline: &'a Pipeline, offset: usize, count: usize) -> RedisFuture<'a, Vec<Value>> {
        Box::pin(async move {
            let Current { number, mut connection } = self.connected().await?;
            let answer = connection.send_packed_commands(pipeline, offset, count).await;
            self.judge(number, &answer);
            answer
        })
    }

    fn get_db(&self) -> i64 {
        self.current().map_or(0, |current| current.connection.get_db())
    }
}
