//! The pace of a background duty: rest between passes, and what it says when a store is down: once, with growing pauses, until it is
//! over. A duty never dies of a store's trouble.

use std::future::Future;
use std::time::{Duration, Instant};

use celeriac_process::in_words;
use tokio_util::sync::CancellationToken;

const PAUSE_MIN: Duration = Duration::from_millis(100);
const PAUSE_MAX: Duration = Duration::from_secs(5);

pub(crate) struct Pace {
    /// What the duty does, as in "relaying the outbox".
    duty: &'static str,
    stop: CancellationToken,
    trouble: Option<Trouble>,
}

struct Trouble {
    since: Instant,
    pause: Duration,
    said: String,
}

impl Pace {
    pub(crate) fn new(duty: &'static str, stop: CancellationToken) -> Self {
        Self { duty, stop, trouble: None }
    }

    /// After a pass: rests for as long as the pass asked, or less when `wake` resolves; after a failed pass for a growing pause.
    /// False when the duty should end.
    pub(crate) async fn rest_until(&mut self, pass: anyhow::Result<Duration>, wake: impl Future<Output = ()>) -> bool {
        let stop = self.stop.clone();
        match self.note(pass) {
            Ok(rest) => tokio::select! {
                () = stop.cancelled() => false,
                () = wake => true,
                () = tokio::time::sleep(rest) => true,
            },
            Err(pause) => tokio::select! {
                () = stop.cancelled() => false,
                () = tokio::time::sleep(pause) => true,
            },
        }
    }

    pub(crate) async fn rest(&mut self, pass: anyhow::Result<Duration>) -> bool {
        self.rest_until(pass, std::future::pending()).await
    }

    fn note(&mut self, pass: anyhow::Result<Duration>) -> Result<Duration, Duration> {
        match pass {
            Ok(rest) => {
                if let Some(trouble) = self.trouble.take() {
                    tracing::info!(
                        duty = self.duty,
                        duration_ms = trouble.since.elapsed().as_millis() as u64,
                        "{}: works again",
                        self.duty
                    );
                }
                Ok(rest)
            }
            Err(error) => {
                let words = in_words(&error) + hint(&error);
                let trouble = self.trouble.get_or_insert_with(|| Trouble { since: Instant::now(), pause: PAUSE_MIN, said: String::new() });
                // The same words are not repeated; another cause is worth another line.
                if trouble.said != words {
                    tracing::warn!(duty = self.duty, error = %words, "{} fails and will be tried until it works: {words}", self.duty);
                    trouble.said = words;
                }
                let pause = trouble.pause;
                trouble.pause = (pause * 2).min(PAUSE_MAX);
                // Several schedulers that lost the same store do not come back in step.
                Err(pause.mul_f64(rand::random_range(0.5..1.0)))
            }
        }
    }
}

/// What to do about an error that has one usual cause.
fn hint(error: &anyhow::Error) -> &'static str {
    let sql = error.chain().find_map(|cause| cause.downcast_ref::<sqlx::Error>());
    match sql.and_then(sqlx::Error::as_database_error).and_then(|error| error.code()).as_deref() {
        // No such table, schema, function or column.
        Some("42P01" | "3F000" | "42883" | "42703") => " (run `celeriac migrate up`)",
        _ => "",
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn pauses_grow_up_to_a_limit_and_begin_anew_after_a_good_pass() {
        let mut pace = Pace::new("testing", CancellationToken::new());
        let mut failed = || pace.note(Err(anyhow::anyhow!("down"))).unwrap_err();
        let first = failed();
        assert!(first <= PAUSE_MIN, "{first:?}");
        let tenth = (0..9).map(|_| failed()).last().unwrap();
        assert!(tenth > PAUSE_MAX / 3 && tenth <= PAUSE_MAX, "{tenth:?}");
        assert_eq!(pace.note(Ok(Duration::ZERO)), Ok(Duration::ZERO));
        assert!(pace.note(Err(anyhow::anyhow!("down"))).unwrap_err() <= PAUSE_MIN);
    }
}
