//! In which order a worker's queues are claimed from, and for how many of its free slots.

use rand::RngExt;

use crate::Sharing;

/// The turns of a round are made anew each time.
pub(crate) struct Shares {
    sharing: Sharing,
    queues: usize,
}

/// One look at one queue.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Turn {
    /// Its place among the worker's queues.
    pub(crate) queue: usize,
    /// Slots it may take at most in this turn.
    pub(crate) share: usize,
    /// Only for work that the first turn left behind, with what the others did not take.
    pub(crate) is_second: bool,
}

impl Shares {
    pub(crate) fn new(sharing: &Sharing, queues: usize) -> Self {
        Self { sharing: sharing.clone(), queues }
    }

    pub(crate) fn turns(&self, free: usize) -> Vec<Turn> {
        let Sharing::Weighted(weights) = &self.sharing else {
            return (0..self.queues).map(|queue| Turn { queue, share: free, is_second: false }).collect();
        };
        let total: u64 = weights.iter().map(|weight| u64::from(*weight)).sum();
        let share_of = |queue: usize| (free as u64 * u64::from(weights[queue])).div_ceil(total) as usize;
        let order = shuffled(weights);
        let first = order.iter().map(|queue| Turn { queue: *queue, share: share_of(*queue), is_second: false });
        let second = order.iter().map(|queue| Turn { queue: *queue, share: free, is_second: true });
        first.chain(second).collect()
    }
}

/// A random order in which each place falls to a queue by its weight, so that also a single free slot is shared by weight in the long run
/// (Efraimidis and Spirakis, "Weighted random sampling with a reservoir", 2006).
fn shuffled(weights: &[u32]) -> Vec<usize> {
    let mut rng = rand::rng();
    let mut keyed: Vec<(f64, usize)> =
        weights.iter().enumerate().map(|(queue, weight)| (rng.random::<f64>().powf(1.0 / f64::from(*weight)), queue)).collect();
    keyed.sort_by(|a, b| b.0.total_cmp(&a.0));
    keyed.into_iter().map(|(_, queue)| queue).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn without_weights_the_order_is_as_given_and_each_may_take_all() {
        let turns = Shares::new(&Sharing::Strict, 2).turns(7);
        assert_eq!(turns, [0, 1].map(|queue| Turn { queue, share: 7, is_second: false }));
    }

    #[test]
    fn many_slots_are_split_by_weight_and_a_single_one_goes_by_weight_in_the_long_run() {
        let shares = Shares::new(&Sharing::Weighted(vec![3, 1]), 2);
        let mut first = 0;
        for _ in 0..4_000 {
            let turns = shares.turns(100);
            assert_eq!(turns.len(), 4);
            for turn in &turns {
                let expected = if turn.is_second { 100 } else { [75, 25][turn.queue] };
                assert_eq!(turn.share, expected);
            }
            first += usize::from(turns[0].queue == 0);
        }
        // 3,000 expected; 250 are nine standard deviations.
        assert!(first.abs_diff(3_000) < 250, "the queue of weight 3 was first {first} times of 4,000");
    }
}
