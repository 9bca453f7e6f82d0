//! What each way a call can end without an answer means: a sentence for the user, and what the queue shall do.

use celeriac_queue::PauseOrder;

use super::pauses;
use crate::fault::Fault;
use crate::openai::{OpenAi, Outcome};

const NOT_NOW: &str = "The AI service could not be reached or is busy.";
pub(super) const NOT_USABLE: &str = "The AI service gave no usable answer for this document.";
const STOPPED: &str = "The AI service is not available to us at the moment; processing goes on when an operator has seen to it.";
const FILTERED: &str = "The AI service's content filter stopped the analysis of this document.";

/// A plain "no" of the provider; nothing was bought. A 429 comes here only after so many that it counts as the job's failure.
pub(super) fn refusal(outcome: &Outcome, openai: &OpenAi) -> Fault {
    let paused = |reason: String| stopped(pauses::by_key(reason, openai.fingerprint()));
    match outcome {
        Outcome::Unauthorized { status } => paused(format!(
            "OpenAI refused the key in OPENAI_API_KEY (status {status}). Set a valid key and restart the workers; that resumes the queue."
        )),
        Outcome::QuotaExhausted => paused(
            "The OpenAI account behind OPENAI_API_KEY has no budget left. Raise its limit or add credit, then resume the queue.".to_owned(),
        ),
        Outcome::ModelNotFound => paused(format!(
            "OpenAI has no model \"{}\" for this account. Set OPENAI_MODEL to one it has and restart the workers; that resumes the queue.",
            openai.model()
        )),
        Outcome::NotFound => paused(
            "Nobody answers questions at OPENAI_BASE_URL (status 404). Correct it and restart the workers; that resumes the queue."
                .to_owned(),
        ),
        Outcome::TooLarge => Fault::never("The document is larger than the AI service takes at once.")
            .because(anyhow::anyhow!("the question is larger than the provider's limit of tokens a minute, or of bytes (413, 429)")),
        Outcome::Filtered => Fault::never(FILTERED),
        Outcome::BadRequest { .. } => Fault::never("The AI service did not accept this document.").because(detail(outcome)),
        Outcome::RateLimited { retry_after } | Outcome::ServerError { retry_after, .. } | Outcome::Busy { retry_after, .. } => {
            Fault::after(*retry_after, NOT_NOW).because(detail(outcome))
        }
        _ => not_now(outcome),
    }
}

/// No job that asks the model can be done.
pub(super) fn stopped(order: PauseOrder) -> Fault {
    Fault::operator(STOPPED, order)
}

/// Nothing came back; another try may succeed.
pub(super) fn not_now(outcome: &Outcome) -> Fault {
    Fault::again(NOT_NOW).because(detail(outcome))
}

pub(super) fn incomplete(reason: &str) -> Fault {
    let sentence = match reason {
        "max_output_tokens" => "The analysis of this document became too long and was cut off before its end.",
        "content_filter" => FILTERED,
        _ => "The AI service stopped before the analysis of this document was complete.",
    };
    Fault::never(sentence).because(anyhow::anyhow!("the answer is incomplete: {reason}"))
}

pub(super) fn lost_twice() -> Fault {
    Fault::never("The AI service's answer was lost twice, so this document is left to a person.").because(anyhow::anyhow!(
        "two calls were sent and may have been paid for, and neither answer arrived; replaying the job makes a third"
    ))
}

fn detail(outcome: &Outcome) -> anyhow::Error {
    anyhow::anyhow!("{outcome:?}")
}
