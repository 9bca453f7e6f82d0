//! What Redis loses comes back from the outbox; what has ended does not.

use celeriac_queue::State;
use sqlx::PgPool;

use crate::support::World;

#[sqlx::test(migrator = "celeriac_migrations::MIGRATOR")]
async fn an_emptied_redis_is_filled_again_with_what_had_not_ended(pool: PgPool) {
    let world = World::new(pool).await;
    let (relay, heal) = (world.relay(), world.heal());
    world.enqueue("greet", "done").await;
    relay.run_once().await.unwrap();
    assert_eq!(world.work("default").await, ["done"]);
    world.enqueue("greet", "waiting").await;
    world.execute("select celeriac.enqueue('greet', id => 'later', run_at => now() + interval '1 hour', queue => 'other')").await;
    relay.run_once().await.unwrap();
    heal.run_once().await.unwrap();
    assert_eq!(heal.run_once().await.unwrap().lost, 0, "nothing was lost yet");

    world.empty_redis();
    assert_eq!(heal.run_once().await.unwrap().lost, 2);
    assert_eq!(relay.run_once().await.unwrap().relayed, 2);
    assert_eq!(world.ready("default").await, ["waiting"]);
    assert_eq!(world.job("other", "later").await.state, State::Scheduled);
    let queues = celeriac_queue::Inspector::new(world.redis.clone()).queue_names().await.unwrap();
    assert_eq!(queues.iter().map(ToString::to_string).collect::<Vec<_>>(), ["default", "other"], "queues are not listed any more");
    assert_eq!(heal.run_once().await.unwrap().lost, 0);
}

#[sqlx::test(migrator = "celeriac_migrations::MIGRATOR")]
async fn a_job_confirmed_but_unknown_to_redis_is_not_sent_again(pool: PgPool) {
    let world = World::new(pool).await;
    world.enqueue("greet", "a").await;
    world.relay().run_once().await.unwrap();
    // The worker confirmed, Redis forgot the job before the worker could acknowledge it.
    world.execute("select celeriac.confirm('{a}', '{finished}', '{NULL}')").await;
    world.empty_redis();
    assert_eq!(world.heal().run_once().await.unwrap().lost, 0);
    assert_eq!(world.relay().run_once().await.unwrap().relayed, 0);
}

#[sqlx::test(migrator = "celeriac_migrations::MIGRATOR")]
async fn a_redis_with_another_run_id_is_asked_for_every_row_at_once(pool: PgPool) {
    let world = World::new(pool).await;
    world.execute("select celeriac.enqueue('greet', id => 'job-' || n) from generate_series(1, 700) n").await;
    while world.relay().run_once().await.unwrap().relayed > 0 {}
    let heal = world.heal();
    assert!(!heal.run_once().await.unwrap().redis_changed, "the first Redis is no change");

    // As if a replica that lacks the last jobs had taken over: other id, and the newest rows are too fresh for the usual look.
    world
        .execute("update celeriac.outbox set relayed_to = 'before', relayed_at = now() + interval '1 hour' where relayed_to is not null")
        .await;
    world.execute("update celeriac.relay_state set redis_run_id = 'before'").await;
    world.empty_redis();
    world.client().enqueue_raw("greet", b"{}".into(), &celeriac_queue::Policy::default(), id("job-1")).await.unwrap();
    let report = heal.run_once().await.unwrap();
    assert!(report.redis_changed);
    assert_eq!(report.lost, 699);
    assert_ne!(world.outbox("job-1").await.relayed_to.as_deref(), Some("before"));
    assert!(!heal.run_once().await.unwrap().redis_changed);
}

#[sqlx::test(migrator = "celeriac_migrations::MIGRATOR")]
async fn a_loss_among_many_rows_is_found_whatever_its_place(pool: PgPool) {
    let world = World::new(pool).await;
    world.execute("select celeriac.enqueue('greet', id => 'job-' || n) from generate_series(1, 2200) n").await;
    while world.relay().run_once().await.unwrap().relayed > 0 {}
    let heal = world.heal();
    heal.run_once().await.unwrap();

    // The newest 200, which the rounds come to last.
    let newest: Vec<String> = sqlx::query_scalar("select id from celeriac.outbox order by relayed_at desc, id desc limit 200")
        .fetch_all(&world.pool)
        .await
        .unwrap();
    world.forget("default", &newest);
    let mut lost = 0;
    for _ in 0..6 {
        lost += heal.run_once().await.unwrap().lost;
    }
    assert_eq!(lost, 200);

    // Everything: one pass, since the oldest are lost as well.
    while world.relay().run_once().await.unwrap().relayed > 0 {}
    world.empty_redis();
    assert_eq!(heal.run_once().await.unwrap().lost, 2_200);
}

fn id(id: &str) -> celeriac_queue::EnqueueOptions {
    celeriac_queue::EnqueueOptions { id: Some(celeriac_queue::JobId::parse(id).unwrap()), ..Default::default() }
}
