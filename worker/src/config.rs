//! What one worker is told about itself.

use std::time::Duration;

use anyhow::ensure;
use celeriac_process::Settings;
use celeriac_queue::{LeaseConfig, QueueName};

use crate::host::host;

/// The shortest lease: below it, an ordinary pause of a machine would lose jobs.
const LEASE_MIN: Duration = Duration::from_millis(500);

/// Which queues a worker serves, and how.
#[derive(Debug, Clone)]
pub struct WorkerConfig {
    pub queues: Vec<QueueName>,
    pub sharing: Sharing,
    /// Jobs that run at once.
    pub concurrency: usize,
    pub lease: LeaseConfig,
    /// How long a stopping worker lets its jobs finish before it puts them back.
    pub grace: Duration,
    /// What the worker's id and card say of where it runs.
    pub host: String,
}

/// How the slots of a worker are shared among its queues.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Sharing {
    /// In the order of the queues: a later one gets the slots that the earlier ones leave free, and none while they have work for all.
    Strict,
    /// One weight a queue, 1 to 1,000: while all have work each gets its share, and what one leaves free goes to the others.
    Weighted(Vec<u32>),
}

/// The largest weight of a queue.
const WEIGHT_MAX: u32 = 1_000;

impl Default for WorkerConfig {
    fn default() -> Self {
        Self {
            queues: vec![QueueName::default()],
            sharing: Sharing::Strict,
            concurrency: 8,
            lease: LeaseConfig::default(),
            // Supervisors kill after 30 s, as a rule: some of that is left for putting jobs back.
            grace: Duration::from_secs(25),
            host: host(),
        }
    }
}

impl WorkerConfig {
    /// WORKER_QUEUES, WORKER_CONCURRENCY, WORKER_LEASE and WORKER_GRACE.
    pub fn from_settings(settings: &Settings) -> Self {
        let (queues, sharing) = served(&settings.list("WORKER_QUEUES"));
        Self {
            queues,
            sharing,
            concurrency: usize::try_from(settings.integer("WORKER_CONCURRENCY")).expect("the table of settings bounds it"),
            lease: LeaseConfig { lease: settings.duration("WORKER_LEASE"), ..LeaseConfig::default() },
            grace: settings.duration("WORKER_GRACE"),
            host: host(),
        }
    }

    /// # Errors
    /// A sentence for the first thing that cannot work.
    pub(crate) fn check(&self) -> anyhow::Result<()> {
        ensure!(!self.queues.is_empty(), "a worker needs at least one queue: name some in WORKER_QUEUES");
        ensure!(self.concurrency > 0, "a worker needs at least one slot: set WORKER_CONCURRENCY to 1 or more");
        ensure!(
            self.lease.lease >= LEASE_MIN,
            "a lease of {} ms is too short, jobs would be lost to any pause of the machine: set WORKER_LEASE to {} ms or more",
            self.lease.lease.as_millis(),
            LEASE_MIN.as_millis()
        );
        if let Sharing::Weighted(weights) = &self.sharing {
            ensure!(
                weights.len() == self.queues.len() && weights.iter().all(|weight| (1..=WEIGHT_MAX).contains(weight)),
                "every queue of a worker with weights needs one, 1 to {WEIGHT_MAX}: as in WORKER_QUEUES=documents:3,default:1"
            );
        }
        for (at, queue) in self.queues.iter().enumerate() {
            ensure!(!self.queues[..at].contains(queue), "queue {queue} is named twice: name it once in WORKER_QUEUES");
        }
        Ok(())
    }
}

/// From `documents:3,default:1`; without weights the order is strict, and beside others a queue without one has 1.
fn served(entries: &[String]) -> (Vec<QueueName>, Sharing) {
    let parts: Vec<(&str, Option<u32>)> = entries
        .iter()
        .map(|entry| match entry.split_once(':') {
            Some((name, weight)) => (name, Some(weight.parse().expect("the table of settings checks weights"))),
            None => (entry.as_str(), None),
        })
        .collect();
    let queues = parts.iter().map(|(name, _)| QueueName::parse(name).expect("the table of settings checks queue names")).collect();
    if parts.iter().all(|(_, weight)| weight.is_none()) {
        return (queues, Sharing::Strict);
    }
    (queues, Sharing::Weighted(parts.iter().map(|(_, weight)| weight.unwrap_or(1)).collect()))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_config_that_cannot_work_is_refused_with_the_name_of_its_setting() {
        let no_queue = WorkerConfig { queues: Vec::new(), ..WorkerConfig::default() };
        let no_slot = WorkerConfig { concurrency: 0, ..WorkerConfig::default() };
        let twice = WorkerConfig { queues: vec![QueueName::default(); 2], ..WorkerConfig::default() };
        let mut hasty = WorkerConfig::default();
        hasty.lease.lease = Duration::from_millis(10);
        for (config, name) in
            [(no_queue, "WORKER_QUEUES"), (no_slot, "WORKER_CONCURRENCY"), (twice, "WORKER_QUEUES"), (hasty, "WORKER_LEASE")]
        {
            let sentence = config.check().unwrap_err().to_string();
            assert!(sentence.contains(name), "{sentence}");
        }
        WorkerConfig::default().check().unwrap();
    }
}
