//! Keys and unique keys on their way from the outbox to Redis.

use celeriac_queue::{Consumer, LeaseConfig, QueueName, WorkerId};
use celeriac_scheduler::HealReport;
use sqlx::PgPool;

use crate::support::World;

#[sqlx::test(migrator = "celeriac_migrations::MIGRATOR")]
async fn key_units_and_unique_key_come_along(pool: PgPool) {
    let world = World::new(pool).await;
    world
        .execute(
            "select celeriac.enqueue('greet', id => 'a', key => 'tenant-1', units => 7, unique_key => 'k', unique_period => '90 seconds')",
        )
        .await;
    world.execute("select celeriac.enqueue('greet', id => 'b', unique_conflict => 'keep_last')").await;
    assert_eq!(world.relay().run_once().await.unwrap().relayed, 2);
    let a = world.job("default", "a").await;
    let unique = a.unique.unwrap();
    assert_eq!((a.key.as_deref(), a.units, unique.key.as_str()), (Some("tenant-1"), 7, "k"));
    assert_eq!((unique.scope.as_str(), unique.period_ms, unique.conflict.as_str()), ("period", Some(90_000), "reject"));
    let b = world.job("default", "b").await.unique.unwrap();
    assert_eq!((b.scope.as_str(), b.conflict.as_str()), ("running", "keep_last"), "{b:?}");
}

#[sqlx::test(migrator = "celeriac_migrations::MIGRATOR")]
async fn a_row_that_gave_way_ends_as_a_duplicate_and_is_not_sent_again(pool: PgPool) {
    let world = World::new(pool).await;
    world.execute("select celeriac.enqueue('greet', id => 'first', unique_key => 'k')").await;
    world.execute("select celeriac.enqueue('greet', id => 'second', unique_key => 'k')").await;
    let report = world.relay().run_once().await.unwrap();
    assert_eq!((report.relayed, report.duplicates, world.ready("default").await), (1, 1, vec!["first".to_owned()]));
    let second = world.outbox("second").await;
    assert_eq!((second.outcome.as_deref(), second.error.as_deref()), (Some("duplicate"), Some("duplicate of first")));
    assert!(second.relayed_at.is_none());

    world.empty_redis();
    let healed = world.heal().run_once().await.unwrap();
    assert_eq!(healed, HealReport { lost: 1, ..healed.clone() });
    assert_eq!(world.relay().run_once().await.unwrap().relayed, 1);
    assert_eq!(world.work("default").await, ["first"]);
    world.execute("select celeriac.enqueue('greet', id => 'third', unique_key => 'k')").await;
    assert_eq!(world.relay().run_once().await.unwrap().relayed, 1, "the key was not let go of");
}

#[sqlx::test(migrator = "celeriac_migrations::MIGRATOR")]
async fn what_a_waiting_job_took_over_outlives_the_loss_of_redis(pool: PgPool) {
    let world = World::new(pool).await;
    for n in 1..=3 {
        let enqueue = sqlx::query(
            "select celeriac.enqueue('greet', jsonb_build_object('n', $1::int), id => 'job-' || $1, unique_key => 'k', unique_conflict => 'replace')",
        );
        enqueue.bind(n).execute(&world.pool).await.unwrap();
    }
    let report = world.relay().run_once().await.unwrap();
    assert_eq!((report.relayed, report.duplicates), (1, 2));
    world.empty_redis();
    assert_eq!(world.heal().run_once().await.unwrap().lost, 1);
    world.relay().run_once().await.unwrap();

    let worker = Consumer::new(world.redis.clone(), QueueName::default(), WorkerId::generate("test"), LeaseConfig::default());
    let delivery = worker.claim(5, 0).await.unwrap().deliveries.pop().unwrap();
    assert_eq!(delivery.id.as_str(), "job-1");
    assert_eq!(delivery.envelope.unwrap().payload, br#"{"n": 3}"#);
}

#[sqlx::test(migrator = "celeriac_migrations::MIGRATOR")]
async fn an_occurrence_that_gave_way_is_told_so_in_its_run(pool: PgPool) {
    let world = World::new(pool).await;
    world
        .execute(
            "insert into celeriac.schedules (name, every_seconds, job, key, unique_scope) values ('often', 60, 'greet', 'tenant-1', 'running');
             select celeriac.fire('often', '2026-11-21T10:00:00Z', 'due');
             select celeriac.fire('often', '2026-11-21T10:01:00Z', 'due');",
        )
        .await;
    let report = world.relay().run_once().await.unwrap();
    assert_eq!((report.relayed, report.duplicates), (1, 1));
    let outcomes: Vec<Option<String>> =
        sqlx::query_scalar("select outcome from celeriac.schedule_runs order by instant").fetch_all(&world.pool).await.unwrap();
    assert_eq!(outcomes, [None, Some("duplicate".to_owned())]);
    assert_eq!(world.job("default", "often@2026-11-21T10:00:00.000Z").await.key.as_deref(), Some("tenant-1"));
}
