//! The one way to OpenAI for every job: a question goes through the ledger, is asked, settled before anything else happens, and every
//! way it can end gets its meaning for the job here and nowhere else.
//!
//! ```text
//!  begin (ledger) ─▶ ask ─▶ settle (ledger) ─▶ read ─▶ told
//!        ▲                                      │ not of the form asked for
//!        └───────── asked once more, with what was wrong ◀┘
//! ```

mod meaning;
mod repair;

use std::time::Duration;

use crate::checkpoint::checkpoint;
use crate::fault::Fault;
use crate::ledger::{Call, CallKey, Caller, Ledger, Paid, Permit, StoredAnswer};
use crate::openai::{OpenAi, Outcome, Question, Usage, cost_micro_usd};
use repair::Defect;

/// Answers of no use that are paid for before the job gives up.
const UNUSABLE_ANSWERS_MAX: i32 = 2;

/// Added to the longest call when waiting for another job's, for what that job does before and after.
const MARGIN: Duration = Duration::from_secs(10);

/// Asks the model for jobs. Cheap to clone.
#[derive(Debug, Clone)]
pub struct Gateway {
    openai: OpenAi,
    ledger: Ledger,
}

/// One question, and who asks it about what.
pub(crate) struct Inquiry<'a> {
    pub(crate) key: CallKey,
    pub(crate) question: &'a Question,
    pub(crate) job_id: &'a str,
    /// Wire name of the asking job.
    pub(crate) job: &'static str,
    /// Whose work it is, when it is a user's.
    pub(crate) user_id: Option<i64>,
}

/// What the model said, read.
#[derive(Debug)]
pub(crate) struct Told<T> {
    pub(crate) value: T,
    /// The model that answered.
    pub(crate) model: String,
    /// Of all calls that it took.
    pub(crate) input_tokens: i32,
    pub(crate) output_tokens: i32,
    /// False: it was found in the ledger, and nobody was asked.
    pub(crate) fresh: bool,
}

impl Gateway {
    pub fn new(openai: OpenAi, ledger: Ledger) -> Self {
        Self { openai, ledger }
    }

    pub fn ledger(&self) -> &Ledger {
        &self.ledger
    }

    /// The model that is asked.
    pub(crate) fn model(&self) -> &str {
        self.openai.model()
    }

    /// From the ledger when it was paid for before, from the model otherwise.
    ///
    /// `read` checks the answer and takes from it what is wanted. Its error must quote neither the answer nor the document: it is told to
    /// the model, which is asked once more, and to the operator.
    ///
    /// # Errors
    /// A [`Fault`] with a sentence for the user and what the queue shall do.
    pub(crate) async fn ask<T>(&self, inquiry: Inquiry<'_>, read: impl Fn(&str) -> anyhow::Result<T>) -> Result<Told<T>, Fault> {
        // Also of a repetition with a note: it is the same question, and its answer is the answer to it.
        let digest = inquiry.question.digest();
        let caller = Caller { job_id: inquiry.job_id, job: inquiry.job, user_id: inquiry.user_id };
        let longest = self.openai.timeout() + MARGIN;
        let mut repetition = None;
        loop {
            let permit = match self.ledger.begin(&inquiry.key, &digest, &caller, longest).await? {
                Call::Answered(stored) => return told(stored, false, &read),
                Call::Make(permit) => permit,
                Call::UnderWay(wait) => return Err(Fault::later(wait, "another job is asking the model about this document")),
                Call::LostTwice => return Err(meaning::lost_twice()),
            };
            let question = repetition.as_ref().unwrap_or(inquiry.question);
            let defect = match self.make(&permit, question, &read).await? {
                Made::Told(told) => return Ok(told),
                Made::OffForm(defect) => defect,
            };
            if repetition.is_some() {
                return Err(Fault::again(meaning::NOT_USABLE).because(defect.error()));
            }
            repetition = Some(repair::repetition(inquiry.question, &defect));
        }
    }

    /// Makes the call and settles it in the ledger before anything else is done with it.
    async fn make<T>(&self, permit: &Permit, question: &Question, read: impl Fn(&str) -> anyhow::Result<T>) -> Result<Made<T>, Fault> {
        checkpoint("model.before_call").await;
        let outcome = self.openai.ask(question).await;
        checkpoint("model.after_answer").await;
        let name = outcome.name();
        match outcome {
            Outcome::Answer { text, usage } => match read(&text) {
                Ok(_) => {
                    let stored = self.ledger.answered(permit, &text, &paid(usage)).await?;
                    checkpoint("model.after_call").await;
                    told(stored, true, read).map(Made::Told)
                }
                Err(error) => self.off_form(permit, "off_form", usage, Defect::new(format!("{error:#}"), Some(text))).await,
            },
            Outcome::InvalidJson { usage } => self.off_form(permit, name, usage, Defect::new("it was not a JSON object", None)).await,
            Outcome::Refusal { usage } => {
                self.ledger.unusable(permit, name, &paid(usage)).await?;
                Err(Fault::never("The AI service declined to analyze this document."))
            }
            Outcome::Incomplete { reason, usage } => {
                self.ledger.unusable(permit, &format!("{name}: {reason}"), &paid(usage)).await?;
                Err(meaning::incomplete(&reason))
            }
            Outcome::Timeout | Outcome::Cut { .. } | Outcome::Unreadable { .. } => {
                self.ledger.lost(permit, name).await?;
                Err(if permit.is_repeat { meaning::lost_twice() } else { meaning::not_now(&outcome) })
            }
            refused => {
                self.ledger.refused(permit, name).await?;
                Err(meaning::refusal(&refused, self.openai.model()))
            }
        }
    }

    /// Paid for, and of no use as it is; whether it is asked once more depends on how many such answers there were.
    async fn off_form<T>(&self, permit: &Permit, name: &str, usage: Usage, defect: Defect) -> Result<Made<T>, Fault> {
        let count = self.ledger.unusable(permit, name, &paid(usage)).await?;
        if count >= UNUSABLE_ANSWERS_MAX {
            return Err(Fault::never(meaning::NOT_USABLE).because(defect.error()));
        }
        Ok(Made::OffForm(defect))
    }
}

/// What became of a call that was answered.
enum Made<T> {
    Told(Told<T>),
    OffForm(Defect),
}

fn told<T>(stored: StoredAnswer, fresh: bool, read: impl Fn(&str) -> anyhow::Result<T>) -> Result<Told<T>, Fault> {
    let StoredAnswer { text, model, input_tokens, output_tokens } = stored;
    Ok(Told { value: read(&text)?, model, input_tokens, output_tokens, fresh })
}

fn paid(usage: Usage) -> Paid {
    let Usage { model, input_tokens, output_tokens, request_id, latency } = usage;
    let cost_micro_usd = cost_micro_usd(&model, input_tokens, output_tokens);
    let counted = |tokens: u32| i32::try_from(tokens).unwrap_or(i32::MAX);
    Paid { model, input_tokens: counted(input_tokens), output_tokens: counted(output_tokens), cost_micro_usd, request_id, latency }
}
