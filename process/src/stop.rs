//! Stopping in good order: the first signal asks, the second insists.

use tokio::signal::unix::{SignalKind, signal};
use tokio_util::sync::CancellationToken;

/// Two steps of the end of a process. Cheap to clone.
#[derive(Debug, Clone, Default)]
pub struct Stop {
    requested: CancellationToken,
    forced: CancellationToken,
}

impl Stop {
    /// One that only the program itself can trigger; for tests and embedding.
    pub fn new() -> Self {
        Self::default()
    }

    /// One that SIGTERM and SIGINT trigger: the first requests, the second forces.
    ///
    /// # Errors
    /// When the signal handlers cannot be installed.
    pub fn on_signals() -> std::io::Result<Self> {
        let stop = Self::default();
        let (mut terminate, mut interrupt) = (signal(SignalKind::terminate())?, signal(SignalKind::interrupt())?);
        let signalled = stop.clone();
        tokio::spawn(async move {
            loop {
                tokio::select! {
                    _ = terminate.recv() => {}
                    _ = interrupt.recv() => {}
                }
                signalled.trigger();
            }
        });
        Ok(stop)
    }

    /// As a signal: the first call requests, a later one forces.
    pub fn trigger(&self) {
        if self.requested.is_cancelled() {
            self.forced.cancel();
        }
        self.requested.cancel();
    }

    /// Resolves once the process should begin to stop.
    pub async fn requested(&self) {
        self.requested.cancelled().await;
    }

    /// Resolves once the process should stop at once.
    pub async fn forced(&self) {
        self.forced.cancelled().await;
    }

    pub fn is_requested(&self) -> bool {
        self.requested.is_cancelled()
    }

    pub fn is_forced(&self) -> bool {
        self.forced.is_cancelled()
    }

    /// The first step, for tasks that take a token.
    pub fn token(&self) -> CancellationToken {
        self.requested.clone()
    }
}
