//! How long a background duty waits before it tries again what failed.

use std::time::Duration;

use celeriac_queue::Backoff;

/// From 50 ms to 2 s, jittered: when Redis comes back, not all workers come at once, and each has gone on within seconds.
const BACKOFF: Backoff = Backoff { base: Duration::from_millis(50), factor: 2.0, max: Duration::from_secs(2), jitter: true };

/// Jitter may say zero; that would be no pause at all.
const SHORTEST: Duration = Duration::from_millis(10);

/// The pause after that many failures in a row, from 1.
pub(crate) fn pause_after(failures: u32) -> Duration {
    BACKOFF.delay(failures).max(SHORTEST)
}
