//! What the documentation says is what the programs do.

use std::process::Stdio;

use celeriac_process::{Process, Settings, markdown_table};
use celeriac_tests::{System, program};

fn file(name: &str) -> String {
    let path = std::path::Path::new(env!("CARGO_MANIFEST_DIR")).join("..").join(name);
    std::fs::read_to_string(&path).unwrap_or_else(|error| panic!("{name} cannot be read: {error}"))
}

#[test]
fn the_settings_in_readme_are_those_of_the_table() {
    let readme = file("README.md");
    assert!(readme.contains(&markdown_table()), "README.md's table of settings differs; it should read:\n\n{}", markdown_table());
}

#[test]
fn the_example_environment_passes_the_checks_of_every_process() {
    let example = file(".env.example");
    let pairs = || {
        let lines = example.lines().filter(|line| !line.starts_with('#'));
        lines.filter_map(|line| line.split_once('=')).map(|(name, value)| (name.to_owned(), value.to_owned())).collect::<Vec<_>>()
    };
    for process in [Process::Worker, Process::OwnWorker, Process::Scheduler, Process::Ops] {
        Settings::from_pairs(process, pairs()).unwrap_or_else(|errors| panic!("{process:?}: {errors}"));
    }
}

#[test]
fn the_own_worker_in_the_guide_is_the_one_that_is_tested() {
    let guide = file("docs/writing-jobs.md");
    let code = file("examples/own-worker/src/main.rs");
    assert!(guide.contains(code.trim_end()), "docs/writing-jobs.md does not show examples/own-worker/src/main.rs as it is");
}

#[tokio::test]
async fn a_worker_without_its_settings_says_all_of_them_and_takes_no_work() {
    let output = tokio::process::Command::new(program("celeriac-worker"))
        .env_clear()
        .env("REDIS_URL", "localhost:6379")
        .env("WORKER_CONCURRENCY", "many")
        .current_dir(std::env::temp_dir())
        .output()
        .await
        .unwrap();
    assert!(!output.status.success());
    let said = String::from_utf8_lossy(&output.stderr);
    for name in ["REDIS_URL", "DATABASE_URL", "OPENAI_API_KEY", "MEDIA_ROOT", "FIELD_ENCRYPTION_KEYS", "WORKER_CONCURRENCY"] {
        assert!(said.contains(name), "{name} is not named in:\n{said}");
    }
}

#[tokio::test]
async fn a_reader_that_has_seen_enough_is_no_error() {
    let system = System::start().await;
    let mut child = tokio::process::Command::new(program("celeriac"))
        .args(["migrate", "status"])
        .envs(&system.environment)
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn()
        .unwrap();
    // As `| head -0` would.
    drop(child.stdout.take());
    let output = child.wait_with_output().await.unwrap();
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    system.finish().await;
}
