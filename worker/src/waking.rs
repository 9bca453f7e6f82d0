//! Waiting for wake-up tokens, in tasks and on connections of their own: one for all queues, or in a cluster one a queue.
//!
//! A wait must never be dropped half-way: Redis may already have handed out the token, and an idle worker elsewhere would sleep on. So
//! the fetcher asks, goes on with other things, and hears the answers when they come; at most one question a listener is open.

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

/// What came of one wait.
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
    listeners: Vec<Listener>,
    answers: mpsc::Receiver<(usize, Heard)>,
}

/// A task that waits for some of the queues.
struct Listener {
    questions: mpsc::Sender<()>,
    is_asked: bool,
    /// Never waits; only passes tokens on.
    passer: Waker,
    task: AbortOnDropHandle<()>,
}

impl Waking {
    pub(crate) fn start(connection: &Connection, queues: &[QueueName], trouble: Trouble) -> Self {
        let groups = Waker::groups(connection, queues);
        // Room for an answer from each: none of them ever waits to be heard.
        let (answer, answers) = mpsc::channel(groups.len().max(1));
        let listener = |(number, group): (usize, &[QueueName])| {
            let (questions, asked) = mpsc::channel(1);
            let waker = Waker::new(connection.clone(), group);
            let task = AbortOnDropHandle::new(tokio::spawn(listen(number, waker, asked, answer.clone(), trouble.clone())));
            Listener { questions, is_asked: false, passer: Waker::new(connection.clone(), group), task }
        };
        Self { listeners: groups.into_iter().enumerate().map(listener).collect(), answers }
    }

    /// Begins a wait wherever none is under way.
    pub(crate) fn ask(&mut self) {
        for listener in &mut self.listeners {
            if !listener.is_asked && listener.questions.try_send(()).is_ok() {
                listener.is_asked = true;
            }
        }
    }

    /// The answer to an open question, and who gave it; never, when none is open. May be dropped and called again.
    pub(crate) async fn answer(&mut self) -> (usize, Heard) {
        match self.answers.recv().await {
            Some((number, heard)) => {
                self.listeners[number].is_asked = false;
                (number, heard)
            }
            // The listeners live as long as this does.
            None => std::future::pending().await,
        }
    }

    /// Gives a token that this worker has no use for to another.
    pub(crate) async fn pass_on(&self, number: usize) {
        // Should this fail, the other workers' own timers find the work a little later.
        if let Err(error) = self.listeners[number].passer.pass_on().await {
            tracing::debug!(%error, "a wake-up token could not be passed on");
        }
    }

    /// Ends the waits. Tokens that may have come at this very moment are passed on.
    pub(crate) async fn stop(self) {
        self.listeners.iter().for_each(|listener| listener.task.abort());
        let asked = (0..self.listeners.len()).filter(|number| self.listeners[*number].is_asked);
        futures::future::join_all(asked.map(|number| self.pass_on(number))).await;
    }
}

async fn listen(number: usize, mut waker: Waker, mut asked: mpsc::Receiver<()>, answer: mpsc::Sender<(usize, Heard)>, trouble: Trouble) {
    while asked.recv().await.is_some() {
        let waited = waker.wait(LONGEST).await;
        let heard = match &waited {
            Ok(true) => Heard::Token,
            Ok(false) => Heard::Nothing,
            Err(_) => Heard::LineBroken,
        };
        if answer.send((number, heard)).await.is_err() {
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
