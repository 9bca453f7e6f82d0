//! Read-only views of batches.

use std::collections::HashMap;

use serde::Serialize;

use crate::{BatchId, BatchTally, Error, Inspector, JobId, Millis, QueueName, When};

/// A list never shows more than this many batches at once.
const LIST_MAX: usize = 1_000;
/// Members shown of those that have not ended.
const PENDING_MAX: usize = 100;

#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum BatchState {
    /// Whoever enqueues it is still at it, or died; then it is forgotten after a day.
    Open,
    Running,
    /// All its members have ended.
    Ended,
}

impl std::fmt::Display for BatchState {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(match self {
            Self::Open => "open",
            Self::Running => "running",
            Self::Ended => "ended",
        })
    }
}

/// One batch.
#[derive(Debug, Clone, Serialize)]
pub struct BatchView {
    pub home: QueueName,
    pub state: BatchState,
    #[serde(flatten)]
    pub tally: BatchTally,
    pub created_at: Millis,
    pub ended_at: Option<Millis>,
    pub callbacks: Vec<CallbackView>,
    /// Queue and id of members that have not ended, at most 100; empty in a list.
    pub pending: Vec<(QueueName, JobId)>,
}

/// A callback of a batch.
#[derive(Debug, Clone, Serialize)]
pub struct CallbackView {
    pub when: When,
    pub job: String,
    /// In the home queue, once it is called.
    pub id: JobId,
    /// Absent: not (yet) called.
    pub called_at: Option<Millis>,
}

impl Inspector {
    /// # Errors
    /// [`Error::NoSuchBatch`].
    pub async fn batch(&self, home: &QueueName, id: &BatchId) -> Result<BatchView, Error> {
        let keys = self.connection().namespace().queue(home);
        let mut pipe = redis::pipe();
        pipe.hgetall(keys.batch(id)).cmd("SRANDMEMBER").arg(keys.batch_members(id)).arg(PENDING_MAX);
        let (fields, members): (HashMap<String, Vec<u8>>, Vec<String>) = pipe.query_async(&mut self.connection().shared()).await?;
        let mut view = view(home, id, &fields).ok_or_else(|| Error::NoSuchBatch { home: home.clone(), id: id.clone() })?;
        view.pending = members.iter().filter_map(|member| parse_member(member)).collect();
        view.pending.sort();
        Ok(view)
    }

    /// Batches of a home queue, the newest first: those that have not ended, then those that have. At most 1,000.
    pub async fn batches(&self, home: &QueueName, limit: usize) -> Result<Vec<BatchView>, Error> {
        let keys = self.connection().namespace().queue(home);
        let limit = limit.min(LIST_MAX);
        let mut views = Vec::new();
        for index in [keys.batches(), keys.batches_ended()] {
            let mut newest = redis::cmd("ZRANGE");
            newest.arg(index).arg(0).arg(LIST_MAX - 1).arg("REV");
            let ids: Vec<String> = newest.query_async(&mut self.connection().shared()).await?;
            let ids: Vec<BatchId> = ids.iter().filter_map(|id| BatchId::parse(id).ok()).collect();
            if ids.is_empty() {
                continue;
            }
            let mut reads = redis::pipe();
            for id in &ids {
                reads.cmd("HMGET").arg(keys.batch(id)).arg(&FIELDS[..]);
            }
            let rows: Vec<Vec<Option<Vec<u8>>>> = reads.query_async(&mut self.connection().shared()).await?;
            let mut part: Vec<BatchView> = ids.iter().zip(rows).filter_map(|(id, row)| view(home, id, &named(row))).collect();
            part.sort_by_key(|view| std::cmp::Reverse(view.created_at));
            views.extend(part);
        }
        views.truncate(limit);
        Ok(views)
    }
}

/// All but the callbacks' envelopes, which may be large.
const FIELDS: [&str; 19] = [
    "state",
    "total",
    "created",
    "sealed",
    "ended",
    "finished",
    "dead",
    "cancelled",
    "expired",
    "rejected",
    "success:job",
    "success:id",
    "success:called",
    "done:job",
    "done:id",
    "done:called",
    "failure:job",
    "failure:id",
    "failure:called",
];

fn named(row: Vec<Option<Vec<u8>>>) -> HashMap<String, Vec<u8>> {
    FIELDS.iter().zip(row).filter_map(|(field, value)| Some(((*field).to_owned(), value?))).collect()
}

fn view(home: &QueueName, id: &BatchId, fields: &HashMap<String, Vec<u8>>) -> Option<BatchView> {
    let text = |field: &str| fields.get(field).and_then(|bytes| std::str::from_utf8(bytes).ok());
    let number = |field: &str| text(field).and_then(|digits| digits.parse::<u64>().ok());
    let count = |field: &str| number(field).unwrap_or(0);
    let state = match text("state")? {
        "ended" => BatchState::Ended,
        "running" if number("sealed").is_some() => BatchState::Running,
        _ => BatchState::Open,
    };
    let callback = |when: When| {
        let name = when.as_str();
        Some(CallbackView {
            when,
            job: text(&format!("{name}:job"))?.to_owned(),
            id: JobId::parse(text(&format!("{name}:id"))?).ok()?,
            called_at: number(&format!("{name}:called")),
        })
    };
    Some(BatchView {
        home: home.clone(),
        state,
        tally: BatchTally {
            id: id.clone(),
            total: count("total"),
            finished: count("finished"),
            dead: count("dead"),
            cancelled: count("cancelled"),
            expired: count("expired"),
            rejected: count("rejected"),
        },
        created_at: count("created"),
        ended_at: number("ended"),
        callbacks: When::ALL.into_iter().filter_map(callback).collect(),
        pending: Vec::new(),
    })
}

/// `<queue>/<job id>`; a queue's name holds no slash.
fn parse_member(member: &str) -> Option<(QueueName, JobId)> {
    let (queue, id) = member.split_once('/')?;
    Some((QueueName::parse(queue).ok()?, JobId::parse(id).ok()?))
}
