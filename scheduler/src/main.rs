//! `celeriac-scheduler`: runs the scheduler; `health` and `explain` look at it.

use std::io::Write;
use std::process::ExitCode;

use anyhow::{Context, bail};
use celeriac_process::stop::Stop;
use celeriac_process::{Process, Settings, connect, in_words, telemetry};
use celeriac_queue::Client;
use celeriac_scheduler::{Calendar, Scheduler, SchedulerConfig, explain, health};
use chrono::Utc;

const USAGE: &str = "\
celeriac-scheduler                            fires schedules and relays the outbox until SIGTERM
celeriac-scheduler health                     exits 0 when schedules are being fired, 1 with a sentence when not
celeriac-scheduler explain NAME [--count N]   the next occurrences of a schedule, and why clocks move some (10 unless N is given)";

enum Command {
    Run,
    Health,
    Explain { schedule: String, count: usize },
    Help,
}

/// One thread: all the work is waiting, and a second thread would only cost memory.
#[tokio::main(flavor = "current_thread")]
async fn main() -> ExitCode {
    let arguments: Vec<String> = std::env::args().skip(1).collect();
    let done = match parse(&arguments) {
        Ok(command) => execute(command).await,
        Err(error) => Err(error),
    };
    match done {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            let _ = writeln!(std::io::stderr(), "celeriac-scheduler: {}", in_words(&error));
            ExitCode::FAILURE
        }
    }
}

fn parse(arguments: &[String]) -> anyhow::Result<Command> {
    let words: Vec<&str> = arguments.iter().map(String::as_str).collect();
    match words.as_slice() {
        [] | ["run"] => Ok(Command::Run),
        ["health"] => Ok(Command::Health),
        ["explain", schedule] => Ok(Command::Explain { schedule: (*schedule).into(), count: 10 }),
        ["explain", schedule, "--count", count] | ["explain", "--count", count, schedule] => {
            let number = count.parse().ok().filter(|number| (1..=10_000).contains(number));
            let count = number.with_context(|| format!("--count is \"{count}\": it must be a number from 1 to 10000"))?;
            Ok(Command::Explain { schedule: (*schedule).into(), count })
        }
        ["help" | "--help" | "-h"] | ["health", "--help"] => Ok(Command::Help),
        _ => bail!("\"{}\" is not understood. Usage:\n{USAGE}", words.join(" ")),
    }
}

async fn execute(command: Command) -> anyhow::Result<()> {
    if matches!(command, Command::Help) {
        return say(USAGE);
    }
    let settings = Settings::load(Process::Scheduler)?;
    match command {
        Command::Run => run(&settings).await,
        Command::Health => {
            let (pool, redis) = (connect::postgres(&settings).await?, connect::redis(&settings).await?);
            say(&health(&pool, &redis, settings.duration("SCHEDULER_LEASE")).await?)
        }
        Command::Explain { schedule, count } => print_explanation(&settings, &schedule, count).await,
        Command::Help => unreachable!("answered above, without settings"),
    }
}

async fn run(settings: &Settings) -> anyhow::Result<()> {
    let _telemetry = telemetry::init(settings, Process::Scheduler)?;
    let config = SchedulerConfig::from_settings(settings)?;
    let stop = Stop::on_signals()?;
    let client = Client::new(connect::redis(settings).await?);
    let pool = connect::postgres(settings).await?;
    let scheduler = Scheduler::new(config, pool, client);
    tokio::select! {
        ended = scheduler.run(stop.requested()) => ended,
        // Whatever was under way is done again by the next scheduler.
        () = stop.forced() => bail!("stopped at once, by a second signal"),
    }
}

async fn print_explanation(settings: &Settings, schedule: &str, count: usize) -> anyhow::Result<()> {
    let pool = connect::postgres(settings).await?;
    let row = sqlx::query!("select cron, every_seconds, time_zone, enabled from celeriac.schedules where name = $1", schedule)
        .fetch_optional(&pool)
        .await?
        .with_context(|| format!("there is no schedule \"{schedule}\": `celeriac schedule list` shows them all"))?;
    let calendar = Calendar::new(row.cron.as_deref(), row.every_seconds.map(i64::from), &row.time_zone)
        .with_context(|| format!("the schedule {schedule} cannot be read"))?;
    let rhythm = match (&row.cron, row.every_seconds) {
        (Some(line), _) => format!("{line}  in {}", row.time_zone),
        (None, seconds) => format!("every {} s", seconds.unwrap_or_default()),
    };
    say(&format!("{schedule}: {rhythm}{}", if row.enabled { "" } else { "  (switched off)" }))?;
    explain(&calendar, Utc::now(), count).iter().try_for_each(|occurrence| say(&format!("  {occurrence}")))
}

fn say(line: &str) -> anyhow::Result<()> {
    Ok(writeln!(std::io::stdout(), "{line}")?)
}
