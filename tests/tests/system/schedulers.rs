//! Two schedulers, one killed: every occurrence is fired once.

use celeriac_tests::{System, eventually};
use chrono::{DateTime, Utc};

/// Waits until so many were fired, and returns them in order.
async fn occurrences(system: &System, at_least: usize) -> Vec<DateTime<Utc>> {
    eventually(&format!("{at_least} occurrences"), || async {
        let seen: Vec<DateTime<Utc>> =
            sqlx::query_scalar("select instant from celeriac.schedule_runs order by instant").fetch_all(&system.pool).await.unwrap();
        if seen.len() >= at_least { Ok(seen) } else { Err(seen.len()) }
    })
    .await
}

#[tokio::test]
async fn when_the_leader_is_killed_the_other_fires_every_occurrence_once() {
    let mut system = System::start().await;
    sqlx::query(
        "insert into celeriac.schedules (name, every_seconds, job, catch_up, source) values ('tick', 1, 'expire_licenses', 'all', 'person')",
    )
    .execute(&system.pool)
    .await
    .unwrap();
    let first = system.scheduler();
    occurrences(&system, 2).await;
    let second = system.scheduler();
    first.kill();
    let seen = occurrences(&system, 8).await;
    let gaps: Vec<i64> = seen.windows(2).map(|pair| (pair[1] - pair[0]).num_milliseconds()).collect();
    assert!(gaps.iter().all(|gap| *gap == 1_000), "missed or doubled: {seen:?}");
    eventually("each relayed", || async {
        let unrelayed: i64 =
            sqlx::query_scalar("select count(*) from celeriac.outbox where relayed_at is null").fetch_one(&system.pool).await.unwrap();
        if unrelayed <= 1 { Ok(()) } else { Err(unrelayed) }
    })
    .await;
    assert!(second.stop().await.success());
    system.finish().await;
}
