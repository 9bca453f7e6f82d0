//! A worker built from the library, with jobs of its own and none of ours.

use std::time::Duration;

use celeriac_queue::{EnqueueOptions, Policy, State};
use celeriac_tests::System;

#[tokio::test]
async fn a_worker_of_ones_own_runs_its_job_and_returns_its_output() {
    let mut system = System::start().await;
    let _worker = system.process("own-worker", &[]);
    let options = EnqueueOptions { keep: Some(Duration::from_secs(60)), ..EnqueueOptions::default() };
    let enqueued = system.client.enqueue_raw("greet", br#"{"name": "Ada"}"#.to_vec(), &Policy::default(), options).await.unwrap();
    let outcome = system.client.wait(&enqueued.queue, &enqueued.id, Duration::from_secs(30)).await.unwrap();
    assert_eq!(outcome.state, State::Finished);
    assert_eq!(outcome.output, Some("hello, Ada".into()));
    system.finish().await;
}

#[test]
fn a_worker_without_our_jobs_does_not_build_the_heavy_crates() {
    let output = std::process::Command::new(env!("CARGO"))
        .args(["tree", "--offline", "--package", "own-worker", "--edges", "normal", "--prefix", "none"])
        .current_dir(concat!(env!("CARGO_MANIFEST_DIR"), "/.."))
        .output()
        .unwrap();
    let tree = String::from_utf8_lossy(&output.stdout);
    assert!(tree.contains("celeriac-worker"), "cargo tree failed: {}", String::from_utf8_lossy(&output.stderr));
    for heavy in ["hayro ", "async-openai ", "celeriac-jobs ", "age "] {
        assert!(!tree.lines().any(|line| line.starts_with(heavy)), "own-worker builds {heavy}");
    }
}
