//! Who is struck when and where, from a seed alone.

use std::time::Duration;

use rand::rngs::StdRng;
use rand::seq::SliceRandom;
use rand::{RngExt, SeedableRng};

/// Every checkpoint of a job about a document.
pub const CHECKPOINTS: [&str; 9] = [
    "documents.after_begin",
    "documents.page_recognized",
    "documents.page_stored",
    "documents.after_extract",
    "documents.before_commit",
    "documents.after_commit",
    "model.before_call",
    "model.after_answer",
    "model.after_call",
];

/// How long a worker is left alone once it has work, at most: most jobs are to end in peace, or none would ever be run a second time.
const PEACE_MS_MAX: u64 = 1_500;

/// Where a worker is struck.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Place {
    Checkpoint(&'static str),
    /// At whatever it does at the moment.
    Anywhere,
}

/// What ends a worker.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Strike {
    pub(super) place: Place,
    /// From its first job on.
    pub(super) peace: Duration,
    /// SIGSTOP until its lease has run out, then SIGCONT, and an end in good order; otherwise SIGKILL.
    pub(super) sleeps: bool,
}

/// Rounds until there are as many kills: in each, one kill a checkpoint, as many at any moment, and two sleeps, in an order of its own.
pub(super) fn strikes(seed: u64, kills: usize) -> Vec<Strike> {
    let mut random = StdRng::seed_from_u64(seed);
    let mut strikes: Vec<Strike> = Vec::new();
    let mut left = kills;
    while left > 0 {
        let mut round: Vec<(Place, bool)> = CHECKPOINTS.iter().map(|name| (Place::Checkpoint(name), false)).collect();
        round.extend(CHECKPOINTS.iter().map(|_| (Place::Anywhere, false)));
        round.push((Place::Checkpoint(CHECKPOINTS[random.random_range(0..CHECKPOINTS.len())]), true));
        round.push((Place::Anywhere, true));
        round.shuffle(&mut random);
        for (place, sleeps) in round {
            if left == 0 {
                break;
            }
            left -= usize::from(!sleeps);
            strikes.push(Strike { place, peace: Duration::from_millis(random.random_range(0..PEACE_MS_MAX)), sleeps });
        }
    }
    strikes
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;

    use super::*;

    #[test]
    fn a_seed_says_it_all_and_a_round_strikes_at_every_checkpoint() {
        assert_eq!(strikes(7, 50), strikes(7, 50));
        assert_ne!(strikes(7, 50), strikes(8, 50));
        for seed in 0..50 {
            let plan = strikes(seed, 2 * CHECKPOINTS.len());
            assert_eq!(plan.iter().filter(|strike| !strike.sleeps).count(), 2 * CHECKPOINTS.len());
            let places: BTreeSet<&str> = plan.iter().filter(|strike| !strike.sleeps).filter_map(Strike::checkpoint).collect();
            assert_eq!(places, CHECKPOINTS.into_iter().collect(), "seed {seed}");
        }
    }

    /// A checkpoint that somebody adds to a document's job is struck too, or this fails.
    #[test]
    fn the_checkpoints_are_those_of_the_code() {
        let mut found = BTreeSet::new();
        let mut folders = vec![std::path::PathBuf::from(concat!(env!("CARGO_MANIFEST_DIR"), "/../jobs/src"))];
        while let Some(folder) = folders.pop() {
            for entry in std::fs::read_dir(folder).unwrap() {
                let path = entry.unwrap().path();
                if path.is_dir() {
                    folders.push(path);
                } else {
                    let text = std::fs::read_to_string(&path).unwrap_or_default();
                    found.extend(text.split("checkpoint(\"").skip(1).filter_map(|rest| rest.split('"').next().map(str::to_owned)));
                }
            }
        }
        let others = ["renewals.", "backup.", "mail.", "purge.", "batches."];
        let of_documents: BTreeSet<String> = found.into_iter().filter(|name| !others.iter().any(|other| name.starts_with(other))).collect();
        assert_eq!(of_documents, CHECKPOINTS.into_iter().map(str::to_owned).collect());
    }
}
