//! Notices: who ended without a handler is told of once it has been, and until then again and again.

use std::time::Duration;

use celeriac_queue::State;

use crate::support::{TestQueue, claim_one, expect, job};

#[tokio::test]
async fn a_notice_is_leased_for_a_minute_and_gone_once_acknowledged() {
    let queue = TestQueue::new().await;
    let worker = queue.worker("w1");
    queue.put("a").await;
    queue.client.cancel(&queue.name, &job("a"), "ada").await.unwrap();

    let claim = worker.claim(0, 5).await.unwrap();
    let [notice] = &claim.notices[..] else { panic!("one notice, not {:?}", claim.notices) };
    assert_eq!((notice.id.as_str(), notice.outcome.state), ("a", State::Cancelled));
    assert_eq!(notice.envelope.as_ref().unwrap().job, "note");
    let leased = expect(
        "jobs a
         ready:5 a
         ghosts 5@ a
         finished a@+24h
         outcomes a=cancelled[asked: cancelled by ada]
         notices a@+1m
         seen a@+24h
         meta touched@now
         stats cancelled=1 enqueued=1
         wake 1",
    );
    assert_eq!(queue.state().await, leased);
    assert!(worker.claim(0, 5).await.unwrap().notices.is_empty(), "a leased notice was given twice");

    queue.put_in_the_past("notices", "a", 1).await;
    let again = worker.claim(0, 5).await.unwrap().notices.pop().expect("an unacknowledged notice was lost");
    for _ in 0..2 {
        worker.acknowledge(&again).await.unwrap();
        assert!(queue.snapshot().await.zset("notices").is_empty());
    }
    queue.state().await;
}

#[tokio::test]
async fn telling_of_an_earlier_end_does_not_take_away_the_notice_of_a_later_one() {
    let queue = TestQueue::new().await;
    let worker = queue.worker("w1");
    let delivery = queue.run(&worker, "a").await;
    worker.bury(&delivery.id, &delivery.token, "failed", "no luck").await.unwrap();
    // While its on_terminal runs, a person requeues the job, and it fails again.
    let earlier = worker.claim(0, 1).await.unwrap().notices.pop().unwrap();
    queue.client.requeue(&queue.name, &delivery.id).await.unwrap();
    let delivery = claim_one(&worker).await;
    worker.bury(&delivery.id, &delivery.token, "failed", "no luck either").await.unwrap();

    let before = queue.state().await;
    worker.acknowledge(&earlier).await.unwrap();
    assert_eq!(queue.state().await, before);
    let later = worker.claim(0, 1).await.unwrap().notices.pop().expect("the later end is told too");
    assert_eq!(later.outcome.reason.unwrap(), "no luck either");
}

#[tokio::test]
async fn no_more_notices_are_handed_out_than_wanted_and_none_unasked() {
    let queue = TestQueue::new().await;
    let worker = queue.worker("w1");
    for number in 0..5 {
        queue.put_later(&format!("{number}"), Duration::from_secs(600)).await;
        queue.client.cancel(&queue.name, &job(&format!("{number}")), "ada").await.unwrap();
    }
    let unasked = worker.claim(0, 0).await.unwrap();
    assert_eq!((unasked.notices.len(), unasked.next_due), (0, None), "who takes no notices is not to be called for them");
    let first = worker.claim(0, 3).await.unwrap();
    assert_eq!((first.notices.len(), first.next_due), (3, Some(Duration::ZERO)));
    let second = worker.claim(0, 3).await.unwrap();
    assert_eq!(second.notices.len(), 2);
    assert!(second.next_due.unwrap() > Duration::from_secs(30), "unacknowledged notices fall due in a minute");
}

#[tokio::test]
async fn a_notice_whose_record_is_gone_is_handed_out_to_be_acknowledged() {
    let queue = TestQueue::new().await;
    let worker = queue.worker("w1");
    let _: u64 = queue.raw("ZADD", "notices", &["1", "a"]).await;
    let claim = worker.claim(0, 5).await.unwrap();
    assert!(claim.notices[0].envelope.is_none());
    worker.acknowledge(&claim.notices[0]).await.unwrap();
    assert_eq!(queue.state().await, expect("meta touched@now"));
}
