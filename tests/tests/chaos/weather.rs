//! Workers and Redis are killed, stopped and cut off; every job runs, and none ends twice.

use celeriac_ops::devstack::Persistence;
use celeriac_tests::chaos::Plan;
use celeriac_tests::program;

/// The seed of the day: every day disturbs otherwise, and a failure names it.
pub(crate) fn seed() -> u64 {
    std::time::SystemTime::now().duration_since(std::time::UNIX_EPOCH).unwrap().as_secs() / 86_400
}

async fn survive(persistence: Persistence, jobs: usize) {
    let plan = Plan { program: program("examples/chaos"), seed: seed(), jobs, seconds: 12, workers: 3, persistence };
    let report = plan.run().await.unwrap();
    assert!(report.holds(), "{report}");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn with_a_redis_that_syncs_every_second_nothing_is_lost_and_only_what_redis_forgot_is_done_twice() {
    survive(Persistence::EverySecond, 8_000).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn with_a_redis_that_syncs_every_write_nothing_is_lost_and_nothing_completed_twice() {
    survive(Persistence::EveryWrite, 5_000).await;
}
