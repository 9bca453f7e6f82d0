//! How much of Redis' memory a queue takes, and for what. Estimates from bounded samples: a reading costs a few round trips, however
//! large the queue is, and is exact for a small one.

use std::collections::BTreeMap;

use serde::Serialize;

use crate::inspect::Inspector;
use crate::keys::{Key, QueueKeys};
use crate::{BatchId, Error, JobId, QueueName, scripts};

/// Redis measures so many values of a key and takes the rest to be like them.
const VALUES_SAMPLED: usize = 200;
/// Jobs whose payloads are measured.
const PAYLOADS_SAMPLED: usize = 100;
/// Jobs of each kind, and lanes of each priority, whose keys of their own are measured.
const OWN_KEYS_SAMPLED: usize = 20;

/// What one queue takes, in bytes as Redis accounts them.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct QueueMemory {
    /// `keys` and `own_keys_bytes` together.
    pub total_bytes: u64,
    /// Of these the payloads themselves, before Redis stores them: an estimate beyond 100 jobs.
    pub payload_bytes: u64,
    /// What the queue adds to the payloads: the difference.
    pub overhead_bytes: u64,
    /// Jobs in any state; ended ones whose record is kept are among them.
    pub jobs: u64,
    /// The queue's fixed keys by name, as in `jobs` or `ready:5`; only those that exist.
    pub keys: BTreeMap<String, u64>,
    /// The keys that some jobs have of their own (histories of failed attempts, logs, finished steps), the lanes of jobs that have a key, and batches: an estimate
    /// beyond 20 jobs of a kind, 20 lanes of a priority and 20 batches.
    pub own_keys_bytes: u64,
}

/// What all of Redis takes, whoever uses it.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct StoreMemory {
    pub used_bytes: u64,
    /// `maxmemory`; absent where there is none.
    pub max_bytes: Option<u64>,
}

/// Random members of one collection, and how many it has in all.
type Sample = (Vec<String>, u64);

impl Inspector {
    /// # Errors
    /// [`Error::Redis`], also where this user may not ask `MEMORY USAGE`.
    pub async fn memory(&self, queue: &QueueName) -> Result<QueueMemory, Error> {
        let keys = self.connection().namespace().queue(queue);
        let fixed = self.fixed_keys(&keys).await?;
        let (all, with_own_keys) = self.samples(&keys).await?;
        let history_of = |id: &String| JobId::parse(id).ok().map(|id| keys.history_of(&id));
        let mut own_keys_bytes = 0;
        for (ids, count) in with_own_keys {
            own_keys_bytes += scaled(self.sizes(ids.iter().filter_map(history_of).collect()).await?, ids.len(), count);
        }
        let log_of = |id: &String| JobId::parse(id).ok().map(|id| keys.log_of(&id));
        let steps_of = |id: &String| JobId::parse(id).ok().map(|id| keys.steps_of(&id));
        let [(logged, logs), (stepped, steps)] = self.named_in([keys.logged(), keys.stepped()]).await?;
        own_keys_bytes += scaled(self.sizes(logged.iter().filter_map(log_of).collect()).await?, logged.len(), logs);
        own_keys_bytes += scaled(self.sizes(stepped.iter().filter_map(steps_of).collect()).await?, stepped.len(), steps);
        for (lanes, count) in self.lanes(&keys).await? {
            // The lane of jobs without a key is a ready list, and counted among the fixed keys.
            let own = lanes.iter().filter(|lane| !lane.ends_with('@')).map(|lane| keys.lane(lane));
            own_keys_bytes += scaled(self.sizes(own.collect()).await?, lanes.len(), count);
        }
        for (batches, count) in self.batches_sampled(&keys).await? {
            let ids = batches.iter().filter_map(|id| BatchId::parse(id).ok());
            let own = ids.flat_map(|id| [keys.batch(&id), keys.batch_members(&id)]);
            own_keys_bytes += scaled(self.sizes(own.collect()).await?, batches.len(), count);
        }
        let outlines = scripts::outlines(self.connection(), &keys, &all.0).await?;
        let payloads: u64 = outlines.iter().map(|(_, header, bytes)| bytes.saturating_sub(header.len() + 1) as u64).sum();
        let total_bytes = fixed.values().sum::<u64>() + own_keys_bytes;
        let payload_bytes = scaled(payloads, all.0.len(), all.1).min(total_bytes);
        Ok(QueueMemory {
            total_bytes,
            payload_bytes,
            overhead_bytes: total_bytes - payload_bytes,
            jobs: all.1,
            keys: fixed,
            own_keys_bytes,
        })
    }

    /// # Errors
    /// [`Error::Redis`].
    pub async fn store_memory(&self) -> Result<StoreMemory, Error> {
        let infos = self.connection().infos().await?;
        let number = |info: &BTreeMap<String, String>, name: &str| info.get(name).and_then(|text| text.parse::<u64>().ok());
        // Of a cluster all together; without a limit as soon as one server has none.
        Ok(StoreMemory {
            used_bytes: infos.iter().filter_map(|info| number(info, "used_memory")).sum(),
            max_bytes: infos.iter().map(|info| number(info, "maxmemory").filter(|max| *max > 0)).sum(),
        })
    }

    async fn fixed_keys(&self, keys: &QueueKeys) -> Result<BTreeMap<String, u64>, Error> {
        let mut pipe = redis::pipe();
        let names: Vec<String> = keys.all().iter().cloned().chain(keys.rare()).collect();
        for key in &names {
            pipe.cmd("MEMORY").arg("USAGE").arg(key).arg("SAMPLES").arg(VALUES_SAMPLED);
        }
        let sizes: Vec<Option<u64>> = pipe.query_async(&mut self.connection().shared()).await?;
        // Channels and stems are no keys: Redis knows no size of them.
        let named = names.iter().zip(sizes).filter_map(|(key, size)| Some((key.rsplit_once("}:")?.1.to_owned(), size?)));
        Ok(named.collect())
    }

    /// Of all jobs, and of each kind of job that may have a history: living ones that stumbled, dead ones, other ended ones.
    async fn samples(&self, keys: &QueueKeys) -> Result<(Sample, [Sample; 3]), Error> {
        let mut pipe = redis::pipe();
        pipe.cmd("HRANDFIELD").arg(keys.get(Key::Jobs)).arg(PAYLOADS_SAMPLED).hlen(keys.get(Key::Jobs));
        pipe.cmd("HRANDFIELD").arg(keys.get(Key::Tries)).arg(OWN_KEYS_SAMPLED).hlen(keys.get(Key::Tries));
        for ended in [Key::Dead, Key::Finished] {
            pipe.cmd("ZRANDMEMBER").arg(keys.get(ended)).arg(OWN_KEYS_SAMPLED).zcard(keys.get(ended));
        }
        type Samples = (Vec<String>, u64, Vec<String>, u64, Vec<String>, u64, Vec<String>, u64);
        let (all, jobs, stumbled, tries, dead, buried, ended, finished): Samples =
            pipe.query_async(&mut self.connection().shared()).await?;
        Ok(((all, jobs), [(stumbled, tries), (dead, buried), (ended, finished)]))
    }

    /// Of the jobs that are fields of each of these hashes.
    async fn named_in(&self, hashes: [String; 2]) -> Result<[Sample; 2], Error> {
        let mut pipe = redis::pipe();
        for hash in &hashes {
            pipe.cmd("HRANDFIELD").arg(hash).arg(OWN_KEYS_SAMPLED).hlen(hash);
        }
        let (some, count, others, others_count): (Vec<String>, u64, Vec<String>, u64) =
            pipe.query_async(&mut self.connection().shared()).await?;
        Ok([(some, count), (others, others_count)])
    }

    /// Of those that have not ended, and of those that have.
    async fn batches_sampled(&self, keys: &QueueKeys) -> Result<[Sample; 2], Error> {
        let mut pipe = redis::pipe();
        for index in [keys.batches(), keys.batches_ended()] {
            pipe.cmd("ZRANDMEMBER").arg(&index).arg(OWN_KEYS_SAMPLED).zcard(&index);
        }
        let (open, open_count, ended, ended_count): (Vec<String>, u64, Vec<String>, u64) =
            pipe.query_async(&mut self.connection().shared()).await?;
        Ok([(open, open_count), (ended, ended_count)])
    }

    /// Of each priority, and those at a limit.
    async fn lanes(&self, keys: &QueueKeys) -> Result<Vec<Sample>, Error> {
        let rings: Vec<String> = (0..10).map(|priority| keys.ring(priority)).chain([keys.resting()]).collect();
        let mut pipe = redis::pipe();
        for ring in &rings {
            pipe.cmd("ZRANDMEMBER").arg(ring).arg(OWN_KEYS_SAMPLED);
        }
        for ring in &rings {
            pipe.zcard(ring);
        }
        let mut samples: Vec<redis::Value> = pipe.query_async(&mut self.connection().shared()).await?;
        let counts = samples.split_off(rings.len());
        let read = |error| Error::Redis(redis::RedisError::from(error));
        let sample = |(lanes, count)| Ok((redis::from_redis_value(lanes).map_err(read)?, redis::from_redis_value(count).map_err(read)?));
        samples.into_iter().zip(counts).map(sample).collect()
    }

    /// What these keys take together.
    async fn sizes(&self, names: Vec<String>) -> Result<u64, Error> {
        if names.is_empty() {
            return Ok(0);
        }
        let mut pipe = redis::pipe();
        for name in names {
            pipe.cmd("MEMORY").arg("USAGE").arg(name);
        }
        let sizes: Vec<Option<u64>> = pipe.query_async(&mut self.connection().shared()).await?;
        Ok(sizes.into_iter().flatten().sum())
    }
}

/// What `count` of them take when `sampled` of them take `bytes`.
fn scaled(bytes: u64, sampled: usize, count: u64) -> u64 {
    if sampled == 0 { 0 } else { (bytes as f64 / sampled as f64 * count as f64).round() as u64 }
}
