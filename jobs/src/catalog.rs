//! The list of jobs, for people and for programs that enqueue: no bodies needed.

use celeriac_queue::Policy;
use serde_json::{Value, json};

use crate::{backup, batching, denial_letters, documents, licenses, mail, purge, renewals};

/// What there is to know about a job before enqueueing it.
#[derive(Debug, Clone, PartialEq)]
pub struct JobInfo {
    /// The wire name.
    pub name: &'static str,
    pub policy: Policy,
    /// One line for people.
    pub summary: &'static str,
    /// Arguments that it accepts.
    pub example: Value,
}

/// Every job of this crate.
pub fn catalog() -> Vec<JobInfo> {
    vec![
        JobInfo {
            name: documents::NAME,
            policy: documents::policy(),
            summary: "Reads an uploaded document, has it analyzed by OpenAI and saves the result.",
            example: json!({ "document_id": 1 }),
        },
        JobInfo {
            name: mail::NAME,
            policy: mail::policy(),
            summary: "Tells a user by mail, once, that a document is ready.",
            example: json!({ "document_id": 1 }),
        },
        JobInfo {
            name: purge::NAME,
            policy: purge::policy(),
            summary: "Deletes documents, with their files, that users deleted long ago.",
            example: json!({ "dry_run": false }),
        },
        JobInfo {
            name: denial_letters::NAME,
            policy: denial_letters::policy(),
            summary: "Takes a letter apart that refuses something: what was denied, why, and until when it can be contested.",
            example: json!({ "document_id": 1 }),
        },
        JobInfo {
            name: licenses::NAME,
            policy: licenses::policy(),
            summary: "Ends the service of trials and plans whose time is up.",
            example: json!({ "dry_run": false }),
        },
        JobInfo {
            name: renewals::NAME,
            policy: renewals::policy(),
            summary: "Charges the subscriptions that are due, each once per period.",
            example: json!({ "dry_run": false }),
        },
        JobInfo {
            name: backup::BACKUP_NAME,
            policy: backup::policy(),
            summary: "Stores an encrypted dump of the database and deletes backups past their time.",
            example: json!({ "dry_run": false }),
        },
        JobInfo {
            name: backup::VERIFY_NAME,
            policy: backup::policy(),
            summary: "Proves that a backup can be restored, in a scratch database.",
            example: json!({ "dry_run": false }),
        },
        JobInfo {
            name: batching::NAME,
            policy: batching::policy(),
            summary: "Sends questions that have time to OpenAI in batches, at half the price, and fetches the answers.",
            example: json!({}),
        },
    ]
}
