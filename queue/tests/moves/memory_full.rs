//! Redis at its memory limit: no job is taken that could not be leased, and whatever runs keeps its lease and can settle.

use celeriac_queue::{Consumer, LeaseState, Settled};

use super::complete::done;
use crate::support::{MINUTE, PrivateRedis, TestQueue, claim_one, job, leases};

async fn fails_for_memory(worker: &Consumer) {
    let error = worker.claim(1, 5).await.expect_err("a job was claimed without room for its lease").to_string();
    assert!(error.contains("OOM"), "{error}");
}

#[tokio::test]
async fn at_the_memory_limit_nothing_is_claimed_and_everything_that_runs_can_be_kept_and_settled() {
    let redis = PrivateRedis::start().await;
    let queue = TestQueue::on(redis.url()).await;
    let worker = queue.worker("w1");
    for id in ["completed", "kept-record", "retried", "snoozed", "buried", "expired", "cancelled", "released", "asked", "lost"] {
        queue.put(id).await;
    }
    let running = worker.claim(10, 0).await.unwrap().deliveries;
    queue.put_later("told", MINUTE).await;
    queue.client.cancel(&queue.name, &job("told"), "ada").await.unwrap();
    let notice = worker.claim(0, 1).await.unwrap().notices.remove(0);
    queue.put("ready").await;
    queue.put_later("due", MINUTE).await;
    queue.put_in_the_past("scheduled", "due", 1).await;
    for id in ["completed", "retried", "lost"] {
        queue.put_in_the_past("running", id, 1).await;
    }
    queue.set_touched_ago(3_600_000).await;
    redis.limit_memory("1kb").await;

    let before = queue.state().await;
    fails_for_memory(&worker).await;
    assert_eq!(queue.state().await, before, "a refused claim changed something");
    let refused = queue.client.enqueue_raw("note", b"{}".to_vec(), &Default::default(), Default::default()).await;
    assert!(refused.unwrap_err().to_string().contains("OOM"));
    assert_eq!(queue.state().await, before, "a refused enqueue changed something");

    let lost = running.len() - 1;
    assert_eq!(worker.extend(&leases(&running[..lost])).await.unwrap(), vec![LeaseState::Kept; lost]);
    let now = queue.connection.time_ms().await.unwrap() as f64;
    assert!(queue.snapshot().await.zset("running").iter().all(|(_, expiry)| *expiry > now), "a lease lapsed while memory was full");

    let [completed, kept, retried, snoozed, buried, expired, cancelled, released, asked, _] = &running[..] else { panic!("ten jobs") };
    assert_eq!(worker.complete(&[done(completed, 0), done(kept, 60)]).await.unwrap(), [Settled::Done; 2]);
    assert_eq!(worker.retry(&retried.id, &retried.token, MINUTE, "no luck").await.unwrap(), Settled::Done);
    assert_eq!(worker.snooze(&snoozed.id, &snoozed.token, MINUTE).await.unwrap(), Settled::Done);
    assert_eq!(worker.bury(&buried.id, &buried.token, "failed", "no luck").await.unwrap(), Settled::Done);
    assert_eq!(worker.expire(&expired.id, &expired.token).await.unwrap(), Settled::Done);
    assert_eq!(worker.cancel(&cancelled.id, &cancelled.token, "enough").await.unwrap(), Settled::Done);
    queue.client.cancel(&queue.name, &asked.id, "ada").await.unwrap();
    assert_eq!(worker.release(&leases(&[])).await.unwrap(), []);
    let held = [(released.id.clone(), released.token.clone()), (asked.id.clone(), asked.token.clone())];
    assert_eq!(worker.release(&held).await.unwrap(), [Settled::Done, Settled::Cancelled]);
    queue.client.cancel(&queue.name, &job("ready"), "ada").await.unwrap();
    assert!(queue.client.requeue(&queue.name, &buried.id).await.unwrap());
    worker.acknowledge(&notice).await.unwrap();
    queue.client.wait(&queue.name, &notice.id, MINUTE).await.unwrap();
    worker.prune().await.unwrap();
    queue.state().await;
    fails_for_memory(&worker).await;

    redis.limit_memory("0").await;
    assert_eq!(claim_one(&worker).await.id.as_str(), "released");
}
