//! Typed calls of what goes from one slot to another: transfers, and the batches they end in.

use std::sync::LazyLock;

use redis::Script;

use super::{Call, unexpected};
use crate::keys::QueueKeys;
use crate::{BatchId, Connection, Error};

static TAKE_TRANSFERS: LazyLock<Script> = script!("keys", "transfer", "take_transfers");
static DROP_TRANSFERS: LazyLock<Script> = script!("keys", "transfer", "drop_transfers");
static OPEN_BATCH: LazyLock<Script> = script!("keys", "lanes", "batch", "open_batch");
static FILL_BATCH: LazyLock<Script> = script!("keys", "lanes", "batch", "fill_batch");
static SEAL_BATCH: LazyLock<Script> = script!("keys", "lanes", "batch", "seal_batch");
static END_MEMBERS: LazyLock<Script> = script!("keys", "lanes", "batch", "end_members");

/// Names of entries, and the entries.
pub(crate) async fn take_transfers(
    connection: &Connection,
    keys: &QueueKeys,
    limit: usize,
    lease_ms: u64,
) -> Result<Vec<(String, Vec<u8>)>, Error> {
    let reply = Call::new("take_transfers", &TAKE_TRANSFERS, keys).arg(limit).arg(lease_ms).reply(connection).await?;
    redis::from_redis_value(reply).map_err(|error| unexpected("take_transfers", error))
}

pub(crate) async fn drop_transfers(connection: &Connection, keys: &QueueKeys, names: &[&str]) -> Result<(), Error> {
    Call::new("drop_transfers", &DROP_TRANSFERS, keys).arg(names).number(connection).await.map(|_| ())
}

/// A callback as its batch keeps it.
pub(crate) struct RawCallback {
    /// `success`, `done` or `failure`.
    pub(crate) when: &'static str,
    pub(crate) job: String,
    pub(crate) id: String,
    /// A line of JSON, then the envelope.
    pub(crate) stored: Vec<u8>,
}

/// How far a batch has come.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Opened {
    /// By this call: nobody has enqueued any of its members.
    New,
    /// Its members are to be filled in.
    Filling,
    /// Its members are to be enqueued.
    Filled,
    Sealed,
    OtherTotal,
    IdsTaken,
}

pub(crate) async fn open_batch(
    connection: &Connection,
    keys: &QueueKeys,
    id: &BatchId,
    total: usize,
    callbacks: &[RawCallback],
) -> Result<Opened, Error> {
    let mut call = Call::new("open_batch", &OPEN_BATCH, keys).arg(id.as_str()).arg(total);
    for callback in callbacks {
        call = call.arg(callback.when).arg(&callback.job).arg(&callback.id).arg(&callback.stored[..]);
    }
    match call.number(connection).await? {
        1 => Ok(Opened::New),
        2 => Ok(Opened::Filling),
        3 => Ok(Opened::Filled),
        0 => Ok(Opened::Sealed),
        -1 => Ok(Opened::OtherTotal),
        -2 => Ok(Opened::IdsTaken),
        other => Err(unexpected("open_batch", other)),
    }
}

/// Members as `<queue>/<job id>`. Without effect on a batch that is filled already.
pub(crate) async fn fill_batch(
    connection: &Connection,
    keys: &QueueKeys,
    id: &BatchId,
    members: &[String],
    last: bool,
) -> Result<(), Error> {
    let call = Call::new("fill_batch", &FILL_BATCH, keys).arg(id.as_str()).arg(u8::from(last)).arg(members);
    call.number(connection).await.map(|_| ())
}

pub(crate) async fn seal_batch(connection: &Connection, keys: &QueueKeys, id: &BatchId) -> Result<(), Error> {
    Call::new("seal_batch", &SEAL_BATCH, keys).arg(id.as_str()).number(connection).await.map(|_| ())
}

/// Pairs of a member and how it ended. Returns how many had not ended before; `None`: there is no such batch any more.
pub(crate) async fn end_members(
    connection: &Connection,
    keys: &QueueKeys,
    id: &BatchId,
    ended: &[(String, String)],
) -> Result<Option<u64>, Error> {
    let mut call = Call::new("end_members", &END_MEMBERS, keys).arg(id.as_str());
    for (member, state) in ended {
        call = call.arg(member).arg(state);
    }
    call.number(connection).await.map(|count| u64::try_from(count).ok())
}
