//! How the system is, in one report: what `/health/` answers and what the console shows at its head.
//!
//! Every check has two seconds, so that a store that hangs makes the report unhealthy and not late.

mod checks;
mod report;

use std::sync::Arc;
use std::time::{Duration, Instant};

pub(crate) use report::{Check, Level, Report};
use tokio::sync::Mutex;

use crate::stores::Stores;

/// A report this young is given again: a busy monitor costs no more than a calm one.
const FRESH_FOR: Duration = Duration::from_millis(250);

/// A report, and when it was made.
type Made = (Instant, Arc<Report>);

/// Makes reports, one at a time. Cheap to clone.
#[derive(Clone)]
pub(crate) struct Health {
    stores: Stores,
    last: Arc<Mutex<Option<Made>>>,
}

impl Health {
    pub(crate) fn new(stores: Stores) -> Self {
        Self { stores, last: Arc::default() }
    }

    pub(crate) async fn report(&self) -> Arc<Report> {
        let mut last = self.last.lock().await;
        if let Some((made, report)) = last.as_ref()
            && made.elapsed() < FRESH_FOR
        {
            return Arc::clone(report);
        }
        let report = Arc::new(checks::collect(&self.stores).await);
        *last = Some((Instant::now(), Arc::clone(&report)));
        report
    }
}
