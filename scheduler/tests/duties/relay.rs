//! The relay gives each committed row to Redis once, and none that was rolled back.

use celeriac_queue::{Client, EnqueueOptions, JobId, Policy, State};
use sqlx::PgPool;

use crate::support::World;

#[sqlx::test(migrator = "celeriac_migrations::MIGRATOR")]
async fn a_commit_is_relayed_once_and_a_rollback_never(pool: PgPool) {
    let world = World::new(pool).await;
    let mut rolled_back = world.pool.begin().await.unwrap();
    sqlx::query("select celeriac.enqueue('greet', id => 'rolled-back')").execute(&mut *rolled_back).await.unwrap();
    let mut committed = world.pool.begin().await.unwrap();
    sqlx::query("select celeriac.enqueue('greet', '{\"name\": \"Ada\"}', id => 'committed', request_id => 'r-1')")
        .execute(&mut *committed)
        .await
        .unwrap();

    assert_eq!(world.relay().run_once().await.unwrap().relayed, 0, "an open transaction was relayed");
    committed.commit().await.unwrap();
    rolled_back.rollback().await.unwrap();
    assert_eq!(world.relay().run_once().await.unwrap().relayed, 1);
    assert_eq!(world.relay().run_once().await.unwrap().relayed, 0);

    assert_eq!(world.ready("default").await, ["committed"]);
    let job = world.job("default", "committed").await;
    assert_eq!((job.name.as_deref(), job.request_id.as_deref(), job.payload_bytes), (Some("greet"), Some("r-1"), 15));
    let row = world.outbox("committed").await;
    assert!(row.relayed_at.is_some() && row.relayed_to.is_some_and(|id| id.len() == 40) && row.outcome.is_none());
}

#[sqlx::test(migrator = "celeriac_migrations::MIGRATOR")]
async fn killed_between_redis_and_the_commit_the_job_is_in_redis_once(pool: PgPool) {
    let world = World::new(pool).await;
    world.enqueue("greet", "a").await;
    world.fail_updates_of("outbox", "relayed_at").await;
    world.relay().run_once().await.unwrap_err();
    assert_eq!(world.ready("default").await, ["a"], "it was killed before Redis had the job");
    assert!(world.outbox("a").await.relayed_at.is_none());

    world.stop_failing().await;
    assert_eq!(world.relay().run_once().await.unwrap().relayed, 1);
    assert_eq!(world.ready("default").await, ["a"]);
    assert!(world.outbox("a").await.relayed_at.is_some());
}

#[sqlx::test(migrator = "celeriac_migrations::MIGRATOR")]
async fn killed_after_redis_a_job_that_ran_meanwhile_does_not_run_again(pool: PgPool) {
    let world = World::new(pool).await;
    world.enqueue("greet", "a").await;
    world.fail_updates_of("outbox", "relayed_at").await;
    world.relay().run_once().await.unwrap_err();
    world.stop_failing().await;
    assert_eq!(world.work("default").await, ["a"]);
    assert_eq!(world.relay().run_once().await.unwrap().relayed, 0);
    assert_eq!(world.work("default").await, [""; 0]);
}

#[sqlx::test(migrator = "celeriac_migrations::MIGRATOR")]
async fn two_relays_share_a_backlog_and_send_each_row_once(pool: PgPool) {
    let world = World::new(pool).await;
    world.execute("select celeriac.enqueue('greet', id => 'job-' || n) from generate_series(1, 1800) n").await;
    let drain = async || {
        let (relay, mut sent) = (world.relay(), 0);
        loop {
            match relay.run_once().await.unwrap().relayed {
                0 => return sent,
                some => sent += some,
            }
        }
    };
    let (one, other) = tokio::join!(drain(), drain());
    assert_eq!(one + other, 1_800);
    assert!(one > 0 && other > 0, "one relay waited for the other: {one} and {other}");
    let mut worked = 0;
    while let some @ 1.. = world.work("default").await.len() {
        worked += some;
    }
    assert_eq!(worked, 1_800);
}

#[sqlx::test(migrator = "celeriac_migrations::MIGRATOR")]
async fn a_row_at_fault_ends_alone_with_its_reason(pool: PgPool) {
    let world = World::new(pool).await;
    world.enqueue("greet", "before").await;
    // Written past the function, which would refuse it.
    world
        .execute("insert into celeriac.outbox (id, job, args) values ('large', 'greet', jsonb_build_object('text', repeat('x', 1000001)))")
        .await;
    world.enqueue("greet", "last").await;

    let report = world.relay().run_once().await.unwrap();
    assert_eq!((report.relayed, report.refused.len()), (2, 1));
    assert_eq!(world.ready("default").await, ["before", "last"]);
    let row = world.outbox("large").await;
    assert_eq!(row.outcome.as_deref(), Some("dead"));
    assert!(row.relayed_at.is_none() && row.error.as_ref().is_some_and(|error| error.contains("more than the 1000000 allowed")), "{row:?}");
    assert_eq!(world.relay().run_once().await.unwrap(), celeriac_scheduler::RelayReport::default());
}

#[sqlx::test(migrator = "celeriac_migrations::MIGRATOR")]
async fn queue_and_priority_come_from_the_row_else_from_the_jobs_policy(pool: PgPool) {
    let world = World::new(pool).await;
    world.execute("select celeriac.enqueue('process_document', '{\"document_id\": 1}', id => 'policy')").await;
    world
        .execute("select celeriac.enqueue('process_document', '{\"document_id\": 2}', id => 'own', queue => 'urgent', priority => 0)")
        .await;
    world.execute("select celeriac.enqueue('somebody_elses', id => 'unknown')").await;
    assert_eq!(world.relay().run_once().await.unwrap().relayed, 3);
    for (id, queue, priority) in [("policy", "documents", None), ("own", "urgent", Some(0)), ("unknown", "default", Some(5))] {
        let job = world.job(queue, id).await;
        assert!(priority.is_none_or(|priority| priority == job.priority), "{id}: {}", job.priority);
        // Written down, so that the job is found again after the policy has changed.
        assert_eq!(world.outbox(id).await.queue.as_deref(), Some(queue));
    }
}

#[sqlx::test(migrator = "celeriac_migrations::MIGRATOR")]
async fn moments_are_kept_even_those_that_no_clock_shows(pool: PgPool) {
    let world = World::new(pool).await;
    world.execute("select celeriac.enqueue('greet', id => 'later', run_at => '2199-01-01T00:00:00.250Z')").await;
    world.execute("select celeriac.enqueue('greet', id => 'never', run_at => 'infinity')").await;
    world.execute("select celeriac.enqueue('greet', id => 'now', run_at => '-infinity')").await;
    assert_eq!(world.relay().run_once().await.unwrap().relayed, 3);
    let later = world.job("default", "later").await;
    assert_eq!((later.state, later.until), (State::Scheduled, Some(7_226_582_400_250)));
    assert_eq!(world.job("default", "never").await.state, State::Scheduled);
    assert_eq!(world.ready("default").await, ["now"]);
}

#[sqlx::test(migrator = "celeriac_migrations::MIGRATOR")]
async fn a_row_whose_id_had_finished_in_redis_before_ends_with_it(pool: PgPool) {
    let world = World::new(pool).await;
    let options = EnqueueOptions { id: Some(JobId::parse("twice").unwrap()), ..EnqueueOptions::default() };
    let client: Client = world.client();
    client.enqueue_raw("greet", b"{}".to_vec(), &Policy::default(), options).await.unwrap();
    assert_eq!(world.work("default").await, ["twice"]);

    world.enqueue("greet", "twice").await;
    let report = world.relay().run_once().await.unwrap();
    assert_eq!((report.relayed, report.ended_before), (0, 1));
    assert_eq!(world.outbox("twice").await.outcome.as_deref(), Some("finished"));
    assert_eq!(world.ready("default").await, [""; 0]);
}

#[sqlx::test(migrator = "celeriac_migrations::MIGRATOR")]
async fn large_arguments_go_in_several_passes_of_bounded_size(pool: PgPool) {
    let world = World::new(pool).await;
    world
        .execute("select celeriac.enqueue('greet', jsonb_build_object('text', repeat('x', 900000)), id => 'job-' || n) from generate_series(1, 12) n")
        .await;
    let mut passes = Vec::new();
    while let some @ 1.. = world.relay().run_once().await.unwrap().relayed {
        passes.push(some);
    }
    assert_eq!(passes, [5, 5, 2]);
}
