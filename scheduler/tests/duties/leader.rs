//! One leads, the next takes over when it falls silent or gives the lease back.

use std::time::Duration;

use celeriac_scheduler::{Leader, LeaderConfig, health};
use sqlx::PgPool;
use tokio_util::sync::CancellationToken;

use crate::support::{World, eventually};

const LEASE: Duration = Duration::from_secs(30);

fn leader(world: &World, lease: Duration) -> Leader {
    Leader::new(LeaderConfig { lease }, world.pool.clone())
}

#[sqlx::test(migrator = "celeriac_migrations::MIGRATOR")]
async fn the_second_leads_only_once_the_lease_of_the_first_is_over(pool: PgPool) {
    let world = World::new(pool).await;
    let (first, second) = (leader(&world, LEASE), leader(&world, LEASE));
    assert!(first.run_once().await.unwrap().leading);
    let follower = second.run_once().await.unwrap();
    assert_eq!((follower.leading, follower.holder.as_deref()), (false, Some(first.holder())));
    assert!(follower.remaining > LEASE / 2 && follower.remaining <= LEASE, "{:?}", follower.remaining);
    assert!(first.run_once().await.unwrap().leading, "a leader could not renew its own lease");

    world.execute("update celeriac.leases set expires_at = clock_timestamp()").await;
    assert!(second.run_once().await.unwrap().leading);
    let returned = first.run_once().await.unwrap();
    assert_eq!((returned.leading, *first.leading().borrow()), (false, false));

    second.release().await.unwrap();
    assert!(first.run_once().await.unwrap().leading, "a lease that was given back could not be taken");
    second.release().await.unwrap();
    assert!(!second.run_once().await.unwrap().leading, "the lease of another was given back");
}

#[sqlx::test(migrator = "celeriac_migrations::MIGRATOR")]
async fn of_several_running_one_leads_and_another_follows_a_stop_and_a_death(pool: PgPool) {
    let world = World::new(pool).await;
    let stops: Vec<CancellationToken> = (0..3).map(|_| CancellationToken::new()).collect();
    let mut watching = Vec::new();
    let mut running = Vec::new();
    for stop in &stops {
        let leader = leader(&world, Duration::from_millis(900));
        watching.push(leader.leading());
        running.push(tokio::spawn(leader.run(stop.clone())));
    }
    let leading = || watching.iter().enumerate().filter(|(_, leading)| *leading.borrow()).map(|(n, _)| n).collect::<Vec<_>>();
    eventually("one leads", async || leading().len() == 1).await;

    let first = leading()[0];
    stops[first].cancel();
    eventually("another leads after a stop", async || matches!(leading().as_slice(), [one] if *one != first)).await;

    let second = leading()[0];
    // No farewell.
    running[second].abort();
    let third = (0..3).find(|n| *n != first && *n != second).unwrap();
    eventually("the last leads after a death", async || *watching[third].borrow()).await;
    stops[third].cancel();
    running.remove(third).await.unwrap();
    assert_eq!(world.count("select count(*) from celeriac.leases").await, 0, "a clean stop kept the lease");
}

#[sqlx::test(migrator = "celeriac_migrations::MIGRATOR")]
async fn health_is_bad_when_a_lease_ran_out_and_nobody_took_it(pool: PgPool) {
    let world = World::new(pool).await;
    let health = async || health(&world.pool, &world.redis, LEASE).await.map_err(|error| format!("{error:#}"));
    assert!(health().await.unwrap().contains("the lease is free"));
    let leader = leader(&world, LEASE);
    leader.run_once().await.unwrap();
    assert!(health().await.unwrap().contains(leader.holder()));
    world.execute("update celeriac.leases set expires_at = now() - interval '5 seconds'").await;
    assert!(health().await.unwrap().contains("the lease is free"), "a follower needs time to take over");
    world.execute("update celeriac.leases set expires_at = now() - interval '100 seconds'").await;
    assert!(health().await.unwrap_err().contains("ran out 100 s ago"));
    world.execute("drop table celeriac.leases").await;
    assert!(health().await.unwrap_err().contains("lease"));
}
