//! `decode_denial_letter`: takes apart a letter that refuses something (what was denied, why, on what evidence, until when it can be
//! contested) into tables of its own. It shares reading, recognizing, asking and saving with [`crate::documents`].

use celeriac_queue::Policy;
use chrono::{DateTime, Utc};
use serde::{Deserialize, Serialize};

use crate::documents::{self, Processed};

#[cfg(feature = "handlers")]
mod decode;
#[cfg(feature = "handlers")]
mod finding;

#[cfg(feature = "handlers")]
pub use finding::{Deadline, DenialLetter, DeniedCondition};

/// Wire name of [`DecodeDenialLetter`].
pub const NAME: &str = "decode_denial_letter";

/// The letter, a row of `celeriac.documents`; whether process_document has been at it does not matter.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub struct DecodeDenialLetter {
    pub document_id: i64,
    /// When it is needed; with time enough until then it may come from a batch, at half the price.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub deadline: Option<DateTime<Utc>>,
}

impl DecodeDenialLetter {
    /// As soon as can be.
    pub fn new(document_id: i64) -> Self {
        Self { document_id, deadline: None }
    }
}

/// As [`documents::policy`].
pub fn policy() -> Policy {
    documents::study_policy()
}

#[cfg(feature = "handlers")]
impl celeriac_queue::Job for DecodeDenialLetter {
    const NAME: &'static str = NAME;
    type State = documents::Documents;
    type Output = Processed;

    fn policy() -> Policy {
        policy()
    }

    async fn run(self, documents: documents::Documents, ctx: celeriac_queue::JobContext) -> celeriac_queue::JobResult<Processed> {
        documents::run::run::<decode::Decode>(self.document_id, self.deadline, &documents, &ctx).await
    }

    async fn on_terminal(
        self,
        documents: documents::Documents,
        _ctx: celeriac_queue::JobContext,
        outcome: celeriac_queue::Outcome,
    ) -> anyhow::Result<()> {
        documents::ending::close::<decode::Decode>(self.document_id, &documents, &outcome).await
    }
}
