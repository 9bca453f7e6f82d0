//! Draws that a seed repeats: the same for the same number of a request, whatever the order in which requests are worked on.

use std::time::Duration;

use sha2::{Digest, Sha256};

#[derive(Debug, Clone, Copy, Default)]
pub(super) struct Chance {
    pub(super) seed: u64,
}

impl Chance {
    /// Evenly between 0 (included) and 1 (excluded); `what` sets apart the draws for one request.
    pub(super) fn draw(self, what: &str, number: u64) -> f64 {
        let digest = Sha256::new().chain_update(self.seed.to_be_bytes()).chain_update(number.to_be_bytes()).chain_update(what).finalize();
        let bits = u64::from_be_bytes(digest[..8].try_into().expect("a digest has 32 bytes"));
        (bits >> 11) as f64 / (1_u64 << 53) as f64
    }

    pub(super) fn latency(self, number: u64, least: Duration, most: Duration) -> Duration {
        least + most.saturating_sub(least).mul_f64(self.draw("latency", number))
    }

    /// One of the choices for a share `rate` of the numbers, `None` for the others.
    pub(super) fn pick<T: Clone>(self, number: u64, rate: f64, choices: &[T]) -> Option<T> {
        if choices.is_empty() || self.draw("whether", number) >= rate {
            return None;
        }
        let index = (self.draw("which", number) * choices.len() as f64) as usize;
        choices.get(index).cloned()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_seed_repeats_its_draws_and_the_rate_is_about_what_was_asked() {
        let picks = |seed| (0..10_000).filter_map(|number| Chance { seed }.pick(number, 0.02, &["a", "b"])).collect::<Vec<_>>();
        assert_eq!(picks(7), picks(7));
        assert_ne!(picks(7), picks(8));
        assert!((150..250).contains(&picks(7).len()), "{}", picks(7).len());
        assert!(picks(7).contains(&"a") && picks(7).contains(&"b"));
        let (least, most) = (Duration::from_millis(100), Duration::from_millis(900));
        assert!((0..100).all(|number| (least..most).contains(&Chance { seed: 7 }.latency(number, least, most))));
    }
}
