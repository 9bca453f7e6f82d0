//! What people may change: jobs, queues, schedules. Each action changes one thing and leaves one row in the audit log.

pub(crate) mod jobs;
pub(crate) mod queues;
pub(crate) mod schedules;
