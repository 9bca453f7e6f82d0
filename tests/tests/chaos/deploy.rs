//! Workers are replaced one by one under load.

use std::time::Duration;

use celeriac_queue::Tries;
use celeriac_tests::chaos::{Deploy, Deployed, Execution, Fact, told_twice_to_stop};
use celeriac_tests::program;

const JOBS: usize = 6_000;
const WORKERS: usize = 3;
const CONCURRENCY: usize = 12;

async fn deploy(grace: Duration, long_jobs: bool) -> Deployed {
    let deploy = Deploy {
        program: program("examples/chaos"),
        jobs: JOBS,
        over: Duration::from_secs(12),
        workers: WORKERS,
        rounds: 2,
        concurrency: CONCURRENCY,
        grace,
        long_jobs,
    };
    deploy.run().await.unwrap()
}

/// Every job completed once, and no delivery was counted against any.
fn all_once(deployed: &Deployed) {
    let tally = &deployed.tally;
    assert_eq!((deployed.finished, deployed.open, tally.completions, tally.twice), (JOBS, 0, JOBS, 0), "{tally:?}");
    assert_eq!((tally.lost_otherwise, tally.unsure, tally.otherwise), (0, 0, 0), "{tally:?}");
    assert!(deployed.executions.iter().all(|execution| execution.losses == 0), "a delivery was counted");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn with_time_to_finish_a_rolling_deploy_runs_every_job_exactly_once() {
    let deployed = deploy(Duration::from_secs(30), false).await;
    all_once(&deployed);
    assert_eq!(deployed.tally.executions, JOBS);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn without_time_to_finish_a_rolling_deploy_puts_jobs_back_ahead_of_what_waits() {
    let deployed = deploy(Duration::from_millis(200), true).await;
    all_once(&deployed);
    let released: Vec<_> = deployed.executions.iter().filter(|execution| matches!(execution.end, Some((_, Fact::Released)))).collect();
    assert!(!released.is_empty(), "no job was long enough to be put back");
    assert_eq!(deployed.tally.executions, JOBS + released.len(), "a job began again that was not put back");
    for before in &released {
        let (job, released_at) = (before.job, before.end.unwrap().0);
        let began_after = |moment: u64| move |other: &&Execution| other.began > moment;
        // Another worker may begin it before the one that put it back hears that it has.
        let of_job = deployed.executions.iter().filter(|other| other.job == job);
        let again = of_job.filter(began_after(before.began)).map(|other| other.began).min().expect("what was put back began again");
        let later = deployed.executions.iter().filter(|other| other.job > job);
        let overtakers = later.filter(began_after(released_at)).filter(|other| other.began < again).count();
        // Those that were claimed already.
        assert!(overtakers <= WORKERS * CONCURRENCY, "{overtakers} later jobs began before job {job} did again");
    }
}

#[tokio::test]
async fn a_second_signal_ends_a_worker_at_once_and_its_jobs_wait_in_their_order() {
    let ready = told_twice_to_stop(&program("examples/chaos"), 5).await.unwrap();
    let seen: Vec<(&str, Tries)> = ready.iter().map(|job| (job.id.as_str(), job.tries)).collect();
    assert_eq!(seen, ["0", "1", "2", "3", "4"].map(|id| (id, Tries::default())));
}
