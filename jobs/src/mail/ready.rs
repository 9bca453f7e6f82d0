//! A completed document is announced in the transaction that completes it: its mail is enqueued exactly when the completion commits.

use sqlx::PgConnection;

/// Whether completed documents are announced by mail.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Announcing {
    /// No mail server is configured: nothing is enqueued that nobody could do.
    Off,
    ByMail,
}

impl Announcing {
    /// Enqueues the mail, through the outbox, if the document's user wants it. Called in the transaction that completes the document. The
    /// job's id is made of the document's, so that a second call enqueues nothing.
    ///
    /// # Errors
    /// When PostgreSQL does not answer, or refuses; then the transaction is lost.
    pub async fn announce(self, transaction: &mut PgConnection, document_id: i64) -> sqlx::Result<()> {
        if self == Self::ByMail {
            sqlx::query!(
                r#"select celeriac.enqueue('send_document_ready_email', jsonb_build_object('document_id', documents.id),
                                           id => 'document-ready-' || documents.id, origin => 'worker') as "id!"
                   from celeriac.documents join celeriac.recipients using (user_id) where documents.id = $1 and document_ready"#,
                document_id
            )
            .fetch_optional(transaction)
            .await?;
        }
        Ok(())
    }
}
