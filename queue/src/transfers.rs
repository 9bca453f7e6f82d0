//! What a job's end means in another slot, carried there: the end of a batch's member to the record of the batch, the next link of a chain
//! to its queue.
//!
//! A settling move writes an entry in its own slot. A mover takes it under a lease, applies it, and drops it last; each step may be
//! repeated, so a mover may die anywhere: the entry is handed out again when its lease runs out.

use std::collections::BTreeMap;
use std::time::Duration;

use serde::Deserialize;

use crate::batch::{BatchOf, member_name};
use crate::chain::{Next, NextHead};
use crate::client::extra_of_next;
use crate::consumer::BATCH_MAX;
use crate::scripts::{self, NewJob};
use crate::{BatchId, Client, Error, JobId, Millis, QueueName};

/// An entry that is not dropped by then is handed out again. A round takes milliseconds, and to apply an entry twice does no harm.
const TRANSFER_LEASE: Duration = Duration::from_secs(10);

/// The transfers that wait in one queue.
pub struct Transfers {
    client: Client,
    queue: QueueName,
}

/// One entry that was taken.
#[derive(Debug)]
pub struct Transfer {
    name: String,
    what: What,
}

#[derive(Debug)]
enum What {
    End { batch: BatchOf, member: String, state: String },
    Next { head: NextHead, batch: Option<BatchOf>, envelope: Vec<u8> },
    Unreadable,
}

/// Where an entry belongs.
#[derive(PartialEq, Eq, PartialOrd, Ord)]
enum Place<'a> {
    Batch(&'a QueueName, &'a BatchId),
    Queue(&'a QueueName),
    Nowhere,
}

impl Transfer {
    fn place(&self) -> Place<'_> {
        match &self.what {
            What::End { batch, .. } => Place::Batch(&batch.home, &batch.id),
            What::Next { head, .. } => Place::Queue(&head.queue),
            What::Unreadable => Place::Nowhere,
        }
    }
}

/// The first line of an entry.
#[derive(Deserialize)]
struct Head {
    batch: Option<BatchOf>,
    state: Option<String>,
}

/// What one round did.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Moved {
    /// Entries that were taken, applied and dropped.
    pub entries: usize,
    /// As many as a round can take: more may be waiting.
    pub is_full: bool,
}

impl Transfers {
    pub fn new(client: Client, queue: QueueName) -> Self {
        Self { client, queue }
    }

    /// Takes, applies and drops the entries that are due, at most 500. Where one slot cannot be reached, the others are served all the same.
    ///
    /// # Errors
    /// [`Error::Redis`]: what was taken and not dropped comes back after ten seconds.
    pub async fn move_once(&self) -> Result<Moved, Error> {
        let taken = self.take().await?;
        let count = taken.len();
        let (applied, failure) = self.apply_where_possible(taken.iter().collect()).await;
        self.drop_all(&applied).await?;
        failure.map_or(Ok(Moved { entries: count, is_full: count == BATCH_MAX }), Err)
    }

    /// Takes entries that are due, at most 500. Nobody else is handed them for ten seconds.
    pub async fn take(&self) -> Result<Vec<Transfer>, Error> {
        let lease_ms = TRANSFER_LEASE.as_millis() as u64;
        let keys = self.client.keys(&self.queue);
        let taken = scripts::take_transfers(self.client.connection(), &keys, BATCH_MAX, lease_ms).await?;
        Ok(taken.into_iter().map(|(name, entry)| self.read(name, &entry)).collect())
    }

    /// Applies entries where they belong. To apply them again is without effect.
    pub async fn apply(&self, transfers: &[Transfer]) -> Result<(), Error> {
        let (_, failure) = self.apply_where_possible(transfers.iter().collect()).await;
        failure.map_or(Ok(()), Err)
    }

    /// Drops entries that were applied.
    pub async fn drop(&self, transfers: &[Transfer]) -> Result<(), Error> {
        self.drop_all(&transfers.iter().collect::<Vec<_>>()).await
    }

    /// Returns those that were applied, and why others were not.
    async fn apply_where_possible<'a>(&self, transfers: Vec<&'a Transfer>) -> (Vec<&'a Transfer>, Option<Error>) {
        let mut by_place: BTreeMap<Place<'a>, Vec<&'a Transfer>> = BTreeMap::new();
        for transfer in transfers {
            by_place.entry(transfer.place()).or_default().push(transfer);
        }
        let (mut applied, mut failure) = (Vec::new(), None);
        for (place, transfers) in by_place {
            match self.apply_at(place, &transfers).await {
                Ok(()) => applied.extend(transfers),
                Err(error) => failure = Some(error),
            }
        }
        (applied, failure)
    }

    /// Entries of one place, in one call.
    async fn apply_at(&self, place: Place<'_>, transfers: &[&Transfer]) -> Result<(), Error> {
        match place {
            Place::Batch(home, id) => {
                let ended = transfers.iter().filter_map(|transfer| match &transfer.what {
                    What::End { member, state, .. } => Some((member.clone(), state.clone())),
                    What::Next { .. } | What::Unreadable => None,
                });
                let ended: Vec<(String, String)> = ended.collect();
                let counted = scripts::end_members(self.client.connection(), &self.client.keys(home), id, &ended).await?;
                if counted.is_none() {
                    tracing::debug!(batch.id = %id, queue.name = %home, "a member ended of a batch that is not known any more");
                }
            }
            Place::Queue(queue) => {
                let links = transfers.iter().filter_map(|transfer| match &transfer.what {
                    What::Next { head, batch, envelope } => Some(NewJob {
                        id: &head.id,
                        envelope: envelope.clone(),
                        priority: head.priority,
                        due: head.at.unwrap_or(0),
                        delay_ms: head.delay_ms.unwrap_or(0),
                        extra: extra_of_next(head, batch.clone()),
                    }),
                    What::End { .. } | What::Unreadable => None,
                });
                self.client.put(queue, &links.collect::<Vec<_>>()).await?;
            }
            Place::Nowhere => {
                let names: Vec<&str> = transfers.iter().map(|transfer| transfer.name.as_str()).collect();
                let queue = &self.queue;
                tracing::error!(queue.name = %queue, ?names, "transfers cannot be read and are dropped: the batches or chains they are of do not go on");
            }
        }
        Ok(())
    }

    async fn drop_all(&self, transfers: &[&Transfer]) -> Result<(), Error> {
        if transfers.is_empty() {
            return Ok(());
        }
        let names: Vec<&str> = transfers.iter().map(|transfer| transfer.name.as_str()).collect();
        scripts::drop_transfers(self.client.connection(), &self.client.keys(&self.queue), &names).await
    }

    fn read(&self, name: String, entry: &[u8]) -> Transfer {
        let what = self.what(&name, entry).unwrap_or(What::Unreadable);
        Transfer { name, what }
    }

    fn what(&self, name: &str, entry: &[u8]) -> Option<What> {
        let (kind, id) = name.split_once(' ')?;
        let member = member_name(&self.queue, &JobId::parse(id).ok()?);
        let line_end = entry.iter().position(|byte| *byte == b'\n')?;
        let Head { batch, state } = serde_json::from_slice(&entry[..line_end]).ok()?;
        match kind {
            "end" => {
                let batch = batch?;
                let member = batch.member.clone().unwrap_or(member);
                Some(What::End { batch, member, state: state? })
            }
            "next" => {
                let (head, envelope) = Next::split(&entry[line_end + 1..])?;
                // Whichever link ends the chain, it ends the first one's place.
                let batch = batch.map(|batch| BatchOf { member: Some(batch.member.unwrap_or(member)), ..batch });
                Some(What::Next { head, batch, envelope })
            }
            _ => None,
        }
    }
}

/// Transfers that wait in a queue.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, serde::Serialize)]
pub struct TransfersView {
    pub waiting: u64,
    /// How long the oldest of the first hundred has waited, ms; absent when none waits.
    pub oldest_ms: Option<u64>,
}

impl TransfersView {
    /// From entries, of `waiting` in all.
    pub(crate) fn of(waiting: u64, entries: &[Option<Vec<u8>>], now: Millis) -> Self {
        #[derive(Deserialize)]
        struct Written {
            at: f64,
        }
        let line = |entry: &[u8]| entry.split(|byte| *byte == b'\n').next().map(<[u8]>::to_vec);
        let written = entries.iter().flatten().filter_map(|entry| serde_json::from_slice::<Written>(&line(entry)?).ok());
        let oldest = written.map(|written| written.at as Millis).min();
        Self { waiting, oldest_ms: oldest.map(|at| now.saturating_sub(at)) }
    }
}
