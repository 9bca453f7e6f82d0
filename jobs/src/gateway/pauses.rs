//! Pauses that the gateway asks for, and how they end by themselves: a budget's when it renews or is changed, a key's when it is changed.
//! A pause names its cause (never a secret); a worker whose settings differ from it lifts exactly that pause.

use std::time::Duration;

use celeriac_queue::{Client, Inspector, PauseOrder, QueueName};

use super::Gateway;
use crate::admission::{Budget, Limits};

const BY_KEY: &str = "openai key ";
const BY_BUDGET: &str = "openai budget ";

/// How often a worker compares standing pauses with its settings: a rolling deploy has old workers, which pause anew, for a while.
const LOOK_EVERY: Duration = Duration::from_secs(30);

/// Until a person resumes the queue, or a worker comes with another key, address or model.
pub(super) fn by_key(reason: impl Into<String>, fingerprint: &str) -> PauseOrder {
    PauseOrder { reason: reason.into(), resume_in: None, cause: Some(format!("{BY_KEY}{fingerprint}")) }
}

/// Until the budget renews, or a worker comes with another one.
pub(super) fn by_budget(reason: String, budget: Budget, limit_micro_usd: u64, renews_in: Duration) -> PauseOrder {
    let cause = format!("{BY_BUDGET}{}={limit_micro_usd}", budget.name());
    PauseOrder { reason, resume_in: Some(renews_in), cause: Some(cause) }
}

/// Whether a pause for that cause is about settings that are not ours.
fn is_outdated(cause: &str, fingerprint: &str, limits: &Limits) -> bool {
    if let Some(theirs) = cause.strip_prefix(BY_KEY) {
        return theirs != fingerprint;
    }
    let Some((name, theirs)) = cause.strip_prefix(BY_BUDGET).and_then(|rest| rest.split_once('=')) else { return false };
    let ours = Budget::ALL.into_iter().find(|budget| budget.name() == name).map(|budget| limits.budget(budget));
    ours.is_some_and(|ours| theirs.parse() != Ok(ours))
}

impl Gateway {
    /// Lifts outdated pauses of these queues, at once and for as long as the worker runs.
    pub async fn watch_pauses(self, client: Client, queues: Vec<QueueName>) {
        loop {
            for queue in &queues {
                match self.lift_outdated(&client, queue).await {
                    Ok(true) => tracing::info!(queue.name = %queue, "resumed: it was paused for settings that this worker does not have"),
                    Ok(false) => {}
                    Err(error) => tracing::debug!(queue.name = %queue, %error, "whether the queue is paused could not be asked"),
                }
            }
            tokio::time::sleep(LOOK_EVERY).await;
        }
    }

    /// Whether it was paused for settings that are not ours.
    ///
    /// # Errors
    /// When Redis does not answer.
    pub async fn lift_outdated(&self, client: &Client, queue: &QueueName) -> Result<bool, celeriac_queue::Error> {
        let view = Inspector::new(client.connection().clone()).queue(queue).await?;
        match view.paused.and_then(|pause| pause.cause) {
            Some(cause) if is_outdated(&cause, self.openai.fingerprint(), self.admission.limits()) => client.lift(queue, &cause).await,
            _ => Ok(false),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_a_pause_for_other_settings_is_outdated() {
        let limits = Limits { day: 5_000_000, ..Limits::default() };
        let key = by_key("refused", "ab12").cause.unwrap();
        assert!(!is_outdated(&key, "ab12", &limits) && is_outdated(&key, "ff00", &limits));
        let of = |budget, limit| by_budget(String::new(), budget, limit, Duration::ZERO).cause.unwrap();
        assert!(!is_outdated(&of(Budget::Day, 5_000_000), "ab12", &limits));
        assert!(is_outdated(&of(Budget::Day, 4_000_000), "ab12", &limits), "the budget was raised");
        assert!(is_outdated(&of(Budget::Month, 4_000_000), "ab12", &limits), "there is no such budget any more");
        assert!(!is_outdated("somebody else's", "ab12", &limits));
    }
}
