//! What can go wrong between a caller and the queue.

use redis::RedisError;

use crate::{BatchId, JobId, QueueName};

#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum Error {
    /// Redis could not be reached, or refused the command.
    #[error("Redis: {0}")]
    Redis(#[from] RedisError),
    /// The URL of Redis cannot be used. It is not repeated, as it may hold a password.
    #[error("the URL of Redis cannot be used: {reason}")]
    Url { reason: &'static str },
    /// A name, id or setting that cannot be used.
    #[error("\"{given}\" is not a {what}: it must be {must_be}")]
    InvalidName { what: &'static str, given: String, must_be: &'static str },
    /// The payload is over the limit; nothing was enqueued.
    #[error("the payload of {job} is {bytes} bytes, more than the {max} allowed: store the data and pass its id")]
    PayloadTooLarge { job: String, bytes: usize, max: usize },
    /// More jobs than one call may carry; nothing was enqueued.
    #[error("{count} jobs in one call are more than the {max} allowed: send them in parts")]
    BatchTooLarge { count: usize, max: usize },
    /// A batch or a chain that cannot be kept as asked; nothing was enqueued.
    #[error("{0}")]
    Refused(String),
    /// Nothing of that id is among the batches of that queue.
    #[error("there is no batch {id} in queue {home}: it never was, or it has been forgotten (a day after its end)")]
    NoSuchBatch { home: QueueName, id: BatchId },
    /// Arguments that do not serialize to JSON.
    #[error("the arguments of {job} cannot be written as JSON: {source}")]
    Encode { job: String, source: serde_json::Error },
    /// Bytes in Redis that are not an envelope of ours.
    #[error("the stored envelope cannot be read: {0}")]
    Decode(String),
    /// The payload is encrypted with a key that this process was not given.
    #[error("its payload is encrypted with key {key}, which this worker does not have: add it to PAYLOAD_ENCRYPTION_KEYS, then requeue it")]
    KeyMissing { key: String },
    /// The payload does not open with its own key.
    #[error("its payload does not open with its key {key}: its bytes in Redis were changed, or moved here from another job")]
    Sealed { key: String },
    /// Nothing with that id is in that queue.
    #[error("there is no job {id} in queue {queue}: it never was, or its record has been pruned")]
    NoSuchJob { queue: QueueName, id: JobId },
    /// The wait for a job's end took longer than the caller allowed.
    #[error("job {id} has not ended within {seconds} s; it goes on")]
    WaitTimedOut { id: JobId, seconds: u64 },
    /// A script answered with something it never answers.
    #[error("the {script} script answered with an unexpected reply: {reply}")]
    UnexpectedReply { script: &'static str, reply: String },
}

/// Answers of a server that takes no writes, as it is a replica: the one to ask is elsewhere.
const NO_MASTER: [&str; 2] = ["READONLY", "MASTERDOWN"];
/// Answers of a server that is not itself at the moment.
const NOT_ITSELF: [&str; 8] = ["LOADING", "CLUSTERDOWN", "TRYAGAIN", "MOVED", "ASK", "NOREPLICAS", "BUSY", "OOM"];

impl Error {
    /// Whether Redis could not be reached or is not itself (starting, failing over, out of memory), as opposed to having refused this request.
    pub fn is_outage(&self) -> bool {
        let Self::Redis(error) = self else { return false };
        let unreachable = error.is_io_error() || error.is_timeout() || error.is_connection_dropped() || error.is_connection_refusal();
        unreachable || is_no_master(error) || NOT_ITSELF.iter().any(|code| says(error, code))
    }

    pub(crate) fn invalid_name(what: &'static str, given: &str, must_be: &'static str) -> Self {
        let given: String = given.chars().take(80).flat_map(char::escape_default).collect();
        Self::InvalidName { what, given, must_be }
    }
}

/// Whether the server is a replica, so that the line to it leads to the wrong place.
pub(crate) fn is_no_master(error: &RedisError) -> bool {
    NO_MASTER.iter().any(|code| says(error, code))
}

/// Whether an error bears that code. Before version 7, Redis wraps what a command in a script answered: `ERR Error running script (…): …: -OOM …`.
fn says(error: &RedisError, code: &str) -> bool {
    error.code() == Some(code)
        || error.code() == Some("ERR") && error.detail().is_some_and(|detail| detail.contains(&format!(": -{code} ")))
}
