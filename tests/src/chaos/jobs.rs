//! The jobs of the chaos run: quick ones, slow ones, some that fail once, give their slot back once, come later, or go first or last.

use std::time::Duration;

use anyhow::Result;
use celeriac_queue::{Client, EnqueueOptions, Job, JobContext, JobError, JobId, JobResult, Policy, QueueName, Registry};
use serde::{Deserialize, Serialize};
use tokio::time::sleep;

use super::journal::Journal;

/// Takes so many ms.
#[derive(Serialize, Deserialize)]
pub(crate) struct Work {
    pub(crate) ms: u64,
}

/// Fails at its first attempt.
#[derive(Serialize, Deserialize)]
struct Stumble {}

/// Gives its slot back once.
#[derive(Serialize, Deserialize)]
struct Nap {}

/// Never ends, until a worker was lost with it.
#[derive(Serialize, Deserialize)]
struct Linger {}

/// Between the two turns of a job that takes two.
const SECOND_TURN: Duration = Duration::from_millis(200);

pub(crate) fn policy() -> Policy {
    Policy { keep: Duration::ZERO, ..Policy::default() }
}

impl Job for Work {
    const NAME: &'static str = "chaos_work";
    type State = Journal;
    type Output = ();

    fn policy() -> Policy {
        policy()
    }

    async fn run(self, journal: Journal, ctx: JobContext) -> JobResult {
        let body = journal.begin(&ctx);
        if self.ms > 0 {
            sleep(Duration::from_millis(self.ms)).await;
        }
        body.end();
        Ok(())
    }
}

impl Job for Stumble {
    const NAME: &'static str = "chaos_stumble";
    type State = Journal;
    type Output = ();

    fn policy() -> Policy {
        policy()
    }

    async fn run(self, journal: Journal, ctx: JobContext) -> JobResult {
        journal.begin(&ctx).end();
        if ctx.attempt() == 1 { Err(JobError::RetryAfter(SECOND_TURN, anyhow::anyhow!("the first attempt always fails"))) } else { Ok(()) }
    }
}

impl Job for Nap {
    const NAME: &'static str = "chaos_nap";
    type State = Journal;
    type Output = ();

    fn policy() -> Policy {
        policy()
    }

    async fn run(self, journal: Journal, ctx: JobContext) -> JobResult {
        journal.begin(&ctx).end();
        if ctx.tries().snoozes == 0 { Err(JobError::Snooze(SECOND_TURN, "not now".to_owned())) } else { Ok(()) }
    }
}

impl Job for Linger {
    const NAME: &'static str = "chaos_linger";
    type State = Journal;
    type Output = ();

    fn policy() -> Policy {
        policy()
    }

    async fn run(self, journal: Journal, ctx: JobContext) -> JobResult {
        let body = journal.begin(&ctx);
        if ctx.tries().losses == 0 {
            std::future::pending::<()>().await;
        }
        body.end();
        Ok(())
    }
}

pub(crate) fn registry(journal: &Journal) -> Registry {
    Registry::new()
        .with::<Work>(journal.clone())
        .with::<Stumble>(journal.clone())
        .with::<Nap>(journal.clone())
        .with::<Linger>(journal.clone())
}

/// Enqueues so many jobs that do not end, numbered from 0.
pub(crate) async fn enqueue_lingering(client: &Client, queue: &QueueName, jobs: usize) -> Result<()> {
    for number in 0..jobs {
        let options = EnqueueOptions { queue: Some(queue.clone()), ..numbered(number) };
        client.enqueue_with(&Linger {}, options).await?;
    }
    Ok(())
}

/// Which jobs a run is made of.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Mix {
    /// All kinds, up to 100 ms long.
    Everything,
    /// One turn each, up to 40 ms long.
    Short,
    /// As `Short`, but one in 40 takes 1.5 s.
    SomeLong,
}

impl Mix {
    /// How often a job begins when nothing goes wrong.
    pub(crate) fn turns(self, job: usize) -> usize {
        if self == Self::Everything && matches!(job % 10, 7 | 8) { 2 } else { 1 }
    }

    /// Name, arguments and options of a job, as the client takes them. Its number is its id.
    pub(crate) fn job(self, number: usize) -> (String, Vec<u8>, EnqueueOptions) {
        let mut options = numbered(number);
        if self != Self::Everything {
            let ms = if self == Self::SomeLong && number % 40 == 13 { 1_500 } else { 5 + (number * 7 % 35) as u64 };
            return (Work::NAME.to_owned(), json(&Work { ms }), options);
        }
        options.priority = match number % 77 {
            n if n % 7 == 0 => Some(0),
            n if n % 11 == 0 => Some(9),
            _ => None,
        };
        let (name, arguments) = match number % 10 {
            0..=2 => (Work::NAME, json(&Work { ms: 0 })),
            7 => (Stumble::NAME, json(&Stumble {})),
            8 => (Nap::NAME, json(&Nap {})),
            remainder => {
                if remainder == 9 {
                    options.delay = Some(Duration::from_millis(100 + (number * 13 % 1_900) as u64));
                }
                (Work::NAME, json(&Work { ms: 10 + (number * 7 % 90) as u64 }))
            }
        };
        (name.to_owned(), arguments, options)
    }
}

fn numbered(number: usize) -> EnqueueOptions {
    EnqueueOptions { id: Some(JobId::parse(&number.to_string()).expect("digits are visible")), ..EnqueueOptions::default() }
}

fn json(arguments: &impl Serialize) -> Vec<u8> {
    serde_json::to_vec(arguments).expect("arguments have only text keys")
}
