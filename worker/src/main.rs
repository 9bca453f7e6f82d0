//! `celeriac-worker`: runs the jobs that Celeriac ships; `health` says whether a worker of this machine is alive.

use std::io::Write;
use std::process::ExitCode;

use anyhow::bail;
use celeriac_jobs::{Services, documents, register_all};
use celeriac_process::{Process, Settings, connect, in_words, telemetry};
use celeriac_queue::Client;
use celeriac_worker::{Registry, Worker, WorkerConfig, health};

const USAGE: &str = "\
celeriac-worker          runs jobs until SIGTERM; a second signal stops it at once
celeriac-worker health   exits 0 when a worker of this machine is alive, 1 with a sentence when not";

fn main() -> ExitCode {
    // Uploads are parsed in a child that is this same program: before any thread, log or connection of the worker exists.
    documents::child::run_child_if_asked();
    let arguments: Vec<String> = std::env::args().skip(1).collect();
    match dispatch(&arguments) {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            let _ = writeln!(std::io::stderr(), "celeriac-worker: {}", in_words(&error));
            ExitCode::FAILURE
        }
    }
}

#[tokio::main]
async fn dispatch(arguments: &[String]) -> anyhow::Result<()> {
    match arguments.iter().map(String::as_str).collect::<Vec<_>>().as_slice() {
        [] | ["run"] => run(&Settings::load(Process::Worker)?).await,
        ["health"] => health::check(&connect::redis(&Settings::load(Process::OwnWorker)?).await?).await,
        ["help" | "--help" | "-h"] | ["health", "--help"] => Ok(writeln!(std::io::stdout(), "{USAGE}")?),
        other => bail!("\"{}\" is not understood. Usage:\n{USAGE}", other.join(" ")),
    }
}

async fn run(settings: &Settings) -> anyhow::Result<()> {
    let _telemetry = telemetry::init(settings, Process::Worker)?;
    let (connection, pool) = tokio::try_join!(connect::redis(settings), connect::postgres(settings))?;
    celeriac_migrations::check(&pool).await?;
    let services = Services::from_settings(settings, pool.clone(), connection.clone())?;
    let mut registry = Registry::new();
    register_all(&mut registry, &services);
    let config = WorkerConfig::from_settings(settings);
    let watch = tokio::spawn(services.gateway.clone().watch_pauses(Client::new(connection.clone()), config.queues.clone()));
    let result = Worker::with(connection, Some(pool), registry, config).run_until_stopped().await;
    watch.abort();
    result
}
