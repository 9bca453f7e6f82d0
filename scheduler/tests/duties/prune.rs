//! Old rows go, young and unfinished ones stay.

use celeriac_scheduler::{Prune, PruneConfig, PruneReport};
use sqlx::PgPool;

use crate::support::World;

#[sqlx::test(migrator = "celeriac_migrations::MIGRATOR")]
async fn only_rows_past_their_time_are_dropped_and_a_thousand_at_once(pool: PgPool) {
    let world = World::new(pool).await;
    world
        .execute(
            "insert into celeriac.outbox (id, job, args, created_at, done_at, outcome)
             select 'old-' || n, 'greet', '{}', now() - interval '9 days', now() - interval '8 days', 'finished' from generate_series(1, 1200) n;
             insert into celeriac.outbox (id, job, args, created_at, done_at, outcome) values
             ('young', 'greet', '{}', now() - interval '9 days', now() - interval '6 days', 'finished'),
             ('unfinished', 'greet', '{}', now() - interval '9 days', null, null);
             insert into celeriac.audit_log (at, actor, action, target)
             select now() - make_interval(days => n), 'cli:ada', 'cancel', 'job' from unnest(array[700, 366, 364]) n;
             insert into celeriac.schedules (name, cron, job) values ('daily', '@daily', 'greet');
             insert into celeriac.schedule_runs (schedule, instant, reason, fired_at)
             select 'daily', now() - make_interval(days => n), 'due', now() - make_interval(days => n) from generate_series(100, 1, -1) n",
        )
        .await;
    let prune = Prune::new(PruneConfig::default(), world.pool.clone());
    assert_eq!(prune.run_once().await.unwrap(), PruneReport { outbox: 1_000, runs: 11, audit: 2 });
    assert_eq!(prune.run_once().await.unwrap(), PruneReport { outbox: 200, runs: 0, audit: 0 });
    assert_eq!(prune.run_once().await.unwrap(), PruneReport::default());
    assert_eq!(world.count("select count(*) from celeriac.outbox").await, 2);
    assert_eq!(world.count("select count(*) from celeriac.schedule_runs").await, 89);
    assert_eq!(world.count("select count(*) from celeriac.audit_log").await, 1);
}
