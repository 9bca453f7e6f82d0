//! When the job has ended without completing its document: the row says so, also where no handler ran, and no text is left behind.

use celeriac_queue::{Outcome, State};
use sqlx::PgConnection;

use super::study::Study;
use super::{Documents, page, recognize};
use crate::ledger::{Ledger, Subject};

/// Idempotent: a document that is completed or failed already stays as it is.
pub(crate) async fn close<S: Study>(document_id: i64, documents: &Documents, outcome: &Outcome) -> anyhow::Result<()> {
    // A dead job's last attempt has said why; of a withdrawn one only the withdrawal matters.
    let keep_message = outcome.state == State::Dead;
    let mut transaction = documents.pool.begin().await?;
    S::fail(&mut transaction, document_id, sentence(outcome), keep_message).await?;
    forget_text(&mut transaction, S::SUBJECT, document_id).await?;
    transaction.commit().await?;
    documents.gateway.close(Subject { kind: S::SUBJECT, id: document_id }).await
}

/// Deletes what bears the document's text and only a retry would need: recognized pages, here and in the ledger.
pub(super) async fn forget_text(transaction: &mut PgConnection, subject: &'static str, document_id: i64) -> sqlx::Result<()> {
    page::forget(transaction, subject, document_id).await?;
    Ledger::forget_answers(transaction, Subject { kind: subject, id: document_id }, recognize::STEP).await
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
