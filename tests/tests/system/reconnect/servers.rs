//! What happens to the server.

use std::time::Duration;

use celeriac_ops::devstack::{Persistence, RedisOptions, RedisServer};
use celeriac_tests::eventually;

use super::scene::{Scene, command, health_says};

/// Longer than the leases of these tests.
const LONGER_THAN_A_LEASE: Duration = Duration::from_millis(2_500);

/// A replica that has all its master has.
async fn replica_of(master: &RedisServer) -> RedisServer {
    let replica = RedisServer::start(RedisOptions::default()).await.unwrap();
    follow(&replica, master).await;
    replica
}

async fn follow(replica: &RedisServer, master: &RedisServer) {
    let _: String = command(replica, &format!("REPLICAOF 127.0.0.1 {}", master.port())).await;
    eventually("the replica is in step", async || {
        let info: String = command(replica, "INFO replication").await;
        if info.contains("master_link_status:up") && info.contains("master_sync_in_progress:0") { Ok(()) } else { Err(info) }
    })
    .await;
}

#[tokio::test]
async fn a_redis_that_is_down_for_longer_than_a_lease_makes_nothing_run_twice() {
    let mut scene = Scene::start(Persistence::EveryWrite, 2, "2s", 8_000).await;
    scene.redis.kill().await.unwrap();
    scene.workers_say("extending leases").await;
    health_says(&scene.system, "redis", "its store does not answer").await;
    // The time is what is to be borne: leases end, and nobody can extend them.
    tokio::time::sleep(LONGER_THAN_A_LEASE).await;
    scene.redis.restart().await.unwrap();
    scene.all_well(1, 0).await;
}

#[tokio::test]
async fn a_redis_that_takes_long_to_load_makes_nothing_run_twice() {
    let mut scene = Scene::start(Persistence::EveryWrite, 2, "2s", 10_000).await;
    // While it loads, Redis looks up from it once in 1,024 commands of its file.
    let filler = "for i = 1, 12000 do redis.call('SET', KEYS[1], i) end";
    let mut line = redis::Client::open(scene.redis.plain_url()).unwrap().get_multiplexed_async_connection().await.unwrap();
    let () = redis::cmd("EVAL").arg(filler).arg(1).arg("filler").query_async(&mut line).await.unwrap();
    let () = redis::cmd("DEL").arg("filler").query_async(&mut line).await.unwrap();
    scene.redis.kill().await.unwrap();
    scene.redis.set("key-load-delay", "300");
    let (restarted, ()) = tokio::join!(scene.redis.restart(), health_says(&scene.system, "redis", "is loading its data"));
    restarted.unwrap();
    scene.all_well(1, 0).await;
}

#[tokio::test]
async fn when_a_replica_takes_over_from_a_dead_master_the_workers_go_on_there() {
    let mut scene = Scene::start(Persistence::Nothing, 2, "2s", 8_000).await;
    let replica = replica_of(&scene.redis).await;
    scene.goes_on().await;
    scene.redis.kill().await.unwrap();
    scene.workers_say("extending leases").await;
    let _: String = command(&replica, "REPLICAOF NO ONE").await;
    // Replication is not waited for: what the replica has not heard of is run again, and nothing else.
    let unheard_of = scene.begun_and_not_ended_in(&replica).await;
    scene.hand_over_to(replica).await;
    scene.all_well(1, unheard_of).await;
}

#[tokio::test]
async fn when_the_master_becomes_a_replica_the_workers_leave_it_for_the_new_one() {
    let mut scene = Scene::start(Persistence::Nothing, 2, "2s", 8_000).await;
    let replica = replica_of(&scene.redis).await;
    scene.goes_on().await;
    let _: String = command(&scene.redis, "CLIENT PAUSE 60000 WRITE").await;
    eventually("the replica has everything", async || {
        let (ours, theirs): (String, String) =
            (command(&scene.redis, "INFO replication").await, command(&replica, "INFO replication").await);
        let offset = |info: &str, name: &str| info.lines().find_map(|line| line.strip_prefix(name).map(str::to_owned));
        let (ours, theirs) = (offset(&ours, "master_repl_offset:"), offset(&theirs, "slave_repl_offset:"));
        if ours == theirs { Ok(()) } else { Err((ours, theirs)) }
    })
    .await;
    let _: String = command(&replica, "REPLICAOF NO ONE").await;
    follow(&scene.redis, &replica).await;
    let _: String = command(&scene.redis, "CLIENT UNPAUSE").await;
    scene.workers_say("claiming jobs").await;
    health_says(&scene.system, "redis", "read-only replica").await;
    tokio::time::sleep(LONGER_THAN_A_LEASE).await;
    // It lives on, and so do all connections to it.
    let _old = scene.hand_over_to(replica).await;
    scene.all_well(1, 0).await;
}

#[tokio::test]
async fn while_redis_is_out_of_memory_leases_are_kept_and_what_runs_can_end() {
    let scene = Scene::start(Persistence::Nothing, 2, "2s", 8_000).await;
    let _: String = command(&scene.redis, "CONFIG SET maxmemory 1000").await;
    scene.workers_say("claiming jobs").await;
    health_says(&scene.system, "redis", "has used all of its maxmemory").await;
    health_says(&scene.system, "workers", "claiming jobs fails").await;
    tokio::time::sleep(LONGER_THAN_A_LEASE).await;
    let _: String = command(&scene.redis, "CONFIG SET maxmemory 0").await;
    scene.all_well(1, 0).await;
}
