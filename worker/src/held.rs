//! What this worker holds: a lease for each claimed job, until the job is settled.
//!
//! The heartbeat extends what is listed here and nothing else. A lease leaves the list when its guard is dropped, on whatever way: a run
//! that is lost without being settled is then no longer extended, and the queue gives the job to somebody else.

use std::collections::BTreeMap;
use std::ops::Deref;
use std::sync::{Arc, Mutex, OnceLock};

use celeriac_queue::{Consumer, JobId};
use tokio_util::sync::CancellationToken;

/// Why a run is to end before its body does.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Interruption {
    /// Somebody wants the job cancelled.
    CancelAsked,
    /// Another worker may have it by now.
    LeaseLost,
    /// This worker stops, and the grace period is over.
    Stopping,
}

/// The right to run one delivery and to settle it.
pub(crate) struct Lease {
    /// The queue it came from.
    pub(crate) consumer: Arc<Consumer>,
    pub(crate) id: JobId,
    pub(crate) token: String,
    /// Its place in the order of claims, so that what is put back keeps its order.
    pub(crate) number: u64,
    stop: CancellationToken,
    why: OnceLock<Interruption>,
}

impl Lease {
    /// Tells the run to end. The first reason stands.
    pub(crate) fn interrupt(&self, why: Interruption) {
        // Already set: the run was told before.
        let _ = self.why.set(why);
        self.stop.cancel();
    }

    pub(crate) fn interruption(&self) -> Option<Interruption> {
        self.why.get().copied()
    }

    /// Resolves once the run is to end.
    pub(crate) async fn interrupted(&self) -> Interruption {
        self.stop.cancelled().await;
        self.interruption().expect("the reason is set before the token is cancelled")
    }

    /// For the job's own context.
    pub(crate) fn stop_token(&self) -> CancellationToken {
        self.stop.clone()
    }
}

/// Every lease of this worker. Cheap to clone.
#[derive(Clone, Default)]
pub(crate) struct Held {
    shared: Arc<Mutex<Shared>>,
}

#[derive(Default)]
struct Shared {
    leases: BTreeMap<u64, Arc<Lease>>,
    /// Leases ever taken.
    taken: u64,
}

/// One lease in the list; dropping it takes it off.
pub(crate) struct HeldLease {
    lease: Arc<Lease>,
    held: Held,
}

impl Held {
    pub(crate) fn take(&self, consumer: Arc<Consumer>, id: JobId, token: String) -> HeldLease {
        let mut shared = self.lock();
        let number = shared.taken;
        shared.taken += 1;
        let lease = Arc::new(Lease { consumer, id, token, number, stop: CancellationToken::new(), why: OnceLock::new() });
        shared.leases.insert(number, Arc::clone(&lease));
        HeldLease { lease, held: self.clone() }
    }

    pub(crate) fn all(&self) -> Vec<Arc<Lease>> {
        self.lock().leases.values().cloned().collect()
    }

    pub(crate) fn count(&self) -> usize {
        self.lock().leases.len()
    }

    /// Whether a job of that id is held, from whichever queue.
    pub(crate) fn has(&self, id: &JobId) -> bool {
        self.lock().leases.values().any(|lease| lease.id == *id)
    }

    pub(crate) fn interrupt_all(&self, why: Interruption) {
        for lease in self.all() {
            lease.interrupt(why);
        }
    }

    fn lock(&self) -> std::sync::MutexGuard<'_, Shared> {
        self.shared.lock().expect("nothing panics while it holds the list of leases")
    }
}

impl Deref for HeldLease {
    type Target = Lease;

    fn deref(&self) -> &Lease {
        &self.lease
    }
}

impl Drop for HeldLease {
    fn drop(&mut self) {
        self.held.lock().leases.remove(&self.lease.number);
    }
}
