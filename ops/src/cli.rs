//! The command line: what can be said, and who answers it.

use std::process::ExitCode;

use celeriac_process::{Process, Settings};
use clap::{Parser, Subcommand};
use futures::future::LocalBoxFuture;

use crate::audit::Actor;
use crate::commands::{
    backup, batch, budget, chain, check, costs, dead, demo, document, enqueue, health, inspect, job, key, keys, letter, migrate,
    openai_batches, queue, recover, schedule, serve, standin, stats, usage,
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
    #[command(flatten)]
    OnStores(OnStores),
    /// Test the configuration and everything it points to; print every problem at once.
    Check(check::Check),
    /// A local stand-in that speaks the wire format of OpenAI's Responses and Batch API, with its limits and faults.
    OpenaiStub(standin::OpenaiStub),
    /// A local stand-in that speaks the wire format of PayPal's Orders API.
    PaypalStub(standin::PaypalStub),
    /// The whole system at work on sample documents, on private servers; gone afterwards.
    Demo(crate::demo::DemoArgs),
    /// Run a command with private servers around it, found in its environment.
    WithServers(demo::WithServers),
}

/// Commands that work on the stores which the settings name.
#[derive(Debug, Subcommand)]
pub(crate) enum OnStores {
    /// Put a job into its queue.
    Enqueue(Box<enqueue::Enqueue>),
    /// Look at work and workers: active, reserved, scheduled, stats, workers.
    #[command(subcommand)]
    Inspect(inspect::Inspect),
    /// Show, cancel or retry one job.
    #[command(subcommand)]
    Job(job::JobCommand),
    /// Put a chain into its queue: jobs that run one after the other.
    Chain(chain::Chain),
    /// Enqueue a batch, list batches, or show one.
    #[command(subcommand)]
    Batch(batch::BatchCommand),
    /// Jobs that failed for good: list them, group them by cause, replay or delete them.
    #[command(subcommand)]
    Dead(dead::Dead),
    /// Queues in numbers: counts, moves, and what each takes of Redis' memory.
    Stats(stats::StatsCommand),
    /// List, pause, resume and limit queues; the keys that share one.
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
    /// The keys of encrypted columns, FIELD_ENCRYPTION_KEYS.
    #[command(subcommand)]
    Keys(keys::Keys),
    /// Add a document as the web app would, show one with its analysis, or delete one.
    #[command(subcommand)]
    Document(document::Document),
    /// Denial letters: have one taken apart, show what was found.
    #[command(subcommand)]
    Letter(letter::Letter),
    /// Paid calls, tokens and money by day, user, job or model.
    Costs(costs::Costs),
    /// Questions that go to the model in batches, at half the price.
    OpenaiBatches(openai_batches::OpenaiBatches),
    /// The model's limits and budgets: what is set, learned, used and spent.
    Budget(budget::BudgetCommand),
    /// What a user has used this month; set it back, or limit it.
    #[command(subcommand)]
    Usage(usage::Usage),
    /// Enqueue what PostgreSQL says is unfinished and nothing will finish.
    Recover(recover::Recover),
    /// How the system is: every check, exit code 1 when it is unhealthy.
    Health(health::HealthCommand),
    /// Apply, undo or list the schema's migrations.
    #[command(subcommand)]
    Migrate(migrate::Migrate),
    /// Serve health, metrics, the HTTP API and the console.
    Serve(serve::Serve),
}

/// The whole process: parse, run, print, exit code.
pub async fn main() -> ExitCode {
    let cli = Cli::parse();
    let stores = || Ok(Stores::new(Settings::load(Process::Ops)?));
    let answer = run(cli.command, stores, &Actor::at_the_shell()).await;
    out::print(answer, cli.json)
}

/// Answers a command line, given without the program's name, on given stores.
///
/// # Errors
/// When the words are no command, or as the command says: a chain of sentences, what was being done and what stood in the way.
pub async fn answer_words(words: &[&str], stores: &Stores, actor: &Actor) -> anyhow::Result<Reply> {
    let cli = Cli::try_parse_from(std::iter::once("celeriac").chain(words.iter().copied()))?;
    run(cli.command, || Ok(stores.clone()), actor).await
}

async fn run(command: Command, stores: impl FnOnce() -> anyhow::Result<Stores>, actor: &Actor) -> anyhow::Result<Reply> {
    match command {
        Command::OnStores(command) => command.run(&stores()?, actor).await,
        Command::Check(check) => Box::pin(check.run()).await,
        Command::OpenaiStub(stub) => Box::pin(stub.run()).await,
        Command::PaypalStub(stub) => Box::pin(stub.run()).await,
        Command::Demo(arguments) => Box::pin(demo::run_demo(arguments)).await,
        Command::WithServers(command) => Box::pin(command.run()).await,
    }
}

impl OnStores {
    /// Each command's future on the heap: the largest of them must not be part of every one.
    fn run<'a>(self, stores: &'a Stores, actor: &'a Actor) -> LocalBoxFuture<'a, anyhow::Result<Reply>> {
        match self {
            Self::Enqueue(enqueue) => Box::pin(enqueue.run(stores)),
            Self::Inspect(inspect) => Box::pin(inspect.run(stores)),
            Self::Job(job) => Box::pin(job.run(stores, actor)),
            Self::Chain(chain) => Box::pin(chain.run(stores)),
            Self::Batch(batch) => Box::pin(batch.run(stores)),
            Self::Dead(dead) => Box::pin(dead.run(stores, actor)),
            Self::Stats(stats) => Box::pin(stats.run(stores)),
            Self::Queue(queue) => Box::pin(queue.run(stores, actor)),
            Self::Schedule(schedule) => Box::pin(schedule.run(stores, actor)),
            Self::Backup(backup) => Box::pin(backup.run(stores)),
            Self::Key(key) => Box::pin(key.run(stores, actor)),
            Self::Keys(keys) => Box::pin(keys.run(stores, actor)),
            Self::Document(document) => Box::pin(document.run(stores, actor)),
            Self::Letter(letter) => Box::pin(letter.run(stores)),
            Self::Costs(costs) => Box::pin(costs.run(stores)),
            Self::OpenaiBatches(batches) => Box::pin(batches.run(stores)),
            Self::Budget(budget) => Box::pin(budget.run(stores)),
            Self::Usage(usage) => Box::pin(usage.run(stores, actor)),
            Self::Recover(recover) => Box::pin(recover.run(stores, actor)),
            Self::Health(health) => Box::pin(health.run(stores)),
            Self::Migrate(migrate) => Box::pin(migrate.run(stores)),
            Self::Serve(serve) => Box::pin(serve.run(stores)),
        }
    }
}
