//! Requests, tokens and requests at once: a crowd of jobs in simulated time, held against what the limits mean.

use std::cmp::Reverse;
use std::collections::BinaryHeap;
use std::time::Duration;

use celeriac_jobs::admission::{Answer, End, Hold, Limits, Use};
use celeriac_queue::Millis;
use rand::rngs::StdRng;
use rand::{RngExt, SeedableRng};

use crate::desk::{MINUTE, NOON, admission, granted, need, wait};

/// What happens next in the simulation, by its moment.
#[derive(Debug, PartialEq, Eq, PartialOrd, Ord)]
enum Event {
    /// A job asks for admission.
    Comes(usize),
    /// A job's call has ended.
    Ends(usize),
}

/// How jobs behave.
struct Crowd {
    jobs: usize,
    /// They come within that time.
    within_ms: u64,
    /// The longest that a call takes, and by how much a job may come after the moment that it was given.
    latency_ms: u64,
    late_ms: u64,
    /// Of a thousand that were told to wait so many never come back.
    vanish: u32,
}

/// What came of it.
#[derive(Debug, Default)]
struct History {
    /// Moment of each grant, its job, and the tokens it was granted.
    grants: Vec<(Millis, usize, u64)>,
    most_at_once: usize,
    asked: usize,
    vanished: usize,
}

impl History {
    /// The most in any minute, however it is cut.
    fn most_in_a_minute(&self, weight: impl Fn(&(Millis, usize, u64)) -> u64) -> u64 {
        let in_window = |from: Millis| self.grants.iter().filter(|(at, ..)| (from..from + MINUTE).contains(at)).map(&weight).sum();
        self.grants.iter().map(|(at, ..)| in_window(*at)).max().unwrap_or(0)
    }

    fn took_ms(&self) -> u64 {
        self.grants.last().map_or(0, |last| last.0 - self.grants[0].0)
    }
}

async fn simulate(limits: Limits, crowd: &Crowd, seed: u64) -> History {
    let mut random = StdRng::seed_from_u64(seed);
    let admission = admission(limits).await;
    let mut events: BinaryHeap<Reverse<(Millis, Event)>> =
        (0..crowd.jobs).map(|job| Reverse((NOON + random.random_range(0..=crowd.within_ms), Event::Comes(job)))).collect();
    let mut holds: Vec<Option<(Hold, u64)>> = (0..crowd.jobs).map(|_| None).collect();
    let (mut history, mut at_once) = (History::default(), 0);
    while let Some(Reverse((now, event))) = events.pop() {
        let admission = admission.at(now);
        match event {
            Event::Ends(job) => {
                let (hold, tokens) = holds[job].take().unwrap();
                let used = Use { end: End::Answered, tokens: tokens / 2, latency: Some(Duration::from_millis(500)), ..Use::default() };
                admission.settle(hold, &used).await;
                at_once -= 1;
            }
            Event::Comes(job) => {
                history.asked += 1;
                let (ticket, tokens) = (format!("job-{job}"), random.random_range(200..=2_000));
                let need = celeriac_jobs::admission::Need { tokens, ..need(&ticket) };
                match admission.admit(&need).await.unwrap() {
                    Answer::Granted(hold) => {
                        history.grants.push((now, job, tokens));
                        holds[job] = Some((hold, tokens));
                        at_once += 1;
                        history.most_at_once = history.most_at_once.max(at_once);
                        events.push(Reverse((now + random.random_range(50..=crowd.latency_ms), Event::Ends(job))));
                    }
                    Answer::Wait { .. } if random.random_range(0..1_000) < crowd.vanish => history.vanished += 1,
                    Answer::Wait { wait, .. } => {
                        let late = random.random_range(0..=crowd.late_ms);
                        events.push(Reverse((now + wait.as_millis() as u64 + late, Event::Comes(job))));
                    }
                    Answer::Spent(_) | Answer::Promised { .. } => panic!("no budget was set"),
                }
            }
        }
    }
    history
}

#[tokio::test]
async fn no_minute_holds_more_than_the_limit_however_it_is_cut_and_none_is_wasted() {
    for seed in 1..=3 {
        let crowd = Crowd { jobs: 900, within_ms: 5_000, latency_ms: 2_000, late_ms: 150, vanish: 0 };
        let history = simulate(Limits { rpm: 300, ..Limits::default() }, &crowd, seed).await;
        assert_eq!(history.grants.len(), 900, "seed {seed}");
        let most = history.most_in_a_minute(|_| 1);
        assert!(most <= 300, "seed {seed}: {most} in a minute");
        // 900 at 300 a minute are three minutes, less what the first second may take at once.
        let took = history.took_ms();
        assert!((176_000..=200_000).contains(&took), "seed {seed}: it took {took} ms");
        assert!(history.asked <= 3 * 900, "seed {seed}: {} asked for 900", history.asked);
    }
}

#[tokio::test]
async fn late_comers_and_those_that_never_come_hold_nobody_up() {
    for seed in 1..=2 {
        let crowd = Crowd { jobs: 400, within_ms: 20_000, latency_ms: 3_000, late_ms: 4_000, vanish: 50 };
        let history = simulate(Limits { rpm: 600, in_flight: 20, ..Limits::default() }, &crowd, seed).await;
        assert_eq!(history.grants.len() + history.vanished, 400, "seed {seed}");
        assert!(history.most_in_a_minute(|_| 1) <= 600 && history.most_at_once <= 20, "seed {seed}: {} at once", history.most_at_once);
        // Twenty at once, a second and a half each, are thirteen a second: the requests a minute are the narrower limit.
        assert!(history.took_ms() <= 75_000, "seed {seed}: it took {} ms", history.took_ms());
    }
}

#[tokio::test]
async fn tokens_are_paced_by_what_was_really_used() {
    let crowd = Crowd { jobs: 300, within_ms: 1_000, latency_ms: 1_000, late_ms: 50, vanish: 0 };
    let history = simulate(Limits { tpm: 100_000, ..Limits::default() }, &crowd, 7).await;
    assert_eq!(history.grants.len(), 300);
    // Half of each estimate is used: what went through in a minute, plus what may go at once and is still on the way.
    let used = history.most_in_a_minute(|(_, _, tokens)| tokens / 2);
    assert!(used <= 100_000 + 10_000, "{used} tokens in a minute");
    let took = history.took_ms();
    assert!((80_000..=125_000).contains(&took), "165,000 tokens took {took} ms");
}

#[tokio::test]
async fn who_came_first_has_the_first_turn() {
    let limited = admission(Limits { rpm: 60, ..Limits::default() }).await;
    granted(&limited.at(NOON), &need("first")).await;
    let second = wait(&limited.at(NOON + 10), &need("second")).await;
    let third = wait(&limited.at(NOON + 20), &need("third")).await;
    assert!(third.as_millis() - second.as_millis() >= 990, "{second:?} {third:?}");
    // The second's moment has come; a stranger who is quicker by a hair does not take it.
    let moment = NOON + 10 + second.as_millis() as u64;
    let stranger = wait(&limited.at(moment), &need("stranger")).await;
    granted(&limited.at(moment + 5), &need("second")).await;
    assert!(stranger > third - Duration::from_millis(1_000), "the stranger waits {stranger:?}, the third {third:?}");
    // Whoever asks again before its moment keeps it.
    let again = wait(&limited.at(moment + 100), &need("third")).await;
    assert!(again < Duration::from_millis(1_000), "{again:?}");
}

#[tokio::test]
async fn a_reservation_that_a_crash_left_behind_expires() {
    let one = admission(Limits { in_flight: 1, ..Limits::default() }).await;
    let hold = granted(&one.at(NOON), &need("a")).await;
    wait(&one.at(NOON + 129_000), &need("b")).await;
    let other = granted(&one.at(NOON + 131_000), &need("b")).await;
    // What wakes up late has nothing to give back.
    one.at(NOON + 131_100).settle(hold, &Use::default()).await;
    assert_eq!(one.at(NOON + 131_200).view().await.unwrap().in_flight, 1);
    one.at(NOON + 131_300).settle(other, &Use::default()).await;
    assert_eq!(one.at(NOON + 131_400).view().await.unwrap().in_flight, 0);
}
