//! One delivery on its way through this worker: what apalis carries as a task's arguments.

use std::ops::Deref;
use std::sync::{Arc, Mutex};

use celeriac_queue::{Consumer, Delivery, Envelope, Millis, Tries};
use tokio::sync::{OwnedSemaphorePermit, Semaphore};

use crate::held::{Held, HeldLease};

/// A shared handle: the executor runs it, the settle layer settles it. The slot is free again, and the lease off the list, when the last
/// handle is gone.
#[derive(Clone)]
pub(crate) struct Run(Arc<Parts>);

pub(crate) struct Parts {
    pub(crate) lease: HeldLease,
    /// What the job is, or why its bytes cannot be read.
    pub(crate) envelope: Result<Envelope, String>,
    pub(crate) tries: Tries,
    /// By the Redis clock.
    pub(crate) claimed_at: Millis,
    /// Kept until the job is settled, not merely run, so that the worker claims less when settling is slow. One slot, or all of them when
    /// the job is to run alone; or as many seats in the [`Lobby`](crate::lobby::Lobby).
    places: Mutex<OwnedSemaphorePermit>,
}

impl Run {
    pub(crate) fn new(delivery: Delivery, consumer: Arc<Consumer>, held: &Held, slots: OwnedSemaphorePermit) -> Self {
        Self(Arc::new(Parts {
            lease: held.take(consumer, delivery.id, delivery.token),
            envelope: delivery.envelope.map_err(|error| error.to_string()),
            tries: delivery.tries,
            claimed_at: delivery.claimed_at,
            places: Mutex::new(slots),
        }))
    }

    /// The job's wire name; empty when it cannot be read.
    pub(crate) fn name(&self) -> &str {
        self.envelope.as_ref().map_or("", |envelope| &envelope.job)
    }

    /// Gives its places back for as many of others, if those are free.
    pub(crate) fn move_to(&self, others: &Arc<Semaphore>) {
        let mut places = self.places.lock().expect("nothing panics while it moves a run");
        let count = u32::try_from(places.num_permits()).expect("there are not so many slots");
        if let Ok(taken) = Arc::clone(others).try_acquire_many_owned(count) {
            *places = taken;
        }
    }

    /// This attempt's number, from 1.
    pub(crate) fn attempt(&self) -> u32 {
        self.tries.attempts + 1
    }
}

impl Deref for Run {
    type Target = Parts;

    fn deref(&self) -> &Parts {
        &self.0
    }
}
