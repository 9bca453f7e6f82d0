//! `celeriac job`: one job, wherever it is.

use celeriac_queue::{Cancelled, Event, JobId, LogLine, QueueName};
use chrono::{DateTime, Utc};
use clap::{Args, Subcommand};

use crate::actions::jobs;
use crate::audit::Actor;
use crate::human::{bytes, clock, relative, took};
use crate::lookup::{self, Found};
use crate::out::announce;
use crate::reply::{Cell, Reply, Table};
use crate::stores::Stores;
use crate::views::jobs::{JobRow, unique_text};
use crate::views::outbox::OutboxRow;

#[derive(Debug, Subcommand)]
pub(crate) enum JobCommand {
    /// Everything known of a job, its failed attempts included.
    Show(Which),
    /// End a waiting job, or ask a running one to stop.
    Cancel(Which),
    /// Run an ended job again, from its first attempt.
    Retry(Which),
    /// What a job said while it ran.
    Log(Log),
}

#[derive(Debug, Args)]
pub(crate) struct Log {
    #[command(flatten)]
    which: Which,
    /// Go on until the job has ended, and show its progress too.
    #[arg(long, short)]
    follow: bool,
}

#[derive(Debug, Args)]
pub(crate) struct Which {
    id: JobId,
    /// Look only in this queue; unset: in all.
    #[arg(long)]
    queue: Option<QueueName>,
}

impl JobCommand {
    pub(crate) async fn run(self, stores: &Stores, actor: &Actor) -> anyhow::Result<Reply> {
        match self {
            Self::Show(which) => show(stores, &which.id, which.queue.as_ref()).await,
            Self::Cancel(which) => which.cancel(stores, actor).await,
            Self::Retry(which) => which.retry(stores, actor).await,
            Self::Log(log) => log.run(stores).await,
        }
    }
}

impl Log {
    async fn run(self, stores: &Stores) -> anyhow::Result<Reply> {
        let Which { id, queue } = &self.which;
        let inspector = stores.inspector().await?;
        let row = crate::views::jobs::find(&inspector, id, queue.as_ref()).await?.ok_or_else(|| unknown(id))?;
        if !self.follow {
            let lines = inspector.log(&row.queue, id).await?;
            let nothing = lines.is_empty().then(|| format!("job {id} has said nothing"));
            return Ok(lines.iter().fold(Reply::of(&lines), |reply, line| reply.line(log_line(line))).note(nothing));
        }
        let mut follower = stores.client().await?.follow(&row.queue, id).await?;
        while let Some(event) = follower.next().await? {
            match event {
                Event::Log(line) => announce(&log_line(&line)),
                Event::Progress(progress) => {
                    let step = progress.step.map_or_else(String::new, |step| format!("{step}: "));
                    announce(&format!("{:>3.0} %  {step}{}", progress.percent, progress.message));
                }
                Event::Ended(outcome) => {
                    let reason = outcome.reason.as_ref().map_or_else(String::new, |reason| format!(": {reason}"));
                    return Ok(Reply::of(&outcome).line(format!("Job {id} is {}{reason}.", outcome.state)));
                }
            }
        }
        anyhow::bail!("job {id} has ended, and how is not known any more")
    }
}

fn log_line(line: &LogLine) -> String {
    let at = DateTime::<Utc>::from_timestamp_millis(line.at.cast_signed()).map(clock).unwrap_or_default();
    format!("{at}  {}", line.message)
}

impl Which {
    async fn cancel(self, stores: &Stores, actor: &Actor) -> anyhow::Result<Reply> {
        let report = jobs::cancel(stores, actor, &self.id, self.queue.as_ref()).await?;
        let line = match report.result {
            Cancelled::Cancelled => format!("Job {} is cancelled.", self.id),
            Cancelled::Asked => format!("Job {} is running; its worker was asked to stop it.", self.id),
            Cancelled::AlreadyEnded => format!("Job {} had ended before; nothing was changed.", self.id),
        };
        Ok(Reply::of(&report).line(line).note(report.note))
    }

    async fn retry(self, stores: &Stores, actor: &Actor) -> anyhow::Result<Reply> {
        let row = crate::views::jobs::find(&stores.inspector().await?, &self.id, self.queue.as_ref()).await?;
        let row = row.ok_or_else(|| unknown(&self.id))?;
        let report = jobs::requeue(stores, actor, "retry", &self.id, &row.queue).await?;
        let line = match report.requeued {
            true => format!("Job {} is ready again in queue {}.", self.id, row.queue),
            false => format!("Job {} has not ended (it is {}); nothing was changed.", self.id, row.state),
        };
        Ok(Reply::of(&report).line(line).failed_if(!report.requeued))
    }
}

/// Everything known of a job; `celeriac dead show` tells it too.
pub(super) async fn show(stores: &Stores, id: &JobId, queue: Option<&QueueName>) -> anyhow::Result<Reply> {
    let (found, remark) = lookup::find(stores, id, queue).await?;
    let found = found.ok_or_else(|| unknown(id))?;
    let mut reply = Reply::of(&found).pairs(pairs(&found)).note(remark);
    if let Some(row) = found.in_queue {
        if !row.steps.is_empty() {
            reply = reply.table(steps(&row));
        }
        if !row.attempts.is_empty() {
            reply = reply.table(attempts(&row));
        }
    }
    Ok(reply)
}

fn unknown(id: &JobId) -> anyhow::Error {
    anyhow::anyhow!("there is no job {id} in any queue, nor in the outbox: it never was, or its record has been pruned")
}

fn pairs(found: &Found) -> Vec<(&'static str, String)> {
    let mut pairs = vec![("id", found.id.to_string()), ("state", found.state.clone())];
    if let Some(row) = &found.in_queue {
        queue_pairs(row, &mut pairs);
    }
    if let Some(row) = &found.in_outbox {
        outbox_pairs(row, found.in_queue.is_none(), &mut pairs);
    }
    pairs
}

fn queue_pairs(row: &JobRow, pairs: &mut Vec<(&'static str, String)>) {
    let now = Utc::now();
    let when = |at| format!("{} ({})", clock(at), relative(at, now));
    let mut add = |name, value: Option<String>| pairs.extend(value.map(|value| (name, value)));
    add("job", Some(row.name().to_owned()));
    add("queue", Some(row.queue.to_string()));
    add("priority", Some(row.priority.to_string()));
    add("batch", row.batch.as_ref().zip(row.batch_home.as_ref()).map(|(batch, home)| format!("{batch} (of queue {home})")));
    add("key", row.key.clone());
    add("units", (row.units != 1).then(|| row.units.to_string()));
    add("unique", row.unique.as_ref().map(unique_text));
    add("suspect", row.suspect.then(|| "a worker died while running it: it is run alone".to_owned()));
    add("enqueued", row.enqueued_at.map(when));
    add("due", row.due_at.map(when));
    add("lease until", row.lease_until.map(when));
    add("worker", row.worker.clone());
    add("progress", row.progress_text());
    add("tries", row.tries_text());
    add("cancellation", row.cancel_asked.then(|| "asked for".to_owned()));
    add("ended", row.ended_at.map(when));
    add("kind of end", row.kind.clone());
    add("reason", row.reason.clone());
    add("cause", row.fingerprint.as_ref().map(ToString::to_string));
    add("took", row.duration_ms.map(took));
    add("output", row.output.as_ref().filter(|output| !output.is_null()).map(|output| format!("{output:#}")));
    add("request id", row.request_id.clone());
    let encrypted = row.encrypted_with.as_ref().map_or_else(String::new, |key| format!(", encrypted with key {key}"));
    add("arguments", Some(format!("{}{encrypted} (not shown: they may hold personal data)", bytes(row.payload_bytes as u64))));
}

fn outbox_pairs(row: &OutboxRow, alone: bool, pairs: &mut Vec<(&'static str, String)>) {
    let mut add = |name, value: Option<String>| pairs.extend(value.map(|value| (name, value)));
    if alone {
        add("job", Some(row.job.clone()));
        add("queue", row.queue.clone());
        add("key", row.key.clone());
        add("unique key", row.unique_key.clone());
        add("reason", row.error.clone());
    }
    add("outbox", Some(format!("written {} by {}", clock(row.created_at), row.origin)));
    match (row.relayed_at, row.done_at) {
        (None, _) if row.duplicate_of.is_some() => add("relayed", Some("no: another job had its unique key".into())),
        (None, None) => add("relayed", Some("not yet: is a scheduler running?".into())),
        (relayed, _) => add("relayed", relayed.map(clock)),
    }
    add("confirmed", row.done_at.map(clock));
}

fn steps(row: &JobRow) -> Table {
    let mut table = Table::new(&["FINISHED STEP", "AT", "RESULT"], "");
    for step in &row.steps {
        table.push(vec![Cell::from(&step.name), clock(step.at).into(), bytes(step.bytes as u64).into()]);
    }
    table
}

fn attempts(row: &JobRow) -> Table {
    let mut table = Table::new(&["FAILED AT", "WORKER", "ERROR"], "");
    for attempt in &row.attempts {
        table.push(vec![clock(attempt.at).into(), (&attempt.worker).into(), Cell::from(&attempt.error)]);
    }
    table
}
