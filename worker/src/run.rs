//! One delivery on its way through this worker: what apalis carries as a task's arguments.

use std::ops::Deref;
use std::sync::Arc;

use celeriac_queue::{Consumer, Delivery, Envelope, Millis, Tries};
use tokio::sync::OwnedSemaphorePermit;

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
    /// Kept until the job is settled, not merely run: so a worker never holds more leases than it has slots, and when settling is slow it
    /// claims less. One slot, or all of them when the job is to run alone.
    _slots: OwnedSemaphorePermit,
}

impl Run {
    pub(crate) fn new(delivery: Delivery, consumer: Arc<Consumer>, held: &Held, slots: OwnedSemaphorePermit) -> Self {
        Self(Arc::new(Parts {
            lease: held.take(consumer, delivery.id, delivery.token),
            envelope: delivery.envelope.map_err(|error| error.to_string()),
            tries: delivery.tries,
            claimed_at: delivery.claimed_at,
            _slots: slots,
        }))
    }

    /// The job's wire name; empty when it cannot be read.
    pub(crate) fn name(&self) -> &str {
        self.envelope.as_ref().map_or("", |envelope| &envelope.job)
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
