//! What all commands of a process go over: the line of a server, or those of a cluster.

use std::sync::Arc;

use redis::aio::ConnectionLike;
use redis::{Client, Cmd, Pipeline, RedisError, RedisFuture, RedisResult, Value};
use tokio_util::sync::CancellationToken;

use crate::cluster::Cluster;
use crate::dial::Dial;
use crate::line::Line;

/// A cheap-to-clone handle.
#[derive(Clone)]
pub(crate) enum Lines {
    Server(Box<Client>, Line),
    Cluster(Cluster),
}

impl Lines {
    /// Several addresses are a cluster's. A single one may be, and is asked.
    ///
    /// # Errors
    /// When nobody answers, or refuses.
    pub(crate) async fn open(dial: &Arc<Dial>) -> RedisResult<Self> {
        if dial.addresses().len() > 1 {
            return Ok(Self::Cluster(Cluster::open(Arc::clone(dial)).await?));
        }
        let client = dial.first()?;
        let mut line = dial.line(client.clone());
        if is_in_cluster(&mut line).await? {
            return Ok(Self::Cluster(Cluster::open(Arc::clone(dial)).await?));
        }
        Ok(Self::Server(Box::new(client), line))
    }

    pub(crate) fn is_cluster(&self) -> bool {
        matches!(self, Self::Cluster(_))
    }

    /// The server that holds a key.
    pub(crate) fn client_for(&self, key: &str) -> RedisResult<Client> {
        match self {
            Self::Server(client, _) => Ok(client.as_ref().clone()),
            Self::Cluster(cluster) => cluster.client_for(key),
        }
    }

    /// The line to the server that a command goes to.
    pub(crate) fn server_of(&self, command: &Cmd) -> RedisResult<Line> {
        match self {
            Self::Server(_, line) => Ok(line.clone()),
            Self::Cluster(cluster) => cluster.node_of(command),
        }
    }

    /// Cancelled once the line to the server of that key was given up.
    pub(crate) async fn given_up(&self, key: &str) -> RedisResult<CancellationToken> {
        match self {
            Self::Server(_, line) => line.given_up().await,
            Self::Cluster(cluster) => cluster.given_up(key).await,
        }
    }

    /// Takes in what another connection to the server of that key met.
    pub(crate) fn heed(&self, key: &str, error: &RedisError) {
        if let Self::Cluster(cluster) = self {
            cluster.heed(key, error);
        }
    }

    /// One line a server that holds keys.
    pub(crate) fn masters(&self) -> RedisResult<Vec<Line>> {
        match self {
            Self::Server(_, line) => Ok(vec![line.clone()]),
            Self::Cluster(cluster) => cluster.masters(),
        }
    }
}

/// A server that does not tell (some providers forbid the question) is taken for a single one.
async fn is_in_cluster(line: &mut Line) -> RedisResult<bool> {
    match redis::cmd("INFO").arg("cluster").query_async::<String>(line).await {
        Ok(info) => Ok(info.contains("cluster_enabled:1")),
        Err(error) if error.clone().into_server_errors().is_some() => Ok(false),
        Err(error) => Err(error),
    }
}

impl ConnectionLike for Lines {
    fn req_packed_command<'a>(&'a mut self, cmd: &'a Cmd) -> RedisFuture<'a, Value> {
        match self {
            Self::Server(_, line) => line.req_packed_command(cmd),
            Self::Cluster(cluster) => cluster.req_packed_command(cmd),
        }
    }

    fn req_packed_commands<'a>(&'a mut self, pipeline: &'a Pipeline, offset: usize, count: usize) -> RedisFuture<'a, Vec<Value>> {
        match self {
            Self::Server(_, line) => line.req_packed_commands(pipeline, offset, count),
            Self::Cluster(cluster) => cluster.req_packed_commands(pipeline, offset, count),
        }
    }

    fn get_db(&self) -> i64 {
        match self {
            Self::Server(_, line) => line.get_db(),
            Self::Cluster(cluster) => cluster.get_db(),
        }
    }
}
