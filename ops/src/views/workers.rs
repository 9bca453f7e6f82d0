//! Workers that are alive.

use celeriac_queue::{WorkerView, Workers};
use chrono::{DateTime, Utc};
use serde::Serialize;

use crate::human::moment;

#[derive(Debug, Clone, Serialize)]
pub(crate) struct WorkerRow {
    pub(crate) worker: String,
    pub(crate) host: String,
    pub(crate) pid: u32,
    pub(crate) version: String,
    pub(crate) queues: Vec<String>,
    pub(crate) concurrency: usize,
    pub(crate) in_flight: usize,
    pub(crate) started_at: DateTime<Utc>,
    pub(crate) seen_at: DateTime<Utc>,
    pub(crate) stopping: bool,
    pub(crate) trouble: Option<String>,
}

/// # Errors
/// When Redis does not answer.
pub(crate) async fn all(workers: &Workers) -> Result<Vec<WorkerRow>, celeriac_queue::Error> {
    Ok(workers.list().await?.into_iter().map(WorkerRow::from).collect())
}

impl WorkerRow {
    pub(crate) fn state(&self) -> &'static str {
        match (self.stopping, self.in_flight) {
            (true, _) => "stopping",
            (false, 0) => "idle",
            (false, _) => "working",
        }
    }
}

impl From<WorkerView> for WorkerRow {
    fn from(view: WorkerView) -> Self {
        Self {
            worker: view.id.to_string(),
            host: view.host,
            pid: view.pid,
            version: view.version,
            queues: view.queues,
            concurrency: view.concurrency,
            in_flight: view.in_flight,
            started_at: moment(view.started_at),
            seen_at: moment(view.seen_at),
            stopping: view.stopping,
            trouble: view.trouble,
        }
    }
}
