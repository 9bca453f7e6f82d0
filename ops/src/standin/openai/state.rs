//! What all requests share: the script, the limits, the counters, the files and batches.

use std::collections::{BTreeMap, VecDeque};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use super::batch_fault::BatchFault;
use super::batches::Batch;
use super::chance::Chance;
use super::control::{BatchLatency, Control, Options};
use super::counters::{Counters, Window};
use super::fault::Fault;
use super::files::StoredFile;
use super::quota::Quota;

#[derive(Default)]
pub(super) struct Inner {
    pub(super) latency: Duration,
    pub(super) latency_max: Duration,
    pub(super) next: VecDeque<Fault>,
    /// By name of schema, or by route.
    pub(super) next_for: BTreeMap<String, VecDeque<Fault>>,
    pub(super) fault_rate: f64,
    pub(super) faults: Vec<Fault>,
    pub(super) chance: Chance,
    pub(super) quota: Quota,
    pub(super) models: Vec<String>,
    pub(super) counters: Counters,
    pub(super) all: Window,
    pub(super) admitted: Window,
    pub(super) tokens: Window,
    /// Ever.
    pub(super) files_kept: u64,
    /// By id.
    pub(super) files: BTreeMap<String, StoredFile>,
    /// Oldest first.
    pub(super) batches: Vec<Batch>,
    pub(super) batch_latency: BatchLatency,
    pub(super) batch_next: VecDeque<BatchFault>,
}

impl Inner {
    fn new(options: Options) -> Self {
        Self {
            latency: options.latency,
            latency_max: options.latency_max.unwrap_or(options.latency),
            next: options.next.into(),
            fault_rate: options.fault_rate,
            faults: if options.faults.is_empty() { Fault::passing() } else { options.faults },
            chance: Chance { seed: options.seed },
            quota: Quota::new(options.requests_per_minute, options.tokens_per_minute),
            batch_latency: options.batch_latency,
            ..Self::default()
        }
    }

    /// The fault that is scripted for this name or route, if one is.
    pub(super) fn scripted_for(&mut self, name: &str) -> Option<Fault> {
        self.next_for.get_mut(name)?.pop_front()
    }

    fn apply(&mut self, control: Control) {
        if control.reset {
            let in_flight = self.counters.in_flight;
            self.next.clear();
            self.next_for.clear();
            self.batch_next.clear();
            (self.all, self.admitted, self.tokens) = Default::default();
            self.counters = Counters { in_flight, in_flight_max: in_flight, ..Counters::default() };
        }
        if let Some(milliseconds) = control.latency_ms {
            self.latency = Duration::from_millis(milliseconds);
            self.latency_max = self.latency;
        }
        if let Some(milliseconds) = control.latency_max_ms {
            self.latency_max = Duration::from_millis(milliseconds);
        }
        if let Some(per_minute) = control.requests_per_minute {
            self.quota.limit_requests(per_minute);
        }
        if let Some(per_minute) = control.tokens_per_minute {
            self.quota.limit_tokens(per_minute);
        }
        self.fault_rate = control.fault_rate.unwrap_or(self.fault_rate);
        self.faults = control.faults.unwrap_or_else(|| std::mem::take(&mut self.faults));
        self.batch_latency = control.batch_latency_ms.unwrap_or(self.batch_latency);
        self.next.extend(control.next);
        self.batch_next.extend(control.batch_next);
        for (name, faults) in control.next_for {
            self.next_for.entry(name).or_default().extend(faults);
        }
    }
}

#[derive(Clone, Default)]
pub(super) struct Shared(Arc<Mutex<Inner>>);

impl Shared {
    pub(super) fn new(options: Options) -> Self {
        Self(Arc::new(Mutex::new(Inner::new(options))))
    }

    pub(super) fn lock(&self) -> MutexGuard<'_, Inner> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }

    pub(super) fn apply(&self, control: Control) {
        self.lock().apply(control);
    }

    pub(super) fn counters(&self) -> Counters {
        let inner = self.lock();
        Counters {
            requests_per_minute_max: inner.all.max,
            admitted_per_minute_max: inner.admitted.max,
            tokens_per_minute_max: inner.tokens.max,
            files: inner.files.len() as u64,
            ..inner.counters.clone()
        }
    }
}

/// Counts a request as in flight until its answer is sent or its client is gone.
pub(super) struct InFlight(Shared);

impl InFlight {
    pub(super) fn enter(shared: &Shared) -> Self {
        let mut inner = shared.lock();
        inner.counters.in_flight += 1;
        inner.counters.in_flight_max = inner.counters.in_flight_max.max(inner.counters.in_flight);
        drop(inner);
        Self(shared.clone())
    }
}

impl Drop for InFlight {
    fn drop(&mut self) {
        self.0.lock().counters.in_flight -= 1;
    }
}
