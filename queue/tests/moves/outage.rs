//! Outages and clock steps: nobody is called lost for a time in which nobody could have extended.

use std::net::SocketAddr;
use std::time::Duration;

use celeriac_queue::{CancelListener, Connection, LeaseState, QueueName, RedisConfig, Waker};
use tokio::sync::watch;

use crate::support::{LEASE, PrivateRedis, TestQueue, claim_suspect, eventually, expect, leases};

const HOUR_MS: i64 = 3_600_000;

#[tokio::test]
async fn after_an_outage_every_job_gets_a_new_lease_before_any_is_called_lost() {
    let queue = TestQueue::new().await;
    let (before, after) = (queue.worker("before"), queue.worker("after"));
    queue.run(&before, "a").await;
    queue.run(&before, "b").await;
    queue.put_in_the_past("running", "a", 1).await;
    queue.put_in_the_past("running", "b", 1).await;
    queue.set_touched_ago(LEASE.as_millis() as i64 / 2 + 1_000).await;

    let claim = after.claim(5, 0).await.unwrap();
    assert!(claim.deliveries.is_empty());
    assert!(claim.next_due.unwrap() > Duration::from_secs(1), "{:?} would let idle workers spin", claim.next_due);
    assert_eq!(
        queue.state().await,
        expect(
            "jobs a b
             leases a=before b=before
             running a@+1m b@+1m
             meta touched@now
             stats enqueued=2
             wake 1"
        )
    );

    // Whoever is silent through the new lease as well is lost.
    queue.put_in_the_past("running", "a", 1).await;
    assert_eq!(claim_suspect(&after).await.id.as_str(), "a");
}

#[tokio::test]
async fn the_first_worker_to_extend_after_an_outage_does_not_hide_it_from_the_others() {
    let queue = TestQueue::new().await;
    let (early, late, idle) = (queue.worker("early"), queue.worker("late"), queue.worker("idle"));
    let first = queue.run(&early, "first").await;
    let second = queue.run(&late, "second").await;
    queue.put_in_the_past("running", "first", 1).await;
    queue.put_in_the_past("running", "second", 1).await;
    queue.set_touched_ago(HOUR_MS).await;

    assert_eq!(early.extend(&leases(&[first])).await.unwrap(), [LeaseState::Kept]);
    assert!(idle.claim(5, 0).await.unwrap().deliveries.is_empty(), "a living worker was called lost");
    assert_eq!(late.extend(&leases(&[second])).await.unwrap(), [LeaseState::Kept]);
}

#[tokio::test]
async fn a_short_silence_is_no_outage() {
    let queue = TestQueue::new().await;
    queue.run(&queue.worker("dead"), "a").await;
    queue.put_in_the_past("running", "a", 1).await;
    queue.set_touched_ago(LEASE.as_millis() as i64 / 3).await;
    assert_eq!(claim_suspect(&queue.worker("w1")).await.id.as_str(), "a");
}

#[tokio::test]
async fn an_idle_time_without_running_jobs_delays_no_later_recovery() {
    let queue = TestQueue::new().await;
    let worker = queue.worker("w1");
    worker.claim(1, 0).await.unwrap();
    queue.set_touched_ago(HOUR_MS).await;
    queue.run(&worker, "a").await;
    queue.put_in_the_past("running", "a", 1).await;
    assert_eq!(claim_suspect(&worker).await.id.as_str(), "a");
}

#[tokio::test]
async fn a_clock_set_back_leaves_no_lease_or_notice_far_in_the_future() {
    for by_extend in [false, true] {
        let queue = TestQueue::new().await;
        let worker = queue.worker("w1");
        let buried = queue.run(&worker, "buried").await;
        worker.bury(&buried.id, &buried.token, "failed", "no").await.unwrap();
        let running = queue.run(&worker, "running").await;
        let ahead = (queue.connection.time_ms().await.unwrap() + HOUR_MS.unsigned_abs()).to_string();
        let _: u64 = queue.raw("ZADD", "running", &[&ahead, "running"]).await;
        let _: u64 = queue.raw("ZADD", "notices", &[&ahead, "buried"]).await;
        queue.set_touched_ago(-HOUR_MS).await;

        if by_extend {
            worker.extend(&leases(&[running])).await.unwrap();
        } else {
            worker.claim(0, 0).await.unwrap();
        }
        assert_eq!(
            queue.state().await,
            expect(
                "jobs buried running
                 leases running=w1
                 running running@+1m
                 dead buried@now
                 outcomes buried=dead[failed: no]
                 notices buried@+1m
                 seen buried@+24h
                 history:buried [w1: no]
                 meta touched@now
                 stats dead=1 enqueued=2
                 wake 1"
            ),
            "by extend: {by_extend}"
        );
    }
}

#[tokio::test]
async fn a_connection_that_was_refused_once_is_made_again_when_redis_takes_it() {
    let redis = PrivateRedis::start().await;
    let connection = Connection::open(&RedisConfig::new(redis.url())).await.unwrap();
    let mut operator = redis::Client::open(redis.url()).unwrap().get_multiplexed_async_connection().await.unwrap();
    let mut say = async |words: &[&str]| {
        let () = redis::cmd(words[0]).arg(&words[1..]).query_async(&mut operator).await.unwrap();
    };
    say(&["CONFIG", "SET", "requirepass", "other"]).await;
    say(&["CLIENT", "KILL", "TYPE", "normal", "SKIPME", "yes"]).await;
    for _ in 0..2 {
        assert!(connection.time_ms().await.is_err(), "Redis took a stranger");
    }
    say(&["CONFIG", "SET", "requirepass", ""]).await;
    connection.time_ms().await.unwrap();
}

/// An address that leads to a Redis, until it is told to be silent: then its connections stay open and never say a word again, as in a
/// network that swallows packets.
async fn silenceable(redis: &PrivateRedis) -> (SocketAddr, watch::Sender<bool>) {
    let port = redis.url().trim_end_matches('/').rsplit(':').next().unwrap().split('/').next().unwrap().to_owned();
    let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = listener.local_addr().unwrap();
    let (silence, silent) = watch::channel(false);
    tokio::spawn(async move {
        loop {
            let (mut near, _) = listener.accept().await.unwrap();
            let (mut far, mut silent) = (tokio::net::TcpStream::connect(format!("127.0.0.1:{port}")).await.unwrap(), silent.clone());
            tokio::spawn(async move {
                tokio::select! {
                    _ = tokio::io::copy_bidirectional(&mut near, &mut far) => {}
                    // This line is dead from now on; it is kept open, so that nobody hears of it.
                    () = async { drop(silent.wait_for(|silent| *silent).await) } => std::future::pending().await,
                }
            });
        }
    });
    (address, silence)
}

async fn hasty(address: SocketAddr) -> Connection {
    let mut config = RedisConfig::new(format!("redis://{address}/"));
    config.response_timeout = Duration::from_millis(300);
    Connection::open(&config).await.unwrap()
}

#[tokio::test]
async fn a_line_that_fell_silent_is_replaced() {
    let redis = PrivateRedis::start().await;
    let (address, silence) = silenceable(&redis).await;
    let connection = hasty(address).await;
    connection.time_ms().await.unwrap();

    silence.send(true).unwrap();
    assert!(connection.time_ms().await.is_err(), "a dead line answered");
    silence.send(false).unwrap();
    connection.time_ms().await.unwrap();
}

#[tokio::test]
async fn a_subscription_that_fell_silent_is_found_out_though_nobody_says_anything() {
    let redis = PrivateRedis::start().await;
    let (address, silence) = silenceable(&redis).await;
    let connection = hasty(address).await;
    let mut listener = CancelListener::subscribe(&connection, &[QueueName::default()]).await.unwrap();
    silence.send(true).unwrap();
    let heard = tokio::time::timeout(Duration::from_secs(60), listener.next()).await;
    assert_eq!(heard.expect("it listens to a dead line"), None);
}

#[tokio::test]
async fn whoever_waits_on_a_line_that_was_given_up_hears_of_it_at_once() {
    let redis = PrivateRedis::start().await;
    let (address, silence) = silenceable(&redis).await;
    let connection = hasty(address).await;
    let mut listener = CancelListener::subscribe(&connection, &[QueueName::default()]).await.unwrap();
    let mut waker = Waker::new(connection.clone(), &[QueueName::default()]);
    let long_wait = tokio::spawn(async move { waker.wait(Duration::from_secs(3_600)).await });
    eventually("the waker waits", async || redis.blocked_clients().await == 1).await;
    silence.send(true).unwrap();

    assert!(connection.time_ms().await.is_err());
    assert_eq!(listener.next().await, None);
    assert!(long_wait.await.unwrap().is_err(), "a dead line woke a worker");
}
