//! Dead jobs for people: why they died, group by group, and which they are. Payloads are not carried over the line.

use std::collections::HashMap;

use serde::Serialize;

use crate::envelope::Envelope;
use crate::inspect::Inspector;
use crate::keys::Key;
use crate::{Error, Fingerprint, JobId, Millis, Outcome, QueueName, scripts};

/// Of one queue's dead jobs no more than this many are looked at: twice what is kept unless set otherwise.
pub const DEAD_READ_MAX: usize = 20_000;
/// Jobs whose outcomes are read in one script, which looks at every byte of their envelopes.
const CHUNK: usize = 100;

/// One dead job.
#[derive(Debug, Clone, Serialize)]
pub struct DeadJob {
    pub id: JobId,
    /// When it was buried, by the Redis clock.
    pub at: Millis,
    /// The wire name; absent when the stored envelope cannot be read.
    pub job: Option<String>,
    /// As in [`Outcome::kind`].
    pub kind: Option<String>,
    pub reason: Option<String>,
    pub fingerprint: Fingerprint,
}

/// Dead jobs of one queue that died of the same cause.
#[derive(Debug, Clone, Serialize)]
pub struct DeadGroup {
    pub fingerprint: Fingerprint,
    pub queue: QueueName,
    pub job: Option<String>,
    pub kind: Option<String>,
    pub count: u64,
    /// The reason of the newest.
    pub reason: Option<String>,
    pub first_at: Millis,
    pub last_at: Millis,
    /// The newest.
    pub example: JobId,
}

impl Inspector {
    /// The causes of a queue's dead jobs, the largest group first. Looks at the newest `newest` of them, never at more than
    /// [`DEAD_READ_MAX`].
    ///
    /// # Errors
    /// [`Error::Redis`].
    pub async fn dead_groups(&self, queue: &QueueName, newest: usize) -> Result<Vec<DeadGroup>, Error> {
        let mut groups: HashMap<Fingerprint, DeadGroup> = HashMap::new();
        let jobs = self.dead_where(queue, newest, |_| true).await?;
        for DeadJob { id, at, job, kind, reason, fingerprint } in jobs {
            let fresh = || DeadGroup {
                fingerprint: fingerprint.clone(),
                queue: queue.clone(),
                job,
                kind,
                count: 0,
                reason,
                first_at: at,
                last_at: at,
                example: id,
            };
            let group = groups.entry(fingerprint.clone()).or_insert_with(fresh);
            group.count += 1;
            group.first_at = group.first_at.min(at);
            group.last_at = group.last_at.max(at);
        }
        let mut groups: Vec<DeadGroup> = groups.into_values().collect();
        groups.sort_by(|a, b| (b.count, b.last_at, &a.fingerprint).cmp(&(a.count, a.last_at, &b.fingerprint)));
        Ok(groups)
    }

    /// A queue's dead jobs, newest first: all, or those of one group. Looks at the newest [`DEAD_READ_MAX`].
    ///
    /// # Errors
    /// [`Error::Redis`].
    pub async fn dead_jobs(&self, queue: &QueueName, group: Option<&Fingerprint>) -> Result<Vec<DeadJob>, Error> {
        self.dead_where(queue, DEAD_READ_MAX, |job| group.is_none_or(|group| *group == job.fingerprint)).await
    }

    /// Newest first.
    async fn dead_where(&self, queue: &QueueName, newest: usize, wanted: impl Fn(&DeadJob) -> bool) -> Result<Vec<DeadJob>, Error> {
        let newest = newest.min(DEAD_READ_MAX);
        if newest == 0 {
            return Ok(Vec::new());
        }
        let keys = self.connection().namespace().queue(queue);
        let mut range = redis::cmd("ZRANGE");
        range.arg(keys.get(Key::Dead)).arg(0).arg(newest - 1).arg("REV").arg("WITHSCORES");
        let (ids, moments): (Vec<String>, Vec<f64>) =
            range.query_async::<Vec<(String, f64)>>(&mut self.connection().shared()).await?.into_iter().unzip();
        let mut jobs = Vec::new();
        for (ids, moments) in ids.chunks(CHUNK).zip(moments.chunks(CHUNK)) {
            let outlines = scripts::outlines(self.connection(), &keys, ids).await?;
            let read = ids.iter().zip(moments).zip(outlines);
            // What has no outcome any more was replayed or deleted between the two looks.
            jobs.extend(read.filter_map(|((id, at), outline)| dead_job(id, *at as Millis, &outline)).filter(&wanted));
        }
        Ok(jobs)
    }
}

fn dead_job(id: &str, at: Millis, (outcome, header, _): &scripts::RawOutline) -> Option<DeadJob> {
    if outcome.is_empty() {
        return None;
    }
    let outcome: Option<Outcome> = serde_json::from_slice(outcome).ok();
    let (kind, reason) = outcome.map_or((None, None), |outcome| (outcome.kind, outcome.reason));
    let job = Envelope::job_in_header(header);
    let fingerprint = Fingerprint::of(job.as_deref(), kind.as_deref(), reason.as_deref());
    Some(DeadJob { id: JobId::parse(id).ok()?, at, job, kind, reason, fingerprint })
}
