//! Before a call: its turn under the shared limits. What a job is told that cannot have it now.

use std::time::{Duration, Instant};

use rand::RngExt;

use super::{Gateway, Inquiry, meaning, pauses};
use crate::admission::{Answer, Budget, Hold, Need, Shortage};
use crate::fault::Fault;
use crate::ledger::CallKey;
use crate::openai::Question;

/// A wait this short is waited for in place: to begin the job anew would take as long.
const IN_PLACE: Duration = Duration::from_secs(1);
/// In place in all.
const IN_PLACE_MAX: Duration = Duration::from_secs(2);
/// Before Redis is asked again after it did not answer.
const WITHOUT_REDIS: Duration = Duration::from_secs(5);
/// A job looks this often whether its user's budget was raised, or batches have left something of theirs.
const LOOK_EVERY: Duration = Duration::from_secs(15 * 60);

impl Gateway {
    /// Waits for the turn of a question while that is short.
    ///
    /// # Errors
    /// A [`Fault`] that spends no attempt: later, or an operator's pause.
    pub(super) async fn turn(&self, inquiry: &Inquiry<'_>, question: &Question, longest: Duration) -> Result<Hold, Fault> {
        let model = self.openai.model();
        let input_tokens = question.input_tokens(model);
        let ticket = ticket(&inquiry.key);
        let need = Need {
            ticket: &ticket,
            user_id: inquiry.caller.user_id,
            tokens: input_tokens + u64::from(question.output_tokens_max),
            micro_usd: self
                .openai
                .prices()
                .cost_micro_usd(model, u32::try_from(input_tokens).unwrap_or(u32::MAX), question.output_tokens_max)
                .map_or(0, i64::unsigned_abs),
            longest,
        };
        let came_at = Instant::now();
        loop {
            let answer = match self.admission.admit(&need).await {
                Ok(answer) => answer,
                Err(error) => {
                    let sentence = "the shared limits of the model cannot be asked for";
                    return Err(Fault::later(spread(WITHOUT_REDIS), sentence).because(error));
                }
            };
            match answer {
                Answer::Granted(hold) => return Ok(hold),
                Answer::Wait { wait, .. } if wait <= IN_PLACE && came_at.elapsed() + wait <= IN_PLACE_MAX => tokio::time::sleep(wait).await,
                Answer::Wait { wait, why } => return Err(Fault::later(wait, format!("it waits for {why}"))),
                Answer::Spent(shortage) => return Err(spent(&shortage, need.micro_usd)),
                Answer::Promised { shortage, promised_micro_usd } => return Err(promised(&shortage, promised_micro_usd, need.micro_usd)),
            }
        }
    }
}

/// A budget cannot pay for the next request.
fn spent(shortage: &Shortage, needed_micro_usd: u64) -> Fault {
    let Shortage { budget, limit_micro_usd, renews_in, .. } = *shortage;
    let facts = facts(shortage, None, needed_micro_usd);
    if budget.is_of_user() {
        // Only this user's jobs wait; those of others go on.
        return Fault::later(spread(renews_in.min(LOOK_EVERY)), format!("its user's budget is spent: {facts}"));
    }
    let reason = format!(
        "The budget for the model is spent: {facts}. It renews with the next UTC {}; or raise {} and restart the workers.",
        if matches!(budget, Budget::Day) { "day" } else { "month" },
        budget.setting(),
    );
    meaning::stopped(pauses::by_budget(reason, budget, limit_micro_usd, renews_in))
}

/// What is left of a budget may go to batches under way. The queue goes on: answers that come from those batches need no money.
fn promised(shortage: &Shortage, promised_micro_usd: u64, needed_micro_usd: u64) -> Fault {
    let facts = facts(shortage, Some(promised_micro_usd), needed_micro_usd);
    Fault::later(spread(shortage.renews_in.min(LOOK_EVERY)), format!("what is left of its budget is kept for batches under way: {facts}"))
}

fn facts(shortage: &Shortage, promised_micro_usd: Option<u64>, needed_micro_usd: u64) -> String {
    let usd = |micro: u64| micro as f64 / 1e6;
    let Shortage { budget, limit_micro_usd, spent_micro_usd, .. } = *shortage;
    let promised = promised_micro_usd.map_or_else(String::new, |micro| format!(", up to {:.4} may go to batches", usd(micro)));
    format!(
        "{} allows {:.2} USD {budget}; {:.4} are spent{promised}, and the next request may cost up to {:.4}",
        budget.setting(),
        usd(limit_micro_usd),
        usd(spent_micro_usd),
        usd(needed_micro_usd)
    )
}

/// The same at every try of a question, so that it keeps its place in the line.
fn ticket(key: &CallKey) -> String {
    format!("{}:{}:{}:{}", key.subject.kind, key.subject.id, key.step, key.page)
}

/// Up to a quarter longer, so that those who wait for the same thing do not come at once.
pub(super) fn spread(wait: Duration) -> Duration {
    wait + wait.mul_f64(rand::rng().random_range(0.0..0.25))
}
