//! What becomes of a job after a run: the moves that the settler makes.

use std::time::Duration;

use celeriac_queue::{Next, Outcome, PauseOrder};

use crate::run::Run;

/// One settling move. The names are those of the state chart.
#[derive(Debug)]
pub(crate) enum Move {
    /// The work is done.
    Complete {
        outcome: Box<Outcome>,
        keep: Duration,
        remember: Duration,
        /// The link of its chain that comes now.
        next: Option<Box<Next>>,
    },
    /// The attempt failed and others are left.
    Retry {
        delay: Duration,
        error: String,
    },
    /// Not now, and no attempt is spent.
    Snooze {
        delay: Duration,
        why: String,
    },
    /// Never again. `kind` as in [`Outcome::kind`].
    Bury {
        kind: &'static str,
        reason: String,
    },
    Cancel {
        reason: String,
    },
    /// It came past its deadline.
    Expire,
    /// Back to the head of its queue, as if it had not been claimed.
    Release,
    /// Nobody can do this kind of work now: the queue is paused with the reason and the job kept.
    PauseQueue(PauseOrder),
    /// The lease is lost: the job is another worker's, and nothing may be changed.
    Forget,
}

impl Move {
    /// The move's word, as everywhere.
    pub(crate) fn name(&self) -> &'static str {
        match self {
            Self::Complete { .. } => "complete",
            Self::Retry { .. } => "retry",
            Self::Snooze { .. } | Self::PauseQueue(_) => "snooze",
            Self::Bury { .. } => "bury",
            Self::Cancel { .. } => "cancel",
            Self::Expire => "expire",
            Self::Release => "release",
            Self::Forget => "forget",
        }
    }
}

/// A run and its move, on the way to the settler.
pub(crate) struct Settlement {
    pub(crate) run: Run,
    pub(crate) to: Move,
}
