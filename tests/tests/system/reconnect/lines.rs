//! What happens to connections.

use std::time::Duration;

use celeriac_ops::devstack::Persistence;

use super::scene::{Scene, command, health_says};

#[tokio::test]
async fn with_every_connection_killed_again_and_again_nothing_runs_twice() {
    const KILLS: usize = 4;
    let scene = Scene::start(Persistence::Nothing, 2, "2s", 6_000).await;
    for _ in 0..KILLS {
        scene.goes_on().await;
        for kind in ["normal", "pubsub"] {
            let _: i64 = command(&scene.redis, &format!("CLIENT KILL TYPE {kind} SKIPME yes")).await;
        }
    }
    scene.all_well(KILLS, 0).await;
}

#[tokio::test]
async fn a_network_that_swallows_everything_for_longer_than_a_lease_makes_nothing_run_twice() {
    const LEASE: Duration = Duration::from_secs(6);
    let scene = Scene::start(Persistence::Nothing, 2, "6s", 14_000).await;
    scene.proxy.swallow();
    scene.workers_say("extending leases").await;
    health_says(&scene.system, "redis", "its store").await;
    // The time is what is to be borne: leases end, and nobody can extend them.
    tokio::time::sleep(LEASE * 5 / 4).await;
    scene.proxy.pass();
    scene.all_well(1, 0).await;
}
