//! From how a run ended to what becomes of its job.

use std::time::Duration;

use celeriac_process::in_words;
use celeriac_queue::{JobError, Policy};
use serde_json::Value;

use crate::held::Interruption;
use crate::limits::End;
use crate::moves::Move;

/// Which attempt this was, of how many.
#[derive(Debug, Clone, Copy)]
pub(crate) struct AttemptCount {
    /// From 1.
    pub(crate) number: u32,
    pub(crate) max: u32,
}

/// What a run came to: its output, or a move of another kind than complete.
pub(crate) enum Verdict {
    Finished(Value),
    Otherwise(Move),
}

/// The one place that decides whether, and how, a job is acknowledged.
pub(crate) fn classify(end: End, attempt: AttemptCount, policy: &Policy) -> Verdict {
    let to = match end {
        // Acknowledged: the work is done and, where it writes to PostgreSQL, committed.
        End::Returned(Ok(output)) => return Verdict::Finished(output),
        // The attempt is spent; the lease is given up and the job waits for the next one, or is dead after the last.
        End::Returned(Err(JobError::Retry(error))) => failed(in_words(&error), policy.backoff.delay(attempt.number), attempt),
        // The same, but somebody said how long to wait.
        End::Returned(Err(JobError::RetryAfter(delay, error))) => failed(in_words(&error), delay, attempt),
        // The same: a body that panics has failed, no more and no less.
        End::Panicked(message) => failed(format!("it panicked: {message}"), policy.backoff.delay(attempt.number), attempt),
        // The same: the body was dropped, what it had not committed is undone.
        End::OutOfTime => failed(
            format!("it ran longer than its limit of {}", duration_in_words(policy.time_limit)),
            policy.backoff.delay(attempt.number),
            attempt,
        ),
        // Not acknowledged, nothing spent: the body wants to wait without holding a slot.
        End::Returned(Err(JobError::Snooze(delay, why))) => Move::Snooze { delay, why },
        // Acknowledged as dead at once: trying again cannot help.
        End::Returned(Err(JobError::Bury(error))) => Move::Bury { kind: "refused", reason: in_words(&error) },
        // Acknowledged as cancelled: the body withdrew.
        End::Returned(Err(JobError::Cancel(reason))) => Move::Cancel { reason },
        // Not acknowledged, nothing spent: no job of this queue can be done until somebody, or something, has acted.
        End::Returned(Err(JobError::PauseQueue(order))) => Move::PauseQueue(order),
        // Not ours any more: the store of a step has refused this delivery before the heartbeat heard of it.
        End::Returned(Err(JobError::LeaseLost)) => interrupted(Interruption::LeaseLost),
        End::Interrupted(why) => interrupted(why),
    };
    Verdict::Otherwise(to)
}

/// A run that was told to end, or was never begun for that reason.
pub(crate) fn interrupted(why: Interruption) -> Move {
    match why {
        // Acknowledged as cancelled: that is what was asked for.
        Interruption::CancelAsked => Move::Cancel { reason: "cancelled while it was running".to_owned() },
        // Not ours any more: whoever has the lease now settles it.
        Interruption::LeaseLost => Move::Forget,
        // Not acknowledged, nothing spent: another worker begins it anew.
        Interruption::Stopping => Move::Release,
    }
}

fn failed(error: String, delay: Duration, attempt: AttemptCount) -> Move {
    if attempt.number >= attempt.max { Move::Bury { kind: "failed", reason: error } } else { Move::Retry { delay, error } }
}

/// `30 min`, `90 s`, `250 ms`: the largest unit that says it exactly.
fn duration_in_words(time: Duration) -> String {
    let ms = time.as_millis();
    match ms {
        0 => "0 ms".to_owned(),
        _ if ms.is_multiple_of(3_600_000) => format!("{} h", ms / 3_600_000),
        _ if ms.is_multiple_of(60_000) => format!("{} min", ms / 60_000),
        _ if ms.is_multiple_of(1_000) => format!("{} s", ms / 1_000),
        _ => format!("{ms} ms"),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn moved(end: End, number: u32) -> Move {
        let policy = Policy { max_attempts: 3, time_limit: Duration::from_secs(1800), ..Policy::default() };
        match classify(end, AttemptCount { number, max: policy.max_attempts }, &policy) {
            Verdict::Otherwise(to) => to,
            Verdict::Finished(output) => panic!("finished with {output}"),
        }
    }

    #[test]
    fn every_kind_of_failed_attempt_is_retried_until_the_last_one_is_buried() {
        type MakeEnd = fn() -> End;
        let ends: [(MakeEnd, &str); 4] = [
            (|| End::Returned(Err(JobError::Retry(anyhow::anyhow!("no route").context("cannot send")))), "cannot send: no route"),
            (|| End::Returned(Err(JobError::RetryAfter(Duration::ZERO, anyhow::anyhow!("busy")))), "busy"),
            (|| End::Panicked("boom".to_owned()), "it panicked: boom"),
            (|| End::OutOfTime, "it ran longer than its limit of 30 min"),
        ];
        for (end, expected) in ends {
            assert!(matches!(moved(end(), 2), Move::Retry { error, .. } if error == expected));
            assert!(matches!(moved(end(), 3), Move::Bury { kind: "failed", reason } if reason == expected));
        }
    }

    #[test]
    fn what_a_provider_said_of_the_wait_is_kept() {
        let end = End::Returned(Err(JobError::RetryAfter(Duration::from_secs(77), anyhow::anyhow!("busy"))));
        assert!(matches!(moved(end, 1), Move::Retry { delay, .. } if delay == Duration::from_secs(77)));
    }

    #[test]
    fn a_snooze_a_pause_and_an_interruption_spend_no_attempt_even_on_the_last() {
        assert!(matches!(moved(End::Returned(Err(JobError::Snooze(Duration::ZERO, String::new()))), 3), Move::Snooze { .. }));
        assert!(matches!(moved(End::Returned(Err(JobError::PauseQueue("".into()))), 3), Move::PauseQueue(_)));
        assert!(matches!(moved(End::Interrupted(Interruption::Stopping), 3), Move::Release));
        assert!(matches!(moved(End::Interrupted(Interruption::LeaseLost), 3), Move::Forget));
        assert!(matches!(moved(End::Returned(Err(JobError::LeaseLost)), 3), Move::Forget));
    }
}
