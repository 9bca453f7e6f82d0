//! The command line: what can be said, and who answers it.

use std::process::ExitCode;

use celeriac_process::{Process, Settings};
use clap::{Parser, Subcommand};

use crate::audit::Actor;
use crate::commands::{
    backup, check, costs, dead, demo, document, enqueue, inspect, job, key, migrate, queue, recover, schedule, serve, standin,
};
use crate::out;
use crate::reply::Reply;
use crate::stores::Stores;

const EXIT_CODES: &str = "Exit codes: 0 done; 1 it failed, or what it found is bad; 2 the command line cannot be used.\n\
    Settings come from the environment, and in a folder with a .env file also from there. NO_COLOR=1 turns colours off.";

/// Inspect and operate Celeriac: jobs, queues, workers, schedules, backups.
#[derive(Debug, Parser)]
#[command(name = "celeriac", version, after_help = EXIT_CODES, max_term_width = 120)]
pub(crate) struct Cli {
    /// Print JSON with stable field names.
    #[arg(long, global = true)]
    pub(crate) json: bool,
    #[command(subcommand)]
    pub(crate) command: Command,
}

#[derive(Debug, Subcommand)]
pub(crate) enum Command {
    /// Put a job into its queue.
    Enqueue(enqueue::Enqueue),
    /// Look at work and workers: active, reserved, scheduled, stats, workers.
    #[command(subcommand)]
    Inspect(inspect::Inspect),
    /// Show, cancel or retry one job.
    #[command(subcommand)]
    Job(job::JobCommand),
    /// List dead jobs and replay them.
    #[command(subcommand)]
    Dead(dead::Dead),
    /// List, pause and resume queues.
    #[command(subcommand)]
    Queue(queue::QueueCommand),
    /// List, run, enable and disable schedules; their history.
    #[command(subcommand)]
    Schedule(schedule::Schedule),
    /// The catalogue of backups.
    #[command(subcommand)]
    Backup(backup::Backup),
    /// Keys of the HTTP API.
    #[command(subcommand)]
    Key(key::Key),
    /// Add a document as the web app would, or show one with its analysis.
    #[command(subcommand)]
    Document(document::Document),
    /// Paid calls, tokens and money by day and model.
    Costs(costs::Costs),
    /// Enqueue what PostgreSQL says is unfinished and nothing will finish.
    Recover(recover::Recover),
    /// Test the configuration and everything it points to; print every problem at once.
    Check(check::Check),
    /// Apply, undo or list the schema's migrations.
    #[command(subcommand)]
    Migrate(migrate::Migrate),
    /// Serve health, metrics, the HTTP API and the console.
    Serve(serve::Serve),
    /// A local stand-in that speaks the wire format of OpenAI's Responses API.
    OpenaiStub(standin::OpenaiStub),
    /// A local stand-in that speaks the wire format of PayPal's Orders API.
    PaypalStub(standin::PaypalStub),
    /// The whole system at work on sample documents, on private servers; gone afterwards.
    Demo(crate::demo::DemoArgs),
    /// Run a command with private servers around it, found in its environment.
    WithServers(demo::WithServers),
}

/// The whole process: parse, run, print, exit code.
pub async fn main() -> ExitCode {
    let cli = Cli::parse();
    let json = cli.json;
    out::print(run(cli.command).await, json)
}

/// Some commands bring their own configuration; the rest works on the stores that the settings name.
async fn run(command: Command) -> anyhow::Result<Reply> {
    match command {
        Command::Check(check) => check.run().await,
        Command::OpenaiStub(stub) => stub.run().await,
        Command::PaypalStub(stub) => stub.run().await,
        Command::Demo(arguments) => demo::run_demo(arguments).await,
        Command::WithServers(command) => command.run().await,
        command => answer(command, &Stores::new(Settings::load(Process::Ops)?), &Actor::at_the_shell()).await,
    }
}

/// Answers a command line, given without the program's name, on given stores.
///
/// # Errors
/// When the words are no command, or as the command says: a chain of sentences, what was being done and what stood in the way.
pub async fn answer_words(words: &[&str], stores: &Stores, actor: &Actor) -> anyhow::Result<Reply> {
    let cli = Cli::try_parse_from(std::iter::once("celeriac").chain(words.iter().copied()))?;
    answer(cli.command, stores, actor).await
}

async fn answer(command: Command, stores: &Stores, actor: &Actor) -> anyhow::Result<Reply> {
    match command {
        Command::Enqueue(enqueue) => enqueue.run(stores).await,
        Command::Inspect(inspect) => inspect.run(stores).await,
        Command::Job(job) => job.run(stores, actor).await,
        Command::Dead(dead) => dead.run(stores, actor).await,
        Command::Queue(queue) => queue.run(stores, actor).await,
        Command::Schedule(schedule) => schedule.run(stores, actor).await,
        Command::Backup(backup) => backup.run(stores).await,
        Command::Key(key) => key.run(stores, actor).await,
        Command::Document(document) => document.run(stores).await,
        Command::Costs(costs) => costs.run(stores).await,
        Command::Recover(recover) => recover.run(stores, actor).await,
        Command::Check(check) => check.run().await,
        Command::Migrate(migrate) => migrate.run(stores).await,
        Command::Serve(serve) => serve.run(stores).await,
        Command::OpenaiStub(stub) => stub.run().await,
        Command::PaypalStub(stub) => stub.run().await,
        Command::Demo(arguments) => demo::run_demo(arguments).await,
        Command::WithServers(command) => command.run().await,
    }
}
