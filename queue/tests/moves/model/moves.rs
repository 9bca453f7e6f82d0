//! What may happen to a queue.

use celeriac_queue::{Conflict, KeyLimits, Limits};
use proptest::bool::weighted;
use proptest::collection::vec;
use proptest::option;
use proptest::prelude::{Just, Strategy, any, prop_oneof};
use proptest::sample::select;

pub(crate) const WORKERS: usize = 3;

/// Few, so that their lives get in each other's way.
const IDS: [&str; 6] = ["a", "b", "c", "d", "e", "f"];

/// A job as it is enqueued; its arguments are the number of the step.
#[derive(Debug, Clone, Copy)]
pub(crate) struct New {
    pub(crate) id: &'static str,
    pub(crate) priority: u8,
    pub(crate) later: bool,
    pub(crate) key: Option<&'static str>,
    pub(crate) units: Option<u32>,
    pub(crate) unique: Option<(&'static str, Scope, Conflict)>,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Scope {
    Queued,
    Running,
    /// Until [`Move::EndPeriod`].
    Period,
}

#[derive(Debug, Clone)]
pub(crate) enum Move {
    Enqueue(New),
    /// Several in one call.
    EnqueueMany(Vec<New>),
    /// The period of a unique key is over.
    EndPeriod {
        unique: &'static str,
    },
    SetLimits(Limits),
    /// Fourteen jobs have overtaken one of a lower priority.
    Overtake,
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
    /// A person replays it, now or in a minute, if it is dead.
    Replay {
        id: &'static str,
        later: bool,
    },
    /// A person deletes the record of an ended job.
    Delete {
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

const KEYS: [&str; 2] = ["x", "y"];
const UNIQUE_KEYS: [&str; 2] = ["u", "v"];

fn new() -> impl Strategy<Value = New> {
    let scope = select(vec![Scope::Queued, Scope::Running, Scope::Period]);
    let conflict = select(vec![Conflict::Reject, Conflict::Replace, Conflict::KeepLast]);
    let unique = option::weighted(0.4, (select(&UNIQUE_KEYS[..]), scope, conflict));
    let priority = select(vec![0_u8, 5, 5, 5, 9]);
    let key = option::of(select(&KEYS[..]));
    let units = option::weighted(0.2, 1..4_u32);
    (select(&IDS[..]), priority, weighted(0.3), key, units, unique).prop_map(|(id, priority, later, key, units, unique)| New {
        id,
        priority,
        later,
        key,
        units,
        unique,
    })
}

fn limits() -> impl Strategy<Value = Limits> {
    let few = || option::of(1..3_u32);
    (option::weighted(0.3, 1..5_u32), few(), few(), option::weighted(0.3, 1..5_u32)).prop_map(
        |(concurrency, key_concurrency, of_x, weight)| {
            let of_x = KeyLimits { weight: weight.map(f64::from), concurrency: of_x };
            Limits { concurrency, key_concurrency, keys: [("x".to_owned(), of_x)].into(), ..Limits::default() }
        },
    )
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
        14 => new().prop_map(Move::Enqueue),
        2 => vec(new(), 2..5).prop_map(Move::EnqueueMany),
        2 => select(&UNIQUE_KEYS[..]).prop_map(|unique| Move::EndPeriod { unique }),
        1 => prop_oneof![limits(), Just(Limits::default())].prop_map(Move::SetLimits),
        3 => Just(Move::Overtake),
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
        2 => (id(), any::<bool>()).prop_map(|(id, later)| Move::Replay { id, later }),
        2 => id().prop_map(|id| Move::Delete { id }),
        4 => any::<usize>().prop_map(|which| Move::Acknowledge { which }),
        1 => id().prop_map(|id| Move::LoseNotice { id }),
        3 => id().prop_map(|id| Move::Prune { id }),
        3 => id().prop_map(|id| Move::Forget { id }),
        1 => Just(Move::Pause),
        2 => Just(Move::Resume),
    ];
    vec(next, 1..100)
}
