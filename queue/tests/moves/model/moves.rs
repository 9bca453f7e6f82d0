//! What may happen to a queue.

use proptest::bool::weighted;
use proptest::collection::vec;
use proptest::prelude::{Just, Strategy, any, prop_oneof};
use proptest::sample::select;

pub(crate) const WORKERS: usize = 3;

/// Few, so that their lives get in each other's way.
const IDS: [&str; 6] = ["a", "b", "c", "d", "e", "f"];

#[derive(Debug, Clone, Copy)]
pub(crate) enum Move {
    Enqueue {
        id: &'static str,
        priority: u8,
        later: bool,
    },
    /// Time passes: a scheduled job is due.
    FallDue {
        id: &'static str,
    },
    /// A job's lease runs out, and its worker does not know it.
    LoseLease {
        id: &'static str,
    },
    /// A worker dies, or sleeps past all its leases.
    Crash {
        worker: usize,
    },
    /// Nobody could reach the queue for an hour.
    Outage,
    Claim {
        worker: usize,
        credit: usize,
    },
    Extend {
        worker: usize,
    },
    Release {
        worker: usize,
    },
    /// One of all deliveries that ever were, lost or settled ones too.
    Settle {
        which: usize,
        how: How,
    },
    Cancel {
        id: &'static str,
    },
    Requeue {
        id: &'static str,
    },
    /// One of all notices that were ever handed out.
    Acknowledge {
        which: usize,
    },
    /// A notice was handed out to a worker that died.
    LoseNotice {
        id: &'static str,
    },
    /// A record's time is up, and somebody prunes.
    Prune {
        id: &'static str,
    },
    /// The time is up for which an id is remembered.
    Forget {
        id: &'static str,
    },
    Pause,
    Resume,
}

#[derive(Debug, Clone, Copy)]
pub(crate) enum How {
    Complete { keep: bool },
    Retry,
    Snooze,
    Bury,
    Expire,
    Cancel,
}

pub(crate) fn moves() -> impl Strategy<Value = Vec<Move>> {
    let id = || select(&IDS[..]);
    let worker = || 0..WORKERS;
    let how = prop_oneof![
        4 => any::<bool>().prop_map(|keep| How::Complete { keep }),
        3 => Just(How::Retry),
        1 => Just(How::Snooze),
        2 => Just(How::Bury),
        1 => Just(How::Expire),
        1 => Just(How::Cancel),
    ];
    let next = prop_oneof![
        14 => (id(), select(vec![0_u8, 5, 5, 5]), weighted(0.3)).prop_map(|(id, priority, later)| Move::Enqueue { id, priority, later }),
        4 => id().prop_map(|id| Move::FallDue { id }),
        2 => id().prop_map(|id| Move::LoseLease { id }),
        3 => worker().prop_map(|worker| Move::Crash { worker }),
        1 => Just(Move::Outage),
        8 => (worker(), 0..6_usize).prop_map(|(worker, credit)| Move::Claim { worker, credit }),
        2 => worker().prop_map(|worker| Move::Extend { worker }),
        2 => worker().prop_map(|worker| Move::Release { worker }),
        8 => (any::<usize>(), how).prop_map(|(which, how)| Move::Settle { which, how }),
        6 => id().prop_map(|id| Move::Cancel { id }),
        4 => id().prop_map(|id| Move::Requeue { id }),
        4 => any::<usize>().prop_map(|which| Move::Acknowledge { which }),
        1 => id().prop_map(|id| Move::LoseNotice { id }),
        3 => id().prop_map(|id| Move::Prune { id }),
        3 => id().prop_map(|id| Move::Forget { id }),
        1 => Just(Move::Pause),
        2 => Just(Move::Resume),
    ];
    vec(next, 1..100)
}
