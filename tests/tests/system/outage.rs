//! Redis restarts, loses its connections or its data while documents are under way; everything goes on and nothing is lost.

use celeriac_ops::devstack::{Persistence, RedisOptions};
use celeriac_tests::{System, SystemOptions, eventually, samples};

const DOCUMENTS: i64 = 30;
/// One reads the picture, one asks about the document.
const CALLS_A_DOCUMENT: i64 = 2;

async fn loaded(persistence: Persistence) -> System {
    let system = System::with(SystemOptions {
        own_redis: Some(RedisOptions { persistence, ..RedisOptions::default() }),
        ..SystemOptions::default()
    })
    .await;
    system.openai.control(celeriac_ops::standin::openai::Control { latency_ms: Some(300), ..Default::default() });
    system.consent(1).await;
    for _ in 0..DOCUMENTS {
        system.upload(1, "statement.png", &samples::bytes("statement.png")).await;
    }
    system
}

async fn completed(system: &System) -> i64 {
    sqlx::query_scalar("select count(*) from celeriac.documents where status = 'completed'").fetch_one(&system.pool).await.unwrap()
}

async fn some_completed(system: &System, at_least: i64) {
    eventually(&format!("{at_least} completed"), || async {
        let count = completed(system).await;
        if count >= at_least { Ok(()) } else { Err(count) }
    })
    .await;
}

/// All are completed once, nothing is left, and what was paid twice was under way at a disturbance.
async fn all_well(system: System, disturbances: i64, concurrency: i64) {
    some_completed(&system, DOCUMENTS).await;
    eventually("quiet", || system.is_quiet()).await;
    let used: i64 =
        sqlx::query_scalar("select used from celeriac.usage_counters where kind = 'documents'").fetch_one(&system.pool).await.unwrap();
    assert_eq!(used, DOCUMENTS, "documents counted");
    let (calls, unknown): (i64, i64) =
        sqlx::query_as("select sum(calls), sum(unknown_outcomes) from celeriac.paid_calls").fetch_one(&system.pool).await.unwrap();
    assert_eq!(calls, DOCUMENTS * CALLS_A_DOCUMENT + unknown, "a call was repeated whose outcome was known");
    assert!(unknown <= disturbances * concurrency, "{unknown} unknown outcomes from {disturbances} disturbances");
    system.finish().await;
}

#[tokio::test]
async fn redis_is_killed_and_restarted_under_load() {
    let mut system = loaded(Persistence::EveryWrite).await;
    system.set("WORKER_CONCURRENCY", "4");
    let (_scheduler, _worker) = (system.scheduler(), system.worker());
    for at_least in [3, 12] {
        some_completed(&system, at_least).await;
        let redis = system.own_redis.as_mut().unwrap();
        redis.kill().await.unwrap();
        redis.restart().await.unwrap();
    }
    all_well(system, 2, 4).await;
}

#[tokio::test]
async fn every_connection_to_redis_is_cut_under_load() {
    let mut system = loaded(Persistence::Nothing).await;
    system.set("WORKER_CONCURRENCY", "4");
    let (_scheduler, _worker) = (system.scheduler(), system.worker());
    let mut redis = system.raw_redis().await;
    for at_least in [2, 6, 10, 14, 18] {
        some_completed(&system, at_least).await;
        for kind in ["normal", "pubsub"] {
            let _: i64 =
                redis::cmd("CLIENT").arg("KILL").arg("TYPE").arg(kind).arg("SKIPME").arg("yes").query_async(&mut redis).await.unwrap();
        }
    }
    all_well(system, 5, 4).await;
}

#[tokio::test]
async fn redis_is_emptied_under_work_that_came_through_the_outbox() {
    let mut system = loaded(Persistence::Nothing).await;
    system.set("WORKER_CONCURRENCY", "4");
    let (_scheduler, _worker) = (system.scheduler(), system.worker());
    let mut redis = system.raw_redis().await;
    for at_least in [3, 12] {
        some_completed(&system, at_least).await;
        let () = redis::cmd("FLUSHALL").query_async(&mut redis).await.unwrap();
    }
    all_well(system, 2, 4).await;
}
