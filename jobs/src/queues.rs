//! The queues that our jobs are put in, unless an enqueuer says otherwise.

use celeriac_queue::QueueName;

/// Timed work: licences, renewals, backups.
pub fn maintenance() -> QueueName {
    QueueName::parse("maintenance").expect("a valid name")
}

/// Mail to users: paused as one when the mail server refuses us.
pub fn mail() -> QueueName {
    QueueName::parse("mail").expect("a valid name")
}

/// Uploaded documents: minutes each, and paused as one when the model refuses us.
pub fn documents() -> QueueName {
    QueueName::parse("documents").expect("a valid name")
}
