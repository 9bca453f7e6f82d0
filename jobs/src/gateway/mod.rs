//! The one way to OpenAI for every job: a question waits for its turn under the shared limits, goes through the ledger, is asked, settled
//! before anything else happens, and every way it can end gets its meaning for the job here and nowhere else.
//!
//! ```text
//!  turn (admission) ─▶ begin (ledger) ─▶ ask ─▶ settle (ledger, then admission) ─▶ told
//!        ▲                                        │ not of the form asked for
//!        └────────── asked once more, with what was wrong ◀┘
//! ```

mod meaning;
mod pauses;
mod repair;
mod turn;

use std::time::Duration;

use crate::admission::{Admission, End, Hold, Use};
use crate::batching::{self, Asker, Batching, Wanted};
use crate::checkpoint::checkpoint;
use crate::fault::Fault;
use crate::ledger::{Batched, Call, CallKey, Caller, Ledger, Paid, Permit, StoredAnswer, Subject};
use crate::openai::{Asked, Learned, OpenAi, Outcome, Prices, Question, Usage};
use repair::Defect;

/// Answers of no use that are paid for before the job gives up.
const UNUSABLE_ANSWERS_MAX: i32 = 2;

/// So many calls of one question may end in a 429 without spending an attempt of the job: nobody waits for ever.
const TOO_FAST_MAX: i32 = 50;
const TOO_FAST_WAIT_MIN: Duration = Duration::from_millis(500);

/// Added to the longest call when waiting for another job's, for what that job does before and after.
const MARGIN: Duration = Duration::from_secs(10);

const IN_A_BATCH: &str = "the question waits for a batch of OpenAI's, at half the price";

/// Asks the model for jobs. Cheap to clone.
#[derive(Debug, Clone)]
pub struct Gateway {
    openai: OpenAi,
    ledger: Ledger,
    admission: Admission,
    batching: Option<Batching>,
}

/// One question, and who asks it about what.
pub(crate) struct Inquiry<'a> {
    pub(crate) key: CallKey,
    pub(crate) question: &'a Question,
    pub(crate) caller: Caller<'a>,
    /// It need not be answered at once: it may go into a batch, at half the price.
    pub(crate) asker: Option<Asker<'a>>,
}

/// What the model said, read.
#[derive(Debug)]
pub(crate) struct Told<T> {
    pub(crate) value: T,
    /// The model that answered.
    pub(crate) model: String,
    /// False: it was found in the ledger, and nobody was asked.
    pub(crate) fresh: bool,
}

impl Gateway {
    pub fn new(openai: OpenAi, ledger: Ledger, admission: Admission) -> Self {
        Self { openai, ledger, admission, batching: None }
    }

    /// Questions that have time go into batches.
    #[must_use]
    pub fn with_batching(self, batching: Batching) -> Self {
        Self { batching: Some(batching), ..self }
    }

    pub fn ledger(&self) -> &Ledger {
        &self.ledger
    }

    /// The model that is asked.
    pub(crate) fn model(&self) -> &str {
        self.openai.model()
    }

    /// How long the answers about a subject are still waited for, from a batch; `None`: go on.
    ///
    /// # Errors
    /// When PostgreSQL does not answer.
    pub(crate) async fn waits(&self, subject: Subject) -> anyhow::Result<Option<Duration>> {
        match &self.batching {
            Some(batching) => batching.waits(subject).await,
            None => Ok(None),
        }
    }

    /// The job of a subject has ended for good.
    ///
    /// # Errors
    /// When PostgreSQL does not answer.
    pub(crate) async fn close(&self, subject: Subject) -> anyhow::Result<()> {
        if let Some(batching) = &self.batching {
            batching.withdraw_all(subject).await?;
        }
        self.ledger.leave_to_a_person(subject).await
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
        let mut repetition = None;
        if let Some(stored) = self.ledger.stored(&inquiry.key, &digest).await? {
            match self.useless(&inquiry.key, &stored, &read).await? {
                None => return told(stored, false, &read),
                Some(defect) => repetition = Some(repair::repetition(inquiry.question, &defect)),
            }
        }
        self.put_aside(&inquiry, &digest).await?;
        loop {
            let question = repetition.as_ref().unwrap_or(inquiry.question);
            let call = match self.begin(&inquiry, question, &digest).await? {
                Begun::Call(call) => call,
                Begun::Answered(stored) => return told(stored, false, &read),
            };
            let defect = match self.make(call, question, &read).await? {
                Made::Told(told) => return Ok(told),
                Made::OffForm(defect) => defect,
            };
            if repetition.is_some() {
                return Err(Fault::again(meaning::NOT_USABLE).because(defect.error()));
            }
            repetition = Some(repair::repetition(inquiry.question, &defect));
        }
    }

    /// What is wrong with a stored answer that came with a batch, where nobody reads them; it is to be made again then.
    async fn useless<T>(
        &self,
        key: &CallKey,
        stored: &StoredAnswer,
        read: impl Fn(&str) -> anyhow::Result<T>,
    ) -> Result<Option<Defect>, Fault> {
        let (Some(batching), Err(error)) = (&self.batching, read(&stored.text)) else { return Ok(None) };
        let from_a_batch = batching.disown(key).await?;
        Ok(from_a_batch.then(|| Defect::new(format!("{error:#}"), Some(stored.text.clone()))))
    }

    /// Into a batch, where there is time.
    async fn put_aside(&self, inquiry: &Inquiry<'_>, digest: &str) -> Result<(), Fault> {
        let (Some(batching), Some(asker)) = (&self.batching, inquiry.asker) else { return Ok(()) };
        let longest = self.openai.timeout() + MARGIN;
        let wanted = Wanted { key: &inquiry.key, request_hash: digest, caller: &inquiry.caller, longest, asker };
        let question = || {
            let (input, output) = (inquiry.question.input_tokens(self.openai.model()), inquiry.question.output_tokens_max);
            let input = u32::try_from(input).unwrap_or(u32::MAX);
            let may_cost_micro_usd = self.openai.prices().batch_cost_micro_usd(self.openai.model(), input, output);
            Ok(batching::Question { request: self.openai.request(inquiry.question)?, may_cost_micro_usd })
        };
        match batching.offer(&self.ledger, &wanted, question).await? {
            Some(wait) => Err(Fault::later(wait, IN_A_BATCH)),
            None => Ok(()),
        }
    }

    /// Another job asked and had time, and this one has none: it is asked directly, in a moment.
    async fn withdraw(&self, batched: &Batched) -> Fault {
        match &self.batching {
            Some(batching) => match batching.withdraw(batched).await {
                Ok(()) => Fault::later(Duration::from_secs(1), IN_A_BATCH),
                Err(error) => error.into(),
            },
            None => Fault::later(MARGIN, IN_A_BATCH),
        }
    }

    /// First its turn, then the ledger: a question that has to wait leaves no trace there.
    async fn begin(&self, inquiry: &Inquiry<'_>, question: &Question, digest: &str) -> Result<Begun, Fault> {
        let longest = self.openai.timeout() + MARGIN;
        let hold = self.turn(inquiry, question, longest).await?;
        let fault = match self.ledger.begin(&inquiry.key, digest, &inquiry.caller, longest).await {
            Ok(Call::Make(permit)) => return Ok(Begun::Call(Admitted { permit, hold })),
            Ok(Call::Answered(stored)) => {
                self.admission.settle(hold, &Use::default()).await;
                return Ok(Begun::Answered(stored));
            }
            Ok(Call::UnderWay(wait)) => Fault::later(wait, "another job is asking the model about this document"),
            Ok(Call::LostTwice) => meaning::lost_twice(),
            Ok(Call::Over) => Fault::superseded(),
            Ok(Call::Batched(batched)) => self.withdraw(&batched).await,
            Err(error) => error.into(),
        };
        self.admission.settle(hold, &Use::default()).await;
        Err(fault)
    }

    /// Makes the call and settles it, in the ledger before anything else is done with it.
    async fn make<T>(&self, call: Admitted, question: &Question, read: impl Fn(&str) -> anyhow::Result<T>) -> Result<Made<T>, Fault> {
        let Admitted { permit, hold } = call;
        checkpoint("model.before_call").await;
        let Asked { outcome, learned, latency } = self.openai.ask(question).await;
        checkpoint("model.after_answer").await;
        let used = used(&outcome, learned, latency, self.openai.prices());
        let made = self.settle(&permit, &outcome, &read).await;
        let pause = self.admission.settle(hold, &used).await;
        checkpoint("model.after_call").await;
        match (made?, outcome) {
            (Settled::Answered(stored), _) => told(stored, true, read).map(Made::Told),
            (Settled::OffForm(defect), _) => Ok(Made::OffForm(defect)),
            (Settled::Refused, Outcome::RateLimited { retry_after }) if permit.number < TOO_FAST_MAX => Err(too_fast(retry_after, pause)),
            (Settled::Refused, outcome) => Err(meaning::refusal(&outcome, &self.openai)),
        }
    }

    /// In the ledger. An answer of no use that is not to be asked for once more is a fault here.
    async fn settle<T>(&self, permit: &Permit, outcome: &Outcome, read: impl Fn(&str) -> anyhow::Result<T>) -> Result<Settled, Fault> {
        let (name, prices) = (outcome.name(), self.openai.prices());
        match outcome {
            Outcome::Answer { text, usage } => match read(text) {
                Ok(_) => Ok(Settled::Answered(self.ledger.answered(permit, text, &paid(usage, prices)).await?)),
                Err(error) => self.off_form(permit, "off_form", usage, Defect::new(format!("{error:#}"), Some(text.clone()))).await,
            },
            Outcome::InvalidJson { usage } => self.off_form(permit, name, usage, Defect::new("it was not a JSON object", None)).await,
            Outcome::Refusal { usage } => {
                self.ledger.unusable(permit, name, &paid(usage, prices)).await?;
                Err(Fault::never("The AI service declined to analyze this document."))
            }
            Outcome::Incomplete { reason, usage } => {
                self.ledger.unusable(permit, &format!("{name}: {reason}"), &paid(usage, prices)).await?;
                Err(meaning::incomplete(reason))
            }
            Outcome::Timeout | Outcome::NoFirstByte | Outcome::Cut { .. } | Outcome::Unreadable { .. } => {
                self.ledger.lost(permit, name).await?;
                Err(if permit.is_repeat { meaning::lost_twice() } else { meaning::not_now(outcome) })
            }
            _ => {
                self.ledger.refused(permit, name).await?;
                Ok(Settled::Refused)
            }
        }
    }

    /// Paid for, and of no use as it is; whether it is asked once more depends on how many such answers there were.
    async fn off_form(&self, permit: &Permit, name: &str, usage: &Usage, defect: Defect) -> Result<Settled, Fault> {
        let count = self.ledger.unusable(permit, name, &paid(usage, self.openai.prices())).await?;
        if count >= UNUSABLE_ANSWERS_MAX {
            return Err(Fault::never(meaning::NOT_USABLE).because(defect.error()));
        }
        Ok(Settled::OffForm(defect))
    }
}

/// A call that may be made, by the shared limits and by the ledger.
struct Admitted {
    permit: Permit,
    hold: Hold,
}

enum Begun {
    Call(Admitted),
    /// Another run was faster.
    Answered(StoredAnswer),
}

/// How a call stands in the ledger.
enum Settled {
    Answered(StoredAnswer),
    OffForm(Defect),
    /// Nothing was bought.
    Refused,
}

/// What became of a call that was answered.
enum Made<T> {
    Told(Told<T>),
    OffForm(Defect),
}

fn told<T>(stored: StoredAnswer, fresh: bool, read: impl Fn(&str) -> anyhow::Result<T>) -> Result<Told<T>, Fault> {
    let StoredAnswer { text, model, .. } = stored;
    Ok(Told { value: read(&text)?, model, fresh })
}

/// The job comes again when the provider, or the pause that all workers share, lets it; no attempt is spent.
fn too_fast(retry_after: Option<Duration>, pause: Duration) -> Fault {
    let wait = retry_after.unwrap_or_default().max(pause).max(TOO_FAST_WAIT_MIN);
    Fault::later(turn::spread(wait), "the model's provider asks for slower work (429)")
}

fn paid(usage: &Usage, prices: &Prices) -> Paid {
    let Usage { model, input_tokens, output_tokens, request_id, latency } = usage.clone();
    let cost_micro_usd = prices.cost_micro_usd(&model, input_tokens, output_tokens);
    let counted = |tokens: u32| i32::try_from(tokens).unwrap_or(i32::MAX);
    Paid { model, input_tokens: counted(input_tokens), output_tokens: counted(output_tokens), cost_micro_usd, request_id, latency }
}

/// For the shared limits.
fn used(outcome: &Outcome, learned: Learned, latency: Duration, prices: &Prices) -> Use {
    let (end, usage) = match outcome {
        Outcome::Answer { usage, .. } | Outcome::Refusal { usage } | Outcome::Incomplete { usage, .. } | Outcome::InvalidJson { usage } => {
            (End::Answered, Some(usage))
        }
        Outcome::RateLimited { .. } => (End::Limited, None),
        Outcome::Timeout | Outcome::NoFirstByte | Outcome::Cut { .. } | Outcome::Unreadable { .. } => (End::Lost, None),
        _ => (End::Refused, None),
    };
    let retry_after = if let Outcome::RateLimited { retry_after } = outcome { *retry_after } else { None };
    Use {
        end,
        tokens: usage.map_or(0, |usage| u64::from(usage.input_tokens) + u64::from(usage.output_tokens)),
        micro_usd: usage.and_then(|usage| paid(usage, prices).cost_micro_usd).map_or(0, i64::unsigned_abs),
        latency: Some(latency),
        retry_after,
        learned,
    }
}
