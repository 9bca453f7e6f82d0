//! The list of jobs, for people and for programs that enqueue: no bodies needed.

use celeriac_queue::Policy;
use serde_json::{Value, json};

use crate::documents;

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
    vec![JobInfo {
        name: documents::NAME,
        policy: documents::policy(),
        summary: "Reads an uploaded document, has it analyzed by OpenAI and saves the result.",
        example: json!({ "document_id": 1 }),
    }]
}
