//! What people may change: jobs, queues, schedules. Each action leaves a row in the audit log for every thing it changed.

pub(crate) mod dead;
pub(crate) mod jobs;
pub(crate) mod queues;
pub(crate) mod schedules;
