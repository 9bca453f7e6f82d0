//! Read-only views for people: queues, jobs, lists of jobs. Nothing here changes a key.

use std::collections::{BTreeMap, HashSet};

use futures::future::try_join_all;
use serde::{Deserialize, Serialize};

use crate::batch::BatchOf;
use crate::client::Pause;
use crate::keys::Key;
use crate::shares::{HeldBack, Sharing};
use crate::{
    Attempt, BatchId, Connection, Envelope, Error, JobId, Limits, Millis, Outcome, QueueName, State, StepView, TransfersView, Tries,
    UniqueView, scripts,
};

/// A list never shows more than this many jobs at once.
const LIST_MAX: usize = 1_000;
/// How far behind cancelled jobs a lane is looked at.
const GHOSTS_MAX: usize = 100;
/// Lanes of one priority that are looked at.
const LANES_MAX: usize = 1_000;
/// Queues or jobs that are asked for at once, so that a page of them does not take as many round trips.
const LOOKS_AT_ONCE: usize = 16;
/// Transfers whose age is looked at.
const TRANSFERS_MAX: usize = 100;

/// One queue at a glance.
#[derive(Debug, Clone, Serialize)]
pub struct QueueView {
    pub name: QueueName,
    pub ready: u64,
    pub scheduled: u64,
    pub running: u64,
    pub finished: u64,
    pub dead: u64,
    /// Ended without a handler; `on_terminal` still to run.
    pub notices: u64,
    /// What other queues are still to hear of ends here: of batches' members and chains' links.
    pub transfers: TransfersView,
    /// Batches at home here that have not ended.
    pub batches: u64,
    /// How long ago the ready job that is next was enqueued, ms (a retry or a delay counts too); absent when nothing is ready.
    pub oldest_ready_ms: Option<u64>,
    pub paused: Option<Pause>,
    pub limits: Limits,
    /// Why nothing more is handed out although jobs are ready; a pause is not meant.
    pub held_back: Option<HeldBack>,
    /// Keys with jobs ready that are at a limit of theirs.
    pub keys_held_back: u64,
    /// Jobs ready whose worker died while it ran them: each waits to be run alone.
    pub suspects: u64,
    /// Moves since the queue began: enqueued, finished, retried, snoozed, dead, cancelled, expired, recovered, requeued, deleted.
    pub moves: BTreeMap<String, u64>,
}

/// One job with everything known of it. The payload is not part of it: it may hold personal data.
#[derive(Debug, Clone, Serialize)]
pub struct JobView {
    pub id: JobId,
    pub queue: QueueName,
    pub state: State,
    /// The job's wire name; absent when its envelope cannot be read.
    pub name: Option<String>,
    pub priority: u8,
    /// Whose work it is, if it said so.
    pub key: Option<String>,
    /// Home queue and id of the batch it is a member of.
    pub batch: Option<(QueueName, BatchId)>,
    /// What it costs of a rate limit and of its key's share.
    pub units: u32,
    pub unique: Option<UniqueView>,
    /// Its worker died while it ran it: it is run alone from then on.
    pub suspect: bool,
    pub enqueued_at: Option<Millis>,
    /// Scheduled: due; running: lease expiry.
    pub until: Option<Millis>,
    pub worker: Option<String>,
    pub tries: Tries,
    pub cancel_asked: bool,
    pub progress: Option<serde_json::Value>,
    pub outcome: Option<Outcome>,
    pub request_id: Option<String>,
    pub payload_bytes: usize,
    /// The name of the key that the payload is encrypted with in Redis; absent when it lies there as it is.
    pub encrypted_with: Option<String>,
    /// Steps that have finished and are not run again, in the order in which they did.
    pub steps: Vec<StepView>,
    /// Failed attempts, oldest first, at most 20.
    pub history: Vec<Attempt>,
}

/// Reads queue state.
#[derive(Clone)]
pub struct Inspector {
    connection: Connection,
}

impl Inspector {
    pub fn new(connection: Connection) -> Self {
        Self { connection }
    }

    pub(crate) fn connection(&self) -> &Connection {
        &self.connection
    }

    /// Every queue that was ever enqueued to, by name.
    pub async fn queue_names(&self) -> Result<Vec<QueueName>, Error> {
        let names: Vec<String> =
            redis::cmd("SMEMBERS").arg(self.connection.namespace().queues()).query_async(&mut self.connection.shared()).await?;
        let mut names: Vec<QueueName> = names.iter().filter_map(|name| QueueName::parse(name).ok()).collect();
        names.sort();
        Ok(names)
    }

    pub async fn queues(&self) -> Result<Vec<QueueView>, Error> {
        let mut views = Vec::new();
        for names in self.queue_names().await?.chunks(LOOKS_AT_ONCE) {
            views.extend(try_join_all(names.iter().map(|name| self.queue(name))).await?);
        }
        Ok(views)
    }

    pub async fn queue(&self, name: &QueueName) -> Result<QueueView, Error> {
        let keys = self.connection.namespace().queue(name);
        type Counts = (u64, u64, u64, u64, u64, u64, u64, u64, Option<String>, BTreeMap<String, u64>);
        let (scheduled, running, finished, dead, notices, transfers, batches, jobs, paused, moves): Counts =
            scripts::glance(&self.connection, &keys).await?;
        // Every job is in one place; in how many lanes the rest waits does not matter.
        let ready = jobs.saturating_sub(scheduled + running + finished + dead);
        let Sharing { limits, held_back, keys_held_back, suspects } = self.sharing(name, ready, running).await?;
        Ok(QueueView {
            name: name.clone(),
            ready,
            scheduled,
            running,
            finished,
            dead,
            notices,
            transfers: self.transfers(name, transfers).await?,
            batches,
            oldest_ready_ms: if ready > 0 { self.age_of_next(name).await? } else { None },
            paused: paused.and_then(|json| serde_json::from_str(&json).ok()),
            limits,
            held_back,
            keys_held_back,
            suspects,
            moves,
        })
    }

    async fn transfers(&self, queue: &QueueName, waiting: u64) -> Result<TransfersView, Error> {
        if waiting == 0 {
            return Ok(TransfersView::default());
        }
        let keys = self.connection.namespace().queue(queue);
        let names = self.range(&keys.transfers_due(), TRANSFERS_MAX, false).await?;
        if names.is_empty() {
            return Ok(TransfersView::default());
        }
        let mut read = redis::cmd("HMGET");
        read.arg(keys.transfers()).arg(names);
        let entries: Vec<Option<Vec<u8>>> = read.query_async(&mut self.connection.shared()).await?;
        Ok(TransfersView::of(waiting, &entries, self.connection.time_ms().await?))
    }

    async fn age_of_next(&self, queue: &QueueName) -> Result<Option<u64>, Error> {
        let Some(next) = self.ready_ids(queue, 1).await?.pop() else { return Ok(None) };
        let jobs = self.connection.namespace().queue(queue).get(Key::Jobs).to_owned();
        let bytes: Option<Vec<u8>> = redis::cmd("HGET").arg(jobs).arg(next).query_async(&mut self.connection.shared()).await?;
        let now = self.connection.time_ms().await?;
        Ok(bytes.and_then(|bytes| Envelope::peek(&bytes).ok()).map(|envelope| now.saturating_sub(envelope.at)))
    }

    /// # Errors
    /// [`Error::NoSuchJob`] when nothing is known of it in that queue.
    pub async fn job(&self, queue: &QueueName, id: &JobId) -> Result<JobView, Error> {
        let keys = self.connection.namespace().queue(queue);
        type Text = Option<String>;
        type StepEntry = (String, u64, String, usize);
        type Parts =
            (Option<Vec<u8>>, Option<f64>, Option<f64>, Text, Text, Option<u8>, Text, Text, Text, bool, Vec<String>, Vec<StepEntry>);
        let parts: Parts = scripts::look(&self.connection, &keys, id).await?;
        let (bytes, due, lease, token, tries, priority, outcome, progress, extra, cancel_asked, history, steps) = parts;
        let outcome: Option<Outcome> = outcome.and_then(|json| serde_json::from_str(&json).ok());
        if bytes.is_none() && outcome.is_none() {
            return Err(Error::NoSuchJob { queue: queue.clone(), id: id.clone() });
        }
        let envelope = bytes.as_deref().and_then(|bytes| Envelope::peek(bytes).ok());
        let state = match (&outcome, due, lease) {
            (Some(outcome), _, _) => outcome.state,
            (None, Some(_), _) => State::Scheduled,
            (None, None, Some(_)) => State::Running,
            (None, None, None) => State::Ready,
        };
        let tries = Tries::parse(&tries.unwrap_or_default());
        let extra: Extra = extra.and_then(|json| serde_json::from_str(&json).ok()).unwrap_or_default();
        Ok(JobView {
            id: id.clone(),
            queue: queue.clone(),
            state,
            name: envelope.as_ref().map(|envelope| envelope.job.clone()),
            priority: priority.unwrap_or(crate::Policy::DEFAULT_PRIORITY),
            key: extra.key,
            batch: extra.batch.map(|batch| (batch.home, batch.id)),
            units: extra.units.unwrap_or(1),
            unique: extra.unique,
            suspect: outcome.is_none() && tries.losses > 0,
            enqueued_at: envelope.as_ref().map(|envelope| envelope.at),
            until: due.or(lease).map(|ms| ms as Millis),
            // A token is the worker's id and the delivery's random part.
            worker: token.and_then(|token| token.rsplit_once(':').map(|(worker, _)| worker.to_owned())),
            tries,
            cancel_asked,
            progress: progress.and_then(|json| serde_json::from_str(&json).ok()),
            outcome,
            request_id: envelope.as_ref().and_then(|envelope| envelope.request_id.clone()),
            payload_bytes: envelope.as_ref().map_or(0, Envelope::peeked_bytes),
            encrypted_with: envelope.and_then(|envelope| envelope.encrypted_with().map(str::to_owned)),
            steps: StepView::in_order(steps),
            history: history.iter().filter_map(|json| serde_json::from_str(json).ok()).collect(),
        })
    }

    async fn known_job(&self, queue: &QueueName, id: &JobId) -> Result<Option<JobView>, Error> {
        match self.job(queue, id).await {
            Ok(view) => Ok(Some(view)),
            Err(Error::NoSuchJob { .. }) => Ok(None),
            Err(error) => Err(error),
        }
    }

    /// Finds a job whose queue the caller does not know.
    ///
    /// # Errors
    /// [`Error::NoSuchJob`] (naming the default queue) when no queue knows it.
    pub async fn find(&self, id: &JobId) -> Result<JobView, Error> {
        for queue in self.queue_names().await? {
            if let Some(view) = self.known_job(&queue, id).await? {
                return Ok(view);
            }
        }
        Err(Error::NoSuchJob { queue: QueueName::default(), id: id.clone() })
    }

    /// How many of a queue's dead jobs were buried at that moment or later.
    pub async fn dead_since(&self, queue: &QueueName, since: Millis) -> Result<u64, Error> {
        let dead = self.connection.namespace().queue(queue).get(Key::Dead).to_owned();
        Ok(redis::cmd("ZCOUNT").arg(dead).arg(since).arg("+inf").query_async(&mut self.connection.shared()).await?)
    }

    /// Which of these ids a queue knows in any state, one answer an id.
    pub async fn known(&self, queue: &QueueName, ids: &[JobId]) -> Result<Vec<bool>, Error> {
        if ids.is_empty() {
            return Ok(Vec::new());
        }
        let keys = self.connection.namespace().queue(queue);
        // Not HMGET: it would carry every payload over the line only to be thrown away.
        let mut lookups = redis::pipe();
        for id in ids {
            lookups.hexists(keys.get(Key::Jobs), id.as_str());
        }
        Ok(lookups.query_async(&mut self.connection.shared()).await?)
    }

    /// Jobs in one state: ready in the order they will run, scheduled by due moment, ended ones newest first. At most 1,000.
    pub async fn list(&self, queue: &QueueName, state: State, limit: usize) -> Result<Vec<JobView>, Error> {
        let keys = self.connection.namespace().queue(queue);
        let limit = limit.min(LIST_MAX);
        let ids = match state {
            State::Ready => self.ready_ids(queue, limit).await?,
            State::Scheduled => self.range(keys.get(Key::Scheduled), limit, false).await?,
            State::Running => self.range(keys.get(Key::Running), limit, false).await?,
            State::Dead => self.range(keys.get(Key::Dead), limit, true).await?,
            // One index holds all three; enough is read to fill the page after the others are sorted out.
            State::Finished | State::Cancelled | State::Expired => self.range(keys.get(Key::Finished), LIST_MAX, true).await?,
        };
        let ids: Vec<JobId> = ids.iter().filter_map(|id| JobId::parse(id).ok()).collect();
        let mut views = Vec::new();
        for ids in ids.chunks(LOOKS_AT_ONCE) {
            let looks = try_join_all(ids.iter().map(|id| self.known_job(queue, id))).await?;
            // One may have moved on between the two looks.
            views.extend(looks.into_iter().flatten().filter(|view| view.state == state));
            if views.len() >= limit {
                break;
            }
        }
        views.truncate(limit);
        Ok(views)
    }

    /// Suspects, then by priority; within one the jobs without a key, then key by key.
    async fn ready_ids(&self, queue: &QueueName, limit: usize) -> Result<Vec<String>, Error> {
        let keys = self.connection.namespace().queue(queue);
        let unkeyed: Vec<String> = (0..10).map(|priority| format!("{priority}@")).collect();
        let mut heads = redis::pipe();
        heads.lrange(keys.suspects(), 0, limit as isize).zrange(keys.resting(), 0, LANES_MAX as isize);
        for (priority, lane) in (0..10).zip(&unkeyed) {
            heads.zrange(keys.ring(priority), 0, LANES_MAX as isize).lrange(keys.lane(lane), 0, 0);
        }
        let heads: Vec<Vec<String>> = heads.query_async(&mut self.connection.shared()).await?;
        let [suspects, resting, by_priority @ ..] = &heads[..] else { return Ok(Vec::new()) };
        let lanes = by_priority.chunks_exact(2).zip(&unkeyed).flat_map(|(heads, unkeyed)| {
            let keyed = heads[0].iter().filter(move |lane| *lane != unkeyed);
            (!heads[1].is_empty()).then_some(unkeyed).into_iter().chain(keyed)
        });
        let lanes: Vec<&String> = lanes.chain(resting).collect();
        let mut ids = suspects.clone();
        for lane in lanes {
            if ids.len() >= limit {
                break;
            }
            ids.extend(self.living(queue, lane, limit + GHOSTS_MAX).await?);
        }
        ids.truncate(limit);
        Ok(ids)
    }

    /// The first ids of a lane, without the ghosts of cancelled jobs that still stand in it.
    async fn living(&self, queue: &QueueName, lane: &str, limit: usize) -> Result<Vec<String>, Error> {
        let keys = self.connection.namespace().queue(queue);
        let mut ids: Vec<String> =
            redis::cmd("LRANGE").arg(keys.lane(lane)).arg(0).arg(limit - 1).query_async(&mut self.connection.shared()).await?;
        if ids.is_empty() {
            return Ok(ids);
        }
        let mut members = redis::cmd("SMISMEMBER");
        members.arg(keys.get(Key::Ghosts)).arg(ids.iter().map(|id| format!("{lane} {id}")).collect::<Vec<_>>());
        let ghosts: Vec<bool> = members.query_async(&mut self.connection.shared()).await?;
        // Of an id that stands there twice the first is the ghost.
        let mut seen = HashSet::new();
        let mut is_ghost = ghosts.into_iter();
        ids.retain(|id| !(is_ghost.next() == Some(true) && seen.insert(id.clone())));
        Ok(ids)
    }

    async fn range(&self, key: &str, limit: usize, newest_first: bool) -> Result<Vec<String>, Error> {
        if limit == 0 {
            return Ok(Vec::new());
        }
        let mut command = redis::cmd("ZRANGE");
        command.arg(key).arg(0).arg(limit - 1);
        if newest_first {
            command.arg("REV");
        }
        Ok(command.query_async(&mut self.connection.shared()).await?)
    }
}

/// What only some jobs have, as the enqueue script stored it.
#[derive(Default, Deserialize)]
struct Extra {
    key: Option<String>,
    units: Option<u32>,
    unique: Option<UniqueView>,
    batch: Option<BatchOf>,
}
