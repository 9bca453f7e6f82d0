//! `celeriac dead`: jobs that failed for good: their causes, their replay, their deletion.

use celeriac_queue::{DEAD_READ_MAX, Fingerprint, JobId, QueueName, Rate, State};
use chrono::Utc;
use clap::{Args, Subcommand};

use super::job;
use crate::actions::dead::{self, DeleteReport, ReplayReport, Selection, Which};
use crate::audit::Actor;
use crate::human::{plural, relative, span};
use crate::reply::{Cell, Reply, Table, Tone};
use crate::stores::Stores;
use crate::views;
use crate::views::jobs;

/// A dry run shows the first so many jobs.
const PLAN_SHOWN: usize = 20;
/// A reason in a table of groups is cut at so many characters; `dead show` has all of it.
const REASON_SHOWN: usize = 160;

#[derive(Debug, Subcommand)]
pub(crate) enum Dead {
    /// Dead jobs, newest first, with the reason of each.
    List {
        /// Only this queue.
        #[arg(long)]
        queue: Option<QueueName>,
        /// Only those of this cause, as in `celeriac dead groups`.
        #[arg(long, value_name = "FINGERPRINT")]
        group: Option<Fingerprint>,
        /// Show at most so many.
        #[arg(long, default_value_t = 50)]
        limit: usize,
    },
    /// Dead jobs by what they died of, the largest group first.
    Groups {
        /// Only this queue.
        #[arg(long)]
        queue: Option<QueueName>,
    },
    /// Everything known of one dead job, and how many died of the same.
    Show {
        id: JobId,
        /// Look only in this queue; unset: in all.
        #[arg(long)]
        queue: Option<QueueName>,
    },
    /// Run dead jobs again from their first attempt: one, those of one cause, or all; the oldest first.
    ///
    /// Try one with --limit 1, then ten, then the rest: what was replayed is not dead any more and is not taken again.
    Replay {
        #[command(flatten)]
        which: Chosen,
        /// How fast, in each queue, as in 10/s, 100/min or 5/h: each is scheduled for its moment now, and nobody has to stay. Unset: all
        /// at once, at most 500.
        #[arg(long, value_parser = Rate::parse)]
        rate: Option<Rate>,
        /// Only say what would be done.
        #[arg(long)]
        dry_run: bool,
    },
    /// Delete dead jobs for good, with their arguments and history: one, those of one cause, or all; the oldest first.
    Delete {
        #[command(flatten)]
        which: Chosen,
        /// Yes, delete them; asked for with --group and --all.
        #[arg(long)]
        yes: bool,
        /// Only say what would be done.
        #[arg(long, conflicts_with = "yes")]
        dry_run: bool,
    },
}

#[derive(Debug, Args)]
pub(crate) struct Chosen {
    #[arg(required_unless_present_any = ["group", "all"], conflicts_with_all = ["group", "all"])]
    id: Option<JobId>,
    /// Every dead job of this cause, as in `celeriac dead groups`.
    #[arg(long, value_name = "FINGERPRINT", conflicts_with = "all")]
    group: Option<Fingerprint>,
    /// Every dead job.
    #[arg(long)]
    all: bool,
    /// Only this queue.
    #[arg(long)]
    queue: Option<QueueName>,
    /// At most so many.
    #[arg(long, conflicts_with = "id")]
    limit: Option<usize>,
}

impl From<Chosen> for Selection {
    fn from(chosen: Chosen) -> Self {
        let which = match (chosen.id, chosen.group) {
            (Some(id), _) => Which::Job(id),
            (None, Some(group)) => Which::Group(group),
            (None, None) => Which::All,
        };
        Self { which, queue: chosen.queue, limit: chosen.limit }
    }
}

impl Dead {
    pub(crate) async fn run(self, stores: &Stores, actor: &Actor) -> anyhow::Result<Reply> {
        match self {
            Self::List { queue, group, limit } => list(stores, queue.as_ref(), group.as_ref(), limit).await,
            Self::Groups { queue } => groups(stores, queue.as_ref()).await,
            Self::Show { id, queue } => show(stores, &id, queue.as_ref()).await,
            Self::Replay { which, rate, dry_run } => Ok(replayed(&dead::replay(stores, actor, &which.into(), rate, dry_run).await?)),
            Self::Delete { which, yes, dry_run } => delete(stores, actor, &which.into(), yes, dry_run).await,
        }
    }
}

async fn list(stores: &Stores, queue: Option<&QueueName>, group: Option<&Fingerprint>, limit: usize) -> anyhow::Result<Reply> {
    let inspector = stores.inspector().await?;
    let rows = match (group, queue) {
        (Some(group), _) => jobs::of_group(&inspector, group, queue, limit).await?,
        (None, Some(_)) => jobs::in_state(&inspector, State::Dead, queue, limit).await?,
        (None, None) => jobs::recently_dead(&inspector, limit).await?,
    };
    let now = Utc::now();
    let empty = if group.is_some() { "No job is dead of that cause." } else { "No job is dead." };
    let mut table = Table::new(&["QUEUE", "JOB", "ID", "DIED", "KIND", "TRIES", "CAUSE", "REASON"], empty);
    for row in &rows {
        table.push(vec![
            (&row.queue).into(),
            row.name().into(),
            (&row.id).into(),
            Cell::maybe(row.ended_at.map(|at| relative(at, now))),
            Cell::maybe(row.kind.clone()),
            Cell::maybe(row.tries_text()),
            Cell::maybe(row.fingerprint.as_ref().map(Fingerprint::as_str)),
            Cell::toned(row.reason.clone().unwrap_or_default(), Tone::Bad),
        ]);
    }
    let mut reply = Reply::of(&rows).table(table);
    if rows.len() == limit {
        reply = reply.line(format!("Shown are the newest {limit}; see more with --limit, or their causes with: celeriac dead groups"));
    }
    Ok(reply)
}

async fn groups(stores: &Stores, queue: Option<&QueueName>) -> anyhow::Result<Reply> {
    let rows = views::dead::groups(&stores.inspector().await?, queue, DEAD_READ_MAX).await?;
    let now = Utc::now();
    let mut table = Table::new(&["CAUSE", "COUNT", "QUEUE", "JOB", "KIND", "FIRST", "LAST", "EXAMPLE", "REASON"], "No job is dead.");
    for row in &rows {
        table.push(vec![
            (&row.fingerprint).into(),
            Cell::alarming(row.count, Tone::Bad),
            (&row.queue).into(),
            row.job.as_deref().unwrap_or("(unreadable)").into(),
            Cell::maybe(row.kind.clone()),
            relative(row.first_at, now).into(),
            relative(row.last_at, now).into(),
            (&row.example).into(),
            Cell::toned(row.reason.as_deref().map(one_line).unwrap_or_default(), Tone::Bad),
        ]);
    }
    let mut reply = Reply::of(&rows).table(table);
    if let Some(row) = rows.first() {
        reply = reply
            .line(format!("When the cause is mended: celeriac dead replay --group {} --limit 1, then without the limit.", row.fingerprint));
    }
    Ok(reply)
}

/// The first line of a reason, cut to what a table bears.
fn one_line(reason: &str) -> String {
    let line = reason.lines().next().unwrap_or_default();
    match line.char_indices().nth(REASON_SHOWN) {
        Some((at, _)) => format!("{}…", &line[..at]),
        None => line.to_owned(),
    }
}

async fn show(stores: &Stores, id: &JobId, queue: Option<&QueueName>) -> anyhow::Result<Reply> {
    let selection = Selection { which: Which::Job(id.clone()), queue: queue.cloned(), limit: None };
    let row = dead::select(stores, &selection).await?.rows.remove(0);
    let reply = job::show(stores, id, Some(&row.queue)).await?;
    let Some(group) = row.fingerprint else { return Ok(reply) };
    let same = stores.inspector().await?.dead_jobs(&row.queue, Some(&group)).await?.len() as u64;
    let line = match same {
        0 | 1 => "No other job of its queue died of the same.".to_owned(),
        _ => format!("{} of its queue died of the same: celeriac dead list --group {group}", plural(same, "job", "jobs")),
    };
    Ok(reply.line(line))
}

fn replayed(report: &ReplayReport) -> Reply {
    let count = report.replayed as u64;
    let last = span(report.last_due_in_seconds.ceil() as u64);
    let line = match (report.dry_run, count, report.last_due_in_seconds > 0.0) {
        (_, 0, _) => "No job was dead; nothing was replayed.".to_owned(),
        (true, _, false) => format!("{} be ready again.", plural(count, "job would", "jobs would")),
        (true, _, true) => format!("{} be scheduled, the last for {last} from now.", plural(count, "job would", "jobs would")),
        (false, _, false) => format!("{} ready again.", plural(count, "job is", "jobs are")),
        (false, _, true) => format!("{} scheduled, the first for now, the last for {last} from now.", plural(count, "job is", "jobs are")),
    };
    let mut reply = Reply::of(report);
    if report.dry_run && count > 0 {
        let mut table = Table::new(&["QUEUE", "ID", "DUE IN"], "");
        for job in report.jobs.iter().take(PLAN_SHOWN) {
            let due = format!("{:.1} s", job.due_in_ms as f64 / 1_000.0);
            table.push(vec![(&job.queue).into(), (&job.id).into(), due.into()]);
        }
        reply = reply.table(table);
    }
    reply.line(line).maybe_line(rest(report.matched, report.jobs.len()))
}

async fn delete(stores: &Stores, actor: &Actor, selection: &Selection, yes: bool, dry_run: bool) -> anyhow::Result<Reply> {
    if !yes && !dry_run && !matches!(selection.which, Which::Job(_)) {
        let count = dead::select(stores, selection).await?.rows.len() as u64;
        let jobs = plural(count, "dead job", "dead jobs");
        anyhow::bail!("this would delete {jobs} for good, with arguments and history: say --yes, or see which with --dry-run");
    }
    let report = dead::delete(stores, actor, selection, dry_run).await?;
    Ok(deleted(report))
}

fn deleted(report: DeleteReport) -> Reply {
    let count = report.deleted as u64;
    let line = match (report.dry_run, count) {
        (true, 0) => "No job is dead; nothing would be deleted.".to_owned(),
        (true, _) => format!("{} be deleted.", plural(count, "job would", "jobs would")),
        (false, 0) => "No job was deleted.".to_owned(),
        (false, _) => format!("{} deleted.", plural(count, "job is", "jobs are")),
    };
    let waiting = (report.notice_open > 0).then(|| {
        let jobs = plural(report.notice_open as u64, "job stays", "jobs stay");
        format!("{jobs}: a worker of the queue has still to tell the end (on_terminal). Delete again after that.")
    });
    let mut reply = Reply::of(&report);
    if report.dry_run && count > 0 {
        let mut table = Table::new(&["QUEUE", "ID"], "");
        for job in report.jobs.iter().take(PLAN_SHOWN) {
            table.push(vec![(&job.queue).into(), (&job.id).into()]);
        }
        reply = reply.table(table);
    }
    reply = reply.line(line).maybe_line(waiting).maybe_line(rest(report.matched, report.jobs.len()));
    reply.failed_if(report.notice_open > 0).note(report.note)
}

/// What the limit left.
fn rest(matched: usize, taken: usize) -> Option<String> {
    let left = matched.saturating_sub(taken) as u64;
    (left > 0).then(|| format!("{} left as they are.", plural(left, "more is", "more are")))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_long_reason_is_cut_between_characters_and_at_the_line() {
        assert_eq!(one_line("a\nb"), "a");
        assert_eq!(one_line(&"é".repeat(161)), format!("{}…", "é".repeat(160)));
    }
}
