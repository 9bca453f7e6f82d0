//! When the job has ended without completing its document: the row says so, also where no handler ran.

use celeriac_queue::{Outcome, State};

use super::{Documents, rows};
use crate::ledger::Subject;

/// Idempotent: a document that is completed or failed already stays as it is.
pub(super) async fn close(document_id: i64, documents: &Documents, outcome: &Outcome) -> anyhow::Result<()> {
    // A dead job's last attempt has said why; of a withdrawn one only the withdrawal matters.
    let keep_message = outcome.state == State::Dead;
    rows::fail(&documents.pool, document_id, sentence(outcome), keep_message).await?;
    documents.gateway.close(subject(document_id)).await
}

pub(super) fn subject(document_id: i64) -> Subject {
    Subject { kind: "document", id: document_id }
}

/// For a row whose attempts left no sentence of their own. The queue's reason is for operators and may be technical.
fn sentence(outcome: &Outcome) -> &'static str {
    match (outcome.state, outcome.kind.as_deref()) {
        (State::Cancelled, _) => "Processing was cancelled.",
        (State::Expired, _) => "Processing did not begin in time and was given up.",
        (_, Some("poison")) => "Processing this document stopped the worker several times, so it was given up.",
        _ => "A technical problem kept this document from being processed.",
    }
}
