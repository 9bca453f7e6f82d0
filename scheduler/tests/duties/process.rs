//! Whole schedulers at work: their duties together, over trouble, and to a clean stop.

use std::time::{Duration, Instant};

use celeriac_scheduler::{Scheduler, SchedulerConfig, schedules};
use sqlx::PgPool;
use tokio::task::JoinHandle;
use tokio_util::sync::CancellationToken;

use crate::support::{World, eventually};

fn start(world: &World, config: SchedulerConfig) -> (CancellationToken, JoinHandle<anyhow::Result<()>>) {
    let stop = CancellationToken::new();
    let stopped = stop.clone();
    let scheduler = Scheduler::new(config, world.pool.clone(), world.client());
    let running = tokio::spawn(scheduler.run(async move { stopped.cancelled().await }));
    (stop, running)
}

#[sqlx::test(migrator = "celeriac_migrations::MIGRATOR")]
async fn two_schedulers_fire_relay_and_stop_cleanly(pool: PgPool) {
    let world = World::new(pool).await;
    let file = "[quick]\njob = \"greet\"\nevery_seconds = 1\nqueue = \"quick\"\n";
    let config = || SchedulerConfig { schedules: Some(schedules::parse(file).unwrap()), ..world.config() };
    let running = [start(&world, config()), start(&world, config())];
    eventually("three occurrences are in Redis", async || world.ready("quick").await.len() >= 3).await;
    for (stop, running) in running {
        stop.cancel();
        running.await.unwrap().unwrap();
    }
    assert_eq!(world.count("select count(*) from celeriac.leases").await, 0, "a stopped scheduler kept the lease");
    assert_eq!(world.count("select count(*) from celeriac.schedule_runs").await, world.count("select count(*) from celeriac.outbox").await);
    let relayed = world.count("select count(*) from celeriac.outbox where relayed_at is not null").await;
    assert_eq!(world.ready("quick").await.len() as i64, relayed, "an occurrence is in Redis twice, or not at all");
}

#[sqlx::test(migrator = "celeriac_migrations::MIGRATOR")]
async fn a_commit_reaches_redis_at_once_though_no_sweep_comes(pool: PgPool) {
    let world = World::new(pool).await;
    let (stop, running) = start(&world, world.config());
    eventually("the scheduler listens", async || {
        world.enqueue("greet", "first").await;
        world.ready("default").await == ["first"]
    })
    .await;
    let mut slowest = Duration::ZERO;
    for n in 0..20 {
        let queue = format!("queue-{n}");
        let began = Instant::now();
        sqlx::query("select celeriac.enqueue('greet', queue => $1)").bind(&queue).execute(&world.pool).await.unwrap();
        eventually("it is in Redis", async || world.ready(&queue).await.len() == 1).await;
        slowest = slowest.max(began.elapsed());
    }
    // Without notification it would take the ten minutes of the sweep; a busy machine may stretch milliseconds.
    assert!(slowest < Duration::from_secs(2), "{slowest:?}");
    stop.cancel();
    running.await.unwrap().unwrap();
}

#[sqlx::test(migrator = "celeriac_migrations::MIGRATOR")]
async fn every_connection_killed_and_redis_emptied_it_goes_on(pool: PgPool) {
    let world = World::new(pool).await;
    let (stop, running) = start(&world, world.config());
    eventually("the scheduler relays", async || {
        world.enqueue("greet", "before").await;
        world.ready("default").await == ["before"]
    })
    .await;

    // The one that kills fails at times too: it has the pool's connections.
    let kill = "select pg_terminate_backend(pid) from pg_stat_activity where datname = current_database() and pid <> pg_backend_pid()";
    let _ = sqlx::query(kill).execute(&world.pool).await;
    eventually("a commit after the kill is relayed", async || {
        let enqueued = sqlx::query("select celeriac.enqueue('greet', id => 'after')").execute(&world.pool).await;
        enqueued.is_ok() && world.ready("default").await == ["after", "before"]
    })
    .await;

    world.empty_redis();
    eventually("both are back", async || world.ready("default").await == ["after", "before"]).await;
    stop.cancel();
    running.await.unwrap().unwrap();
}
