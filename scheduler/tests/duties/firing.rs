//! Every occurrence is fired once, whoever fires it and whatever happens in between.

use celeriac_scheduler::{Firing, FiringConfig};
use chrono::{DateTime, TimeDelta, Utc};
use sqlx::PgPool;

use crate::support::World;

fn at(text: &str) -> DateTime<Utc> {
    text.parse().unwrap()
}

impl World {
    fn firing(&self) -> Firing {
        Firing::new(FiringConfig::default(), self.pool.clone())
    }

    /// Instant and reason of each run, in order.
    async fn runs(&self, schedule: &str) -> Vec<(String, String)> {
        let sql = "select to_char(instant at time zone 'UTC', 'MM-DD HH24:MI'), reason from celeriac.schedule_runs
                   where schedule = $1 order by instant";
        sqlx::query_as(sql).bind(schedule).fetch_all(&self.pool).await.unwrap()
    }

    async fn instants(&self, schedule: &str) -> Vec<String> {
        self.runs(schedule).await.into_iter().map(|(instant, _)| instant).collect()
    }

    /// Makes every schedule due at a moment, as if it had been counted so far.
    async fn due(&self, moment: &str) {
        sqlx::query("update celeriac.schedules set next_at = $1").bind(at(moment)).execute(&self.pool).await.unwrap();
    }
}

#[sqlx::test(migrator = "celeriac_migrations::MIGRATOR")]
async fn two_schedulers_through_a_day_on_which_clocks_go_back_fire_every_occurrence_once(pool: PgPool) {
    let world = World::new(pool).await;
    world
        .execute(
            "insert into celeriac.schedules (name, cron, every_seconds, time_zone, job, catch_up) values
             ('renewals', '0 3 * * *', null, 'America/New_York', 'process_renewals', 'once'),
             ('twice_that_night', '30 1 * * *', null, 'America/New_York', 'greet', 'once'),
             ('hourly', '@hourly', null, 'America/New_York', 'expire_licenses', 'once'),
             ('backup', '0 2 * * *', null, 'UTC', 'backup_database', 'once'),
             ('minutely', null, 60, 'UTC', 'greet', 'all')",
        )
        .await;
    let (one, other) = (world.firing(), world.firing());
    let (mut now, end) = (at("2026-10-31T18:00:10Z"), at("2026-11-01T18:00:10Z"));
    let mut fired = 0;
    loop {
        // Neither knows of the other, and their clocks differ.
        let behind = now - TimeDelta::seconds(rand::random_range(0..10));
        let (a, b) = tokio::join!(one.run_once(now), other.run_once(behind));
        fired += a.unwrap().fired + b.unwrap().fired;
        if now == end {
            break;
        }
        now = (now + TimeDelta::seconds(rand::random_range(20..400))).min(end);
    }

    assert_eq!(world.instants("renewals").await, ["11-01 08:00"]);
    assert_eq!(world.instants("twice_that_night").await, ["11-01 05:30"]);
    assert_eq!(world.instants("backup").await, ["11-01 02:00"]);
    let count = |every: i64| (1..=86_400 / every).map(move |n| at("2026-10-31T18:00:00Z") + TimeDelta::seconds(every * n));
    let expected = |every| count(every).map(|instant| instant.format("%m-%d %H:%M").to_string()).collect::<Vec<_>>();
    assert_eq!(world.instants("hourly").await, expected(3_600));
    assert_eq!(world.instants("minutely").await, expected(60));
    assert_eq!(fired, 3 + 24 + 1_440);
    // Each with its own job.
    assert_eq!(world.count("select count(distinct id) from celeriac.outbox where origin = 'schedule'").await, 3 + 24 + 1_440);
}

#[sqlx::test(migrator = "celeriac_migrations::MIGRATOR")]
async fn a_crash_before_the_commit_neither_loses_nor_doubles_an_occurrence(pool: PgPool) {
    let world = World::new(pool).await;
    world.execute("insert into celeriac.schedules (name, cron, job) values ('hourly', '@hourly', 'greet')").await;
    world.due("2026-11-21T10:00:00Z").await;
    world.fail_updates_of("schedules", "next_at").await;
    world.firing().run_once(at("2026-11-21T10:00:01Z")).await.unwrap_err();
    assert_eq!(world.count("select count(*) from celeriac.outbox").await, 0, "a firing was committed without its next moment");

    world.stop_failing().await;
    let report = world.firing().run_once(at("2026-11-21T10:00:05Z")).await.unwrap();
    assert_eq!((report.fired, report.next_due), (1, Some(at("2026-11-21T11:00:00Z"))));
    assert_eq!(world.instants("hourly").await, ["11-21 10:00"]);
    assert_eq!(world.count("select count(*) from celeriac.outbox where id = 'hourly@2026-11-21T10:00:00.000Z'").await, 1);
}

#[sqlx::test(migrator = "celeriac_migrations::MIGRATOR")]
async fn an_occurrence_fired_before_is_not_fired_again_though_it_seems_due(pool: PgPool) {
    let world = World::new(pool).await;
    world.execute("insert into celeriac.schedules (name, cron, job) values ('hourly', '@hourly', 'greet')").await;
    world.execute("select celeriac.fire('hourly', '2026-11-21T10:00:00Z', 'due')").await;
    // As after a restore of an older row.
    world.due("2026-11-21T10:00:00Z").await;
    let report = world.firing().run_once(at("2026-11-21T10:00:01Z")).await.unwrap();
    assert_eq!((report.fired, report.repeated), (0, 1));
    assert_eq!(world.count("select count(*) from celeriac.outbox").await, 1);
    assert_eq!(report.next_due, Some(at("2026-11-21T11:00:00Z")));
}

#[sqlx::test(migrator = "celeriac_migrations::MIGRATOR")]
async fn missed_occurrences_follow_the_catch_up_policy(pool: PgPool) {
    let world = World::new(pool).await;
    world
        .execute(
            "insert into celeriac.schedules (name, cron, job, catch_up) values
             ('skipping', '@hourly', 'greet', 'skip'), ('once', '@hourly', 'greet', 'once'), ('all', '@hourly', 'greet', 'all')",
        )
        .await;
    world.due("2026-11-21T07:00:00Z").await;
    let report = world.firing().run_once(at("2026-11-21T10:20:00Z")).await.unwrap();
    assert_eq!((report.fired, report.left_out.as_slice()), (5, ["once".to_owned(), "skipping".to_owned()].as_slice()));
    assert_eq!(world.instants("skipping").await, [""; 0]);
    assert_eq!(world.runs("once").await, [("11-21 10:00".to_owned(), "catch_up".to_owned())]);
    assert_eq!(world.instants("all").await, ["11-21 07:00", "11-21 08:00", "11-21 09:00", "11-21 10:00"]);

    world.firing().run_once(at("2026-11-21T11:00:02Z")).await.unwrap();
    assert_eq!(world.runs("skipping").await, [("11-21 11:00".to_owned(), "due".to_owned())]);
}

#[sqlx::test(migrator = "celeriac_migrations::MIGRATOR")]
async fn with_overlap_skip_an_occurrence_waits_for_no_unfinished_run(pool: PgPool) {
    let world = World::new(pool).await;
    world
        .execute(
            "insert into celeriac.schedules (name, cron, job, overlap) values
             ('alone', '@hourly', 'greet', 'skip'), ('crowd', '@hourly', 'greet', 'allow')",
        )
        .await;
    world.due("2026-11-21T10:00:00Z").await;
    let firing = world.firing();
    firing.run_once(at("2026-11-21T10:00:00Z")).await.unwrap();
    let report = firing.run_once(at("2026-11-21T11:00:00Z")).await.unwrap();
    assert_eq!((report.fired, report.overlapped), (1, 1));
    world.execute("select celeriac.confirm('{alone@2026-11-21T10:00:00.000Z}', '{finished}', '{NULL}')").await;
    firing.run_once(at("2026-11-21T12:00:00Z")).await.unwrap();

    let runs = world.runs("alone").await;
    let reasons: Vec<&str> = runs.iter().map(|(_, reason)| reason.as_str()).collect();
    assert_eq!(reasons, ["due", "skipped_overlap", "due"]);
    assert_eq!(world.instants("crowd").await.len(), 3);
    assert_eq!(world.count("select count(*) from celeriac.outbox where id like 'alone@%'").await, 2);
    assert_eq!(world.count("select count(*) from celeriac.schedule_runs where reason = 'skipped_overlap' and job_id is null").await, 1);
}

#[sqlx::test(migrator = "celeriac_migrations::MIGRATOR")]
async fn a_schedule_at_fault_does_not_hold_up_the_others(pool: PgPool) {
    let world = World::new(pool).await;
    world
        .execute(
            "insert into celeriac.schedules (name, cron, time_zone, job, queue) values
             ('a_line', '0 0 3 * * *', 'UTC', 'greet', null), ('a_zone', '@hourly', 'Eastern', 'greet', null),
             ('a_queue', '@hourly', 'UTC', 'greet', 'No Queue'), ('good', '@hourly', 'UTC', 'greet', null)",
        )
        .await;
    world.due("2026-11-21T10:00:00Z").await;
    let report = world.firing().run_once(at("2026-11-21T10:00:00Z")).await.unwrap();
    assert_eq!(report.faults.keys().map(String::as_str).collect::<Vec<_>>(), ["a_line", "a_queue", "a_zone"]);
    assert!(report.faults["a_line"].contains("6 fields") && report.faults["a_zone"].contains("IANA"), "{:?}", report.faults);
    assert_eq!(world.instants("good").await, ["11-21 10:00"]);
    assert_eq!(world.count("select count(*) from celeriac.schedule_runs").await, 1);
}

#[sqlx::test(migrator = "celeriac_migrations::MIGRATOR")]
async fn a_new_schedule_is_counted_from_now_and_a_disabled_one_is_not_fired(pool: PgPool) {
    let world = World::new(pool).await;
    world
        .execute(
            "insert into celeriac.schedules (name, cron, job, enabled) values ('new', '@hourly', 'greet', true), ('off', '@hourly', 'greet', false)",
        )
        .await;
    let report = world.firing().run_once(at("2026-11-21T10:00:30Z")).await.unwrap();
    assert_eq!((report.fired, report.next_due), (0, Some(at("2026-11-21T11:00:00Z"))));
    world.firing().run_once(at("2026-11-21T11:00:00Z")).await.unwrap();
    assert_eq!(world.count("select count(*) from celeriac.schedule_runs where schedule = 'new'").await, 1);
    assert_eq!(world.count("select count(*) from celeriac.schedule_runs where schedule = 'off'").await, 0);
}

#[sqlx::test(migrator = "celeriac_migrations::MIGRATOR")]
async fn a_fired_job_expires_so_many_seconds_after_its_occurrence(pool: PgPool) {
    let world = World::new(pool).await;
    world.execute("insert into celeriac.schedules (name, cron, job, expires_seconds) values ('hourly', '@hourly', 'greet', 3540)").await;
    world.due("2026-11-21T10:00:00Z").await;
    world.firing().run_once(at("2026-11-21T10:00:30Z")).await.unwrap();
    assert_eq!(world.count("select count(*) from celeriac.outbox where expires_at = '2026-11-21T10:59:00Z'").await, 1);
}
