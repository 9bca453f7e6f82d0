//! A worker is killed with its hands full.

use std::time::Duration;

use celeriac_tests::chaos::last_orphan_runs_again;
use celeriac_tests::program;

#[tokio::test]
async fn every_job_of_a_killed_worker_runs_again() {
    // More than one claim recovers.
    last_orphan_runs_again(&program("examples/chaos"), Duration::from_secs(1), 150).await.unwrap();
}
