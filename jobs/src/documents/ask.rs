//! The step that costs money: asks the model about a document through the ledger, and says what each outcome means for the job.

use std::time::Duration;

use celeriac_queue::JobContext;

use super::ending::subject;
use super::fault::Fault;
use super::material::Material;
use super::summary::{Analysis, SCHEMA_NAME, schema};
use super::{Documents, Limits};
use crate::checkpoint::checkpoint;
use crate::ledger::{Call, CallKey, Paid, Permit, StoredAnswer};
use crate::openai::{Outcome, Question, Usage, cost_micro_usd};

const INSTRUCTIONS: &str = include_str!("../../prompts/analyze_document.md");

/// Raise it with every change to the instructions or the schema: answers to other questions are then not taken for answers to this one.
const PROMPT_VERSION: &str = "analyze_document/1";

/// Answers of no use that are paid for before the job gives up.
const UNUSABLE_ANSWERS_MAX: i32 = 2;

/// Added to the longest call when waiting for another job's, for what that job does before and after.
const MARGIN: Duration = Duration::from_secs(10);

const NOT_NOW: &str = "The AI service could not be reached or is busy.";
const NOT_USABLE: &str = "The AI service gave no usable answer for this document.";

/// The analysis, and what it took.
pub(super) struct Answer {
    pub(super) analysis: Analysis,
    pub(super) model: String,
    pub(super) tokens: i32,
}

/// From the ledger when it was paid for before, from the model otherwise.
pub(super) async fn ask(document_id: i64, material: Material, documents: &Documents, ctx: &JobContext) -> Result<Answer, Fault> {
    let truncated = material.truncated;
    let question = question(material, &documents.limits);
    let key = CallKey {
        subject: subject(document_id),
        step: "analyze",
        page: 0,
        prompt_version: PROMPT_VERSION,
        model: documents.openai.model().to_owned(),
    };
    let longest = documents.openai.timeout() + MARGIN;
    match documents.ledger.begin(&key, &question.digest(), ctx.id().as_str(), longest).await? {
        Call::Answered(stored) => answer_of(stored, truncated),
        Call::Make(permit) => make(&permit, &question, truncated, documents).await,
        Call::UnderWay(wait) => Err(Fault::later(wait, "another job is asking the model about this document")),
        Call::LostTwice => Err(lost_twice()),
    }
}

fn question(material: Material, limits: &Limits) -> Question {
    Question {
        instructions: INSTRUCTIONS,
        parts: material.parts,
        schema_name: SCHEMA_NAME,
        schema: schema(),
        output_tokens_max: limits.output_tokens_max,
    }
}

/// Makes the call and settles it in the ledger before anything else is done with it.
async fn make(permit: &Permit, question: &Question, truncated: bool, documents: &Documents) -> Result<Answer, Fault> {
    checkpoint("documents.before_call").await;
    let outcome = documents.openai.ask(question).await;
    checkpoint("documents.after_answer").await;
    let ledger = &documents.ledger;
    let name = outcome.name();
    match outcome {
        Outcome::Answer { text, usage } => {
            let paid = paid(usage);
            if let Err(error) = Analysis::parse(&text, truncated) {
                return Err(unusable(ledger.unusable(permit, name, &paid).await?).because(error));
            }
            let stored = ledger.answered(permit, &text, &paid).await?;
            checkpoint("documents.after_call").await;
            answer_of(stored, truncated)
        }
        Outcome::InvalidJson { usage } => Err(unusable(ledger.unusable(permit, name, &paid(usage)).await?)),
        Outcome::Refusal { usage } => {
            ledger.unusable(permit, name, &paid(usage)).await?;
            Err(Fault::never("The AI service declined to analyze this document."))
        }
        Outcome::Incomplete { reason, usage } => {
            ledger.unusable(permit, &format!("{name}: {reason}"), &paid(usage)).await?;
            let sentence = match reason.as_str() {
                "max_output_tokens" => "The analysis of this document became too long and was cut off before its end.",
                "content_filter" => "The AI service's content filter stopped the analysis of this document.",
                _ => "The AI service stopped before the analysis of this document was complete.",
            };
            Err(Fault::never(sentence).because(anyhow::anyhow!("the answer is incomplete: {reason}")))
        }
        Outcome::Timeout | Outcome::Cut { .. } | Outcome::Unreadable { .. } => {
            ledger.lost(permit, name).await?;
            if permit.is_repeat { Err(lost_twice()) } else { Err(Fault::again(NOT_NOW).because(anyhow::anyhow!("{outcome:?}"))) }
        }
        refused => {
            ledger.refused(permit, name).await?;
            Err(refusal(&refused, documents.openai.model()))
        }
    }
}

/// What a plain "no" of the provider means; nothing was bought.
fn refusal(outcome: &Outcome, model: &str) -> Fault {
    const STOPPED: &str = "The AI service is not available to us at the moment; processing goes on when an operator has seen to it.";
    let detail = anyhow::anyhow!("{outcome:?}");
    match outcome {
        Outcome::Unauthorized { status } => Fault::operator(
            STOPPED,
            format!(
                "OpenAI refused the key in OPENAI_API_KEY (status {status}). Set a valid key, restart the workers, then resume the queue."
            ),
        ),
        Outcome::QuotaExhausted => Fault::operator(
            STOPPED,
            "The OpenAI account behind OPENAI_API_KEY has no budget left. Raise its limit or add credit, then resume the queue.",
        ),
        Outcome::ModelNotFound => Fault::operator(
            STOPPED,
            format!(
                "OpenAI has no model \"{model}\" for this account. Set OPENAI_MODEL to one it has, restart the workers, then resume the queue."
            ),
        ),
        Outcome::BadRequest { .. } => Fault::never("The AI service did not accept this document.").because(detail),
        Outcome::RateLimited { retry_after } | Outcome::ServerError { retry_after, .. } => {
            Fault::after(*retry_after, NOT_NOW).because(detail)
        }
        _ => Fault::again(NOT_NOW).because(detail),
    }
}

fn unusable(count: i32) -> Fault {
    if count >= UNUSABLE_ANSWERS_MAX { Fault::never(NOT_USABLE) } else { Fault::again(NOT_USABLE) }
}

fn lost_twice() -> Fault {
    Fault::never("The AI service's answer was lost twice, so this document is left to a person.").because(anyhow::anyhow!(
        "two calls were sent and may have been paid for, and neither answer arrived; replaying the job makes a third"
    ))
}

fn answer_of(stored: StoredAnswer, truncated: bool) -> Result<Answer, Fault> {
    let analysis = Analysis::parse(&stored.text, truncated)?;
    Ok(Answer { analysis, model: stored.model, tokens: stored.input_tokens.saturating_add(stored.output_tokens) })
}

fn paid(usage: Usage) -> Paid {
    let Usage { model, input_tokens, output_tokens, request_id, latency } = usage;
    let cost_micro_usd = cost_micro_usd(&model, input_tokens, output_tokens);
    let counted = |tokens: u32| i32::try_from(tokens).unwrap_or(i32::MAX);
    Paid { model, input_tokens: counted(input_tokens), output_tokens: counted(output_tokens), cost_micro_usd, request_id, latency }
}
