//! What is wrong with this worker right now: said once when it begins and once when it ends, and shown on the worker's card meanwhile.

use std::collections::BTreeMap;
use std::fmt::Display;
use std::sync::Arc;

use tokio::sync::watch;

/// A cheap-to-clone register of the duties that fail at present.
#[derive(Clone)]
pub(crate) struct Trouble {
    failing: Arc<watch::Sender<BTreeMap<&'static str, String>>>,
}

impl Trouble {
    pub(crate) fn new() -> Self {
        Self { failing: Arc::new(watch::Sender::new(BTreeMap::new())) }
    }

    /// `duty` in words, as in "claiming jobs". Only the first failure in a row is logged.
    pub(crate) fn begins(&self, duty: &'static str, error: impl Display) {
        let error = error.to_string();
        let is_new = self.failing.send_if_modified(|failing| failing.insert(duty, error.clone()).is_none());
        if is_new {
            tracing::warn!(error, "{duty} fails; trying on");
        }
    }

    /// Called after every success; costs a look when there was no trouble.
    pub(crate) fn ends(&self, duty: &'static str) {
        if self.failing.borrow().contains_key(duty) {
            self.failing.send_if_modified(|failing| failing.remove(duty).is_some());
            tracing::info!("{duty} works again");
        }
    }

    /// For the card; `None` when nothing is wrong.
    pub(crate) fn sentence(&self) -> Option<String> {
        let failing = self.failing.borrow();
        let parts: Vec<String> = failing.iter().map(|(duty, error)| format!("{duty} fails: {error}")).collect();
        (!parts.is_empty()).then(|| parts.join("; "))
    }

    pub(crate) fn watch(&self) -> watch::Receiver<BTreeMap<&'static str, String>> {
        self.failing.subscribe()
    }
}
