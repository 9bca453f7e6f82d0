//! prune.

use celeriac_queue::LeaseConfig;

use super::complete::done;
use crate::support::{LEASE, TestQueue, expect, tell_all};

#[tokio::test]
async fn records_past_their_time_go_with_everything_of_theirs_and_the_second_call_finds_nothing() {
    let queue = TestQueue::new().await;
    let worker = queue.worker("w1");
    for id in ["kept", "gone", "buried", "buried-gone"] {
        queue.put_first(id, 3).await;
    }
    let deliveries = worker.claim(4, 0).await.unwrap().deliveries;
    worker.complete(&[done(&deliveries[0], 60), done(&deliveries[1], 60)]).await.unwrap();
    for buried in &deliveries[2..] {
        worker.bury(&buried.id, &buried.token, "failed", "no luck").await.unwrap();
    }
    tell_all(&worker).await;
    queue.put_in_the_past("finished", "gone", 1).await;
    queue.put_in_the_past("dead", "buried-gone", 1).await;
    for id in ["gone", "kept"] {
        queue.put_in_the_past("seen", id, 1).await;
    }

    assert_eq!(worker.prune().await.unwrap(), 4, "two records, two remembered ids");
    let after = expect(
        "jobs buried kept
         priorities buried=3 kept=3
         finished kept@+1h
         dead buried@now
         outcomes buried=dead[failed: no luck] kept=finished[42]
         history:buried [w1: no luck]
         seen buried@+24h buried-gone@+24h
         meta touched@now
         stats dead=2 enqueued=4 finished=2
         wake 1",
    );
    assert_eq!(queue.state().await, after);
    assert_eq!(worker.prune().await.unwrap(), 0);
    assert_eq!(queue.state().await, after);
}

#[tokio::test]
async fn the_oldest_dead_and_finished_beyond_the_count_go_first() {
    let queue = TestQueue::new().await;
    let generous = queue.worker("w1");
    let strict = queue.worker_with("w2", LeaseConfig { lease: LEASE, finished_max: 1, dead_max: 1, ..LeaseConfig::default() });
    for number in 1..=3 {
        let finished = queue.run(&generous, &format!("finished-{number}")).await;
        generous.complete(&[done(&finished, number)]).await.unwrap();
        let dead = queue.run(&generous, &format!("dead-{number}")).await;
        generous.bury(&dead.id, &dead.token, "failed", "no luck").await.unwrap();
        tell_all(&generous).await;
        let now = queue.connection.time_ms().await.unwrap();
        let _: u64 = queue.raw("ZADD", "dead", &[&(now - 10_000 + number).to_string(), dead.id.as_str()]).await;
    }
    assert_eq!(strict.prune().await.unwrap(), 4);
    let left = queue.snapshot().await;
    assert_eq!(left.fields("jobs").into_iter().collect::<Vec<_>>(), ["dead-3", "finished-3"]);
    left.assert_sound();
}

#[tokio::test]
async fn a_record_whose_notice_is_open_stays_and_does_not_keep_others_from_going() {
    let queue = TestQueue::new().await;
    let worker = queue.worker_with("w1", LeaseConfig { lease: LEASE, dead_max: 1, ..LeaseConfig::default() });
    // More open notices at the head of both lists than one prune looks at.
    let mut jobs = Vec::new();
    for number in 0..550 {
        for kind in ["dead", "finished"] {
            jobs.push((kind, format!("{kind}-{number}")));
        }
    }
    for (zset, id) in &jobs {
        let _: u64 = queue.raw("HSET", "jobs", &[id, "{\"v\":1,\"job\":\"note\",\"at\":1}\n{}"]).await;
        let _: u64 = queue.raw("HSET", "outcomes", &[id, "{\"state\":\"dead\",\"at\":1}"]).await;
        let _: u64 = queue.raw("ZADD", zset, &["1", id]).await;
        let _: u64 = queue.raw("ZADD", "notices", &["1", id]).await;
    }
    for (zset, id) in [("dead", "told-dead"), ("finished", "told-finished")] {
        let _: u64 = queue.raw("HSET", "jobs", &[id, "{\"v\":1,\"job\":\"note\",\"at\":1}\n{}"]).await;
        let _: u64 = queue.raw("HSET", "outcomes", &[id, "{\"state\":\"dead\",\"at\":1}"]).await;
        let _: u64 = queue.raw("ZADD", zset, &["2", id]).await;
    }
    let mut dropped = 0;
    for _ in 0..5 {
        dropped += worker.prune().await.unwrap();
        queue.snapshot().await.assert_sound();
    }
    assert_eq!(dropped, 2, "only the two without a notice go, and they do go");
    let left = queue.snapshot().await.fields("jobs");
    assert!(left.len() == 1_100 && !left.contains("told-dead") && !left.contains("told-finished"));
}
