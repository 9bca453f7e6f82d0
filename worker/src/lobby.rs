//! Where ended runs wait whose end Redis does not take for now.
//!
//! A run keeps its slot until it is settled. In a cluster, when the node of one queue is away, that would keep the slots from the queues of
//! the other nodes, perhaps all of them. So there its ended runs give their slots back, and wait with their leases alone. Each queue has as
//! many seats here as the worker has slots; whoever finds none keeps its slot, so that what a worker holds stays bounded. Runs that wait
//! here run no more: a worker whose slots are free counts as idle, and may be given a suspect.

use std::collections::BTreeMap;
use std::sync::Arc;

use celeriac_queue::QueueName;
use tokio::sync::Semaphore;

use crate::run::Run;

pub(crate) struct Lobby {
    seats: BTreeMap<QueueName, Arc<Semaphore>>,
}

impl Lobby {
    /// For queues that one server holds: no seats, as all of them are away at once.
    pub(crate) fn closed() -> Self {
        Self { seats: BTreeMap::new() }
    }

    /// For queues on several nodes.
    pub(crate) fn open(queues: &[QueueName], seats: usize) -> Self {
        Self { seats: queues.iter().map(|queue| (queue.clone(), Arc::new(Semaphore::new(seats)))).collect() }
    }

    /// Gives a run's slots back, if there is room for it here until it is settled. To be called once a run.
    pub(crate) fn seat(&self, run: &Run) {
        if let Some(seats) = self.seats.get(run.lease.consumer.queue()) {
            run.move_to(seats);
        }
    }
}
