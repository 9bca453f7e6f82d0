//! When what is disturbed: drawn from a seed alone, so that a run can be repeated.

use std::collections::BTreeMap;
use std::time::Duration;

use rand::rngs::StdRng;
use rand::{RngExt, SeedableRng};

/// How long a woken worker is left alone, so that it has time to try what it must not succeed in.
const AFTER_WAKING: Duration = Duration::from_secs(2);

/// Before that there is nothing to lose: workers are starting, and hold nothing.
const CALM: Duration = Duration::from_secs(2);

/// One disturbance; workers are named by their place.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Disturbance {
    /// SIGKILL, and another one starts in its place.
    KillWorker(usize),
    /// SIGSTOP: it falls silent for longer than its leases last.
    StopWorker(usize),
    /// SIGCONT.
    WakeWorker(usize),
    /// CLIENT KILL of every connection.
    CutConnections,
    /// SIGKILL, and a start on what is on disk. Where Redis syncs once a second, as after a power cut: what it appended within the last
    /// `unsynced` is not on disk.
    KillRedis { unsynced: Duration },
}

/// How often, and of whom.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Weather {
    pub(crate) seconds: u64,
    pub(crate) workers: usize,
    pub(crate) lease: Duration,
    /// One within each period of so many seconds.
    pub(crate) stop_every: u64,
    pub(crate) cut_every: u64,
    pub(crate) redis_kill_every: u64,
}

/// What happens when, in order.
pub(crate) fn schedule(seed: u64, weather: &Weather) -> Vec<(Duration, Disturbance)> {
    let mut random = StdRng::seed_from_u64(seed);
    let mut steps = Vec::new();
    let within_each = |period: u64, random: &mut StdRng| -> Vec<Duration> {
        let moment = |turn: u64| Duration::from_millis(turn * period * 1_000 + random.random_range(0..period * 1_000));
        (0..weather.seconds / period).map(moment).map(|at| at.max(CALM)).collect()
    };
    for at in within_each(weather.redis_kill_every, &mut random) {
        steps.push((at, Disturbance::KillRedis { unsynced: Duration::from_millis(random.random_range(0..800)) }));
    }
    for at in within_each(weather.cut_every, &mut random) {
        steps.push((at, Disturbance::CutConnections));
    }
    // By worker: from when to when it is nobody's victim.
    let mut spared: BTreeMap<usize, Vec<(Duration, Duration)>> = BTreeMap::new();
    for at in within_each(weather.stop_every, &mut random) {
        let worker = random.random_range(0..weather.workers);
        let asleep = weather.lease + Duration::from_millis(random.random_range(1_000..3_000));
        let spells = spared.entry(worker).or_default();
        if spells.iter().all(|(_, until)| *until < at) {
            spells.push((at, at + asleep + AFTER_WAKING));
            steps.push((at, Disturbance::StopWorker(worker)));
            steps.push((at + asleep, Disturbance::WakeWorker(worker)));
        }
    }
    for second in 1..=weather.seconds {
        let at = Duration::from_millis(second * 1_000);
        let first = random.random_range(0..weather.workers);
        let awake =
            |worker: &usize| !spared.get(worker).is_some_and(|spells| spells.iter().any(|(from, until)| (*from..*until).contains(&at)));
        if let Some(worker) = (0..weather.workers).map(|next| (first + next) % weather.workers).find(awake) {
            steps.push((at, Disturbance::KillWorker(worker)));
        }
    }
    steps.sort_by_key(|(at, _)| *at);
    steps
}

#[cfg(test)]
mod tests {
    use super::*;

    const WEATHER: Weather =
        Weather { seconds: 60, workers: 4, lease: Duration::from_secs(3), stop_every: 5, cut_every: 5, redis_kill_every: 15 };

    #[test]
    fn a_seed_says_it_all() {
        assert_eq!(schedule(7, &WEATHER), schedule(7, &WEATHER));
        assert_ne!(schedule(7, &WEATHER), schedule(8, &WEATHER));
    }

    #[test]
    fn a_worker_is_killed_every_second_but_none_that_sleeps_or_has_just_woken() {
        for seed in 0..50 {
            let steps = schedule(seed, &WEATHER);
            assert_eq!(steps.iter().filter(|(_, step)| matches!(step, Disturbance::KillWorker(_))).count(), 60);
            let mut asleep = [None::<Duration>; 4];
            for (at, step) in steps {
                match step {
                    Disturbance::StopWorker(worker) => asleep[worker] = Some(Duration::MAX),
                    Disturbance::WakeWorker(worker) => asleep[worker] = Some(at + AFTER_WAKING),
                    Disturbance::KillWorker(worker) => assert!(asleep[worker].is_none_or(|until| until <= at), "seed {seed}"),
                    Disturbance::CutConnections | Disturbance::KillRedis { .. } => {}
                }
            }
        }
    }
}
