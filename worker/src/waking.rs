//! Waiting for a wake-up token, in a task and on a connection of its own.
//!
//! The wait must never be dropped half-way: Redis may already have handed out the token, and an idle worker elsewhere would sleep on. So
//! the fetcher asks, goes on with other things, and hears the answer when it comes; at most one question is open.

use std::time::Duration;

use celeriac_queue::{Connection, QueueName, Waker};
use tokio::sync::mpsc;
use tokio_util::task::AbortOnDropHandle;

use crate::patience::pause_after;
use crate::trouble::Trouble;

/// Once a wait has failed, a wait this short shows whether waiting works again: so trouble does not outlive its cause, whether or not the
/// fetcher has room and asks.
const PROOF: Duration = Duration::from_millis(10);
/// One blocking wait. Its end tells a living line from a dead one, nothing more: due moments have their own timer.
const LONGEST: Duration = Duration::from_secs(20);
const DUTY: &str = "waiting for work";

/// What came of a wait.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Heard {
    /// There is work; the token is ours, to use or to pass on.
    Token,
    /// Nothing came in all that time.
    Nothing,
    /// The line broke: there may or may not be work.
    LineBroken,
}

/// The fetcher's end.
pub(crate) struct Waking {
    questions: mpsc::Sender<()>,
    answers: mpsc::Receiver<Heard>,
    is_asked: bool,
    /// Never waits; only passes tokens on.
    passer: Waker,
    listener: AbortOnDropHandle<()>,
}

impl Waking {
    pub(crate) fn start(connection: &Connection, queues: &[QueueName], trouble: Trouble) -> Self {
        let (questions, asked) = mpsc::channel(1);
        let (answer, answers) = mpsc::channel(1);
        let waker = Waker::new(connection.clone(), queues);
        let listener = AbortOnDropHandle::new(tokio::spawn(listen(waker, asked, answer, trouble)));
        Self { questions, answers, is_asked: false, passer: Waker::new(connection.clone(), queues), listener }
    }

    /// Begins a wait unless one is under way.
    pub(crate) fn ask(&mut self) {
        if !self.is_asked && self.questions.try_send(()).is_ok() {
            self.is_asked = true;
        }
    }

    /// The answer to the open question; never, when none is open. May be dropped and called again.
    pub(crate) async fn answer(&mut self) -> Heard {
        if !self.is_asked {
            return std::future::pending().await;
        }
        let heard = self.answers.recv().await.unwrap_or(Heard::LineBroken);
        self.is_asked = false;
        heard
    }

    /// Gives a token that this worker has no use for to another.
    pub(crate) async fn pass_on(&self) {
        // Should this fail, the other workers' own timers find the work a little later.
        if let Err(error) = self.passer.pass_on().await {
            tracing::debug!(%error, "a wake-up token could not be passed on");
        }
    }

    /// Ends the wait. A token that may have come at this very moment is passed on.
    pub(crate) async fn stop(self) {
        self.listener.abort();
        if self.is_asked {
            self.pass_on().await;
        }
    }
}

async fn listen(mut waker: Waker, mut asked: mpsc::Receiver<()>, answer: mpsc::Sender<Heard>, trouble: Trouble) {
    while asked.recv().await.is_some() {
        let waited = waker.wait(LONGEST).await;
        let heard = match &waited {
            Ok(true) => Heard::Token,
            Ok(false) => Heard::Nothing,
            Err(_) => Heard::LineBroken,
        };
        if answer.send(heard).await.is_err() {
            return;
        }
        if let Err(error) = waited {
            trouble.begins(DUTY, error);
            mend(&mut waker, &trouble).await;
        }
    }
}

/// Tries until waiting works.
async fn mend(waker: &mut Waker, trouble: &Trouble) {
    let mut failures = 1;
    loop {
        tokio::time::sleep(pause_after(failures)).await;
        match waker.wait(PROOF).await {
            Ok(got_token) => {
                trouble.ends(DUTY);
                if got_token {
                    // Should this fail, the fetchers' own timers find the work a little later.
                    let _ = waker.pass_on().await;
                }
                return;
            }
            Err(error) => {
                failures += 1;
                trouble.begins(DUTY, error);
            }
        }
    }
}
