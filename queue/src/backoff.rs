//! When a failed job is tried again.

use std::time::Duration;

use rand::RngExt;
use serde::{Deserialize, Serialize};

/// Exponential backoff. The wait after attempt n (from 1) is `base × factor^(n-1)`, at most `max`; with full jitter, a random part of it.
///
/// Full jitter after Marc Brooker, "Exponential Backoff And Jitter" (AWS Architecture Blog, 2015).
#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize)]
pub struct Backoff {
    pub base: Duration,
    pub factor: f64,
    pub max: Duration,
    /// True: uniformly random between zero and the computed wait, so that jobs that failed together do not come back together.
    pub jitter: bool,
}

impl Default for Backoff {
    fn default() -> Self {
        Self { base: Duration::from_secs(15), factor: 2.0, max: Duration::from_secs(3600), jitter: true }
    }
}

impl Backoff {
    /// The longest wait after that many failed attempts.
    pub fn ceiling(&self, attempts: u32) -> Duration {
        let exponent = attempts.saturating_sub(1).min(1_000);
        let seconds = self.base.as_secs_f64() * self.factor.powi(exponent.cast_signed());
        Duration::try_from_secs_f64(seconds).unwrap_or(self.max).min(self.max)
    }

    /// The wait after that many failed attempts.
    pub fn delay(&self, attempts: u32) -> Duration {
        let ceiling = self.ceiling(attempts);
        if self.jitter { ceiling.mul_f64(rand::rng().random::<f64>()) } else { ceiling }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_wait_doubles_up_to_its_maximum_and_never_overflows() {
        let backoff = Backoff { base: Duration::from_secs(60), factor: 2.0, max: Duration::from_secs(600), jitter: false };
        let waits: Vec<u64> = [1, 2, 3, 4, 5, 1_000_000].map(|n| backoff.delay(n).as_secs()).to_vec();
        assert_eq!(waits, [60, 120, 240, 480, 600, 600]);
    }

    #[test]
    fn jitter_stays_below_the_ceiling_and_is_not_constant() {
        let backoff = Backoff::default();
        let waits: Vec<Duration> = (0..50).map(|_| backoff.delay(3)).collect();
        assert!(waits.iter().all(|wait| *wait <= backoff.ceiling(3)));
        assert!(waits.iter().any(|wait| *wait != waits[0]));
    }
}
