//! Why a run that asks the model did not reach its end: a sentence for the user, and what the queue shall do. Shared by all such jobs.

use std::time::Duration;

use celeriac_queue::{Backoff, JobError, PauseOrder};

/// A failed run.
#[derive(Debug)]
pub(crate) struct Fault {
    /// For the document's owner: plain words, nothing technical, nothing of the document's text.
    pub(crate) sentence: String,
    pub(crate) next: Next,
    /// For the log and the job's history: technical, but without document text or secrets.
    pub(crate) detail: Option<anyhow::Error>,
}

/// What the queue shall do about it.
#[derive(Debug)]
pub(crate) enum Next {
    /// Another try would end the same way.
    Never,
    /// Another try may succeed, not before that wait when one is known.
    Again(Option<Duration>),
    /// Somebody else is at it: look again after that wait, which is no failure.
    Later(Duration),
    /// Nothing of the kind can be done until an operator acts, or what the order says comes about.
    Operator(PauseOrder),
    /// A newer run has the document; this one must not write.
    Superseded,
}

impl Fault {
    pub(crate) fn never(sentence: impl Into<String>) -> Self {
        Self { sentence: sentence.into(), next: Next::Never, detail: None }
    }

    pub(crate) fn again(sentence: impl Into<String>) -> Self {
        Self { sentence: sentence.into(), next: Next::Again(None), detail: None }
    }

    pub(crate) fn after(wait: Option<Duration>, sentence: impl Into<String>) -> Self {
        Self { sentence: sentence.into(), next: Next::Again(wait), detail: None }
    }

    pub(crate) fn later(wait: Duration, sentence: impl Into<String>) -> Self {
        Self { sentence: sentence.into(), next: Next::Later(wait), detail: None }
    }

    pub(crate) fn operator(sentence: impl Into<String>, order: impl Into<PauseOrder>) -> Self {
        Self { sentence: sentence.into(), next: Next::Operator(order.into()), detail: None }
    }

    pub(crate) fn superseded() -> Self {
        let sentence = "a newer run of this document has begun, so this one's lease was lost and nothing of it was written";
        Self { sentence: sentence.into(), next: Next::Superseded, detail: None }
    }

    #[must_use]
    pub(crate) fn because(mut self, detail: impl Into<anyhow::Error>) -> Self {
        self.detail = Some(detail.into());
        self
    }

    /// For the queue. `attempt` counts from 1.
    pub(crate) fn into_job_error(self, backoff: &Backoff, attempt: u32) -> JobError {
        let Self { sentence, next, detail } = self;
        let reason = match detail {
            Some(detail) => detail.context(sentence.trim_end_matches('.').to_owned()),
            None => anyhow::Error::msg(sentence.clone()),
        };
        match next {
            Next::Never => JobError::Bury(reason),
            // The first wait is a setting, so it is computed here and not by the policy of the job type.
            Next::Again(wait) => JobError::RetryAfter(wait.unwrap_or_default().max(backoff.delay(attempt)), reason),
            Next::Superseded => JobError::RetryAfter(backoff.delay(attempt), reason),
            Next::Later(wait) => JobError::Snooze(wait, sentence),
            Next::Operator(order) => JobError::PauseQueue(order),
        }
    }
}

/// A failure of our own machinery (database, disk, process): nothing the user can change, and usually over soon.
impl<E: Into<anyhow::Error>> From<E> for Fault {
    fn from(error: E) -> Self {
        Self::again("A technical problem interrupted the processing of this document.").because(error)
    }
}
