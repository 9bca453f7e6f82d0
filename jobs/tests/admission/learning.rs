//! What is learned from the provider: pauses after a 429, and limits from its headers.

use std::time::Duration;

use celeriac_jobs::admission::{Admission, Answer, End, Limits, Use};
use celeriac_jobs::openai::Learned;
use celeriac_queue::Millis;

use crate::desk::{NOON, admission, granted, need, wait};

async fn too_fast(admission: &Admission, at: Millis, retry_after: Option<u64>) -> Duration {
    let hold = granted(&admission.at(at), &need("asking")).await;
    let used = Use { end: End::Limited, retry_after: retry_after.map(Duration::from_millis), ..Use::default() };
    admission.at(at + 100).settle(hold, &used).await
}

#[tokio::test]
async fn a_storm_of_refusals_is_one_step_of_the_backoff_and_a_success_ends_it() {
    let one = admission(Limits { in_flight: 100, ..Limits::default() }).await;
    let mut holds = Vec::new();
    for ticket in ["a", "b", "c", "d"] {
        holds.push(granted(&one.at(NOON), &need(ticket)).await);
    }
    let refused = Use { end: End::Limited, ..Use::default() };
    for hold in holds {
        one.at(NOON + 100).settle(hold, &refused).await;
    }
    assert_eq!(one.at(NOON + 100).view().await.unwrap().paused_ms, 500);
    // Each refusal after the pause doubles it, to a minute.
    let (mut at, mut pauses) = (NOON + 1_000, Vec::new());
    for _ in 0..9 {
        let pause = too_fast(&one, at, None).await.as_millis() as u64;
        pauses.push(pause);
        at += pause + 1_000;
    }
    assert_eq!(pauses, [1_000, 2_000, 4_000, 8_000, 16_000, 32_000, 60_000, 60_000, 60_000]);
    let hold = granted(&one.at(at), &need("better")).await;
    one.at(at + 100).settle(hold, &Use { end: End::Answered, ..Use::default() }).await;
    assert_eq!(too_fast(&one, at + 1_000, None).await.as_millis(), 500);
}

#[tokio::test]
async fn everybody_keeps_the_wait_that_one_was_told_and_comes_back_one_by_one() {
    let one = admission(Limits::default()).await;
    let other = one.at(0);
    too_fast(&one, NOON, Some(30_000)).await;
    let mut waits = Vec::new();
    for number in 0..20 {
        waits.push(wait(&other.at(NOON + 100), &need(&format!("job-{number}"))).await.as_millis());
    }
    assert!(waits[0] >= 30_000 && waits.windows(2).all(|pair| pair[1] >= pair[0] + 50), "{waits:?}");
}

#[tokio::test]
async fn limits_in_headers_hold_for_all_and_the_narrower_of_two_counts() {
    for (set, learned, apart) in [(0, 600, 100), (60, 600, 1_000), (600, 60, 1_000)] {
        let one = admission(Limits { rpm: set, ..Limits::default() }).await;
        let hold = granted(&one.at(NOON), &need("a")).await;
        let told = Learned { limit_requests: Some(learned), remaining_requests: Some(learned), ..Learned::default() };
        one.at(NOON).settle(hold, &Use { end: End::Answered, learned: told, ..Use::default() }).await;
        let mut at = NOON + 5_000;
        for number in 0..10 {
            granted(&one.at(at), &need(&format!("job-{number}"))).await;
            at += apart + apart / 50;
        }
        // All that may go at once went before.
        let hasty = async |ticket| one.at(at - apart / 2).admit(&need(ticket)).await.unwrap();
        let mut answers = Vec::new();
        for ticket in ["x", "y", "z", "v", "w", "u", "t"] {
            answers.push(hasty(ticket).await);
        }
        assert!(answers.iter().any(|answer| matches!(answer, Answer::Wait { .. })), "set {set}, learned {learned}: nobody waits");
        assert_eq!(one.at(at).view().await.unwrap().learned_rpm, learned);
    }
}

#[tokio::test]
async fn what_others_have_spent_of_the_providers_limit_slows_us_down() {
    let one = admission(Limits::default()).await;
    let hold = granted(&one.at(NOON), &need("a")).await;
    let told = Learned { limit_tokens: Some(100_000), remaining_tokens: Some(0), ..Learned::default() };
    one.at(NOON).settle(hold, &Use { end: End::Answered, learned: told, ..Use::default() }).await;
    let waits = wait(&one.at(NOON), &need("b")).await;
    // A thousand tokens are wanted, and are there again in 0.6 s.
    assert!((550..700).contains(&waits.as_millis()), "{waits:?}");
}
