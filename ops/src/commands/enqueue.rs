//! `celeriac enqueue`: put a job into its queue, and wait for its end if asked.

use std::time::Duration;

use anyhow::Context;
use celeriac_queue::{Error, JobId, Origin, Outcome, QueueName, State, Unique};
use chrono::{DateTime, Utc};
use clap::Args;
use serde::Serialize;
use serde_json::value::RawValue;

use super::given::read_object;
use crate::human::{self, parse_duration, parse_moment};
use crate::intake::{self, Accepted, NewJob, Safety};
use crate::nearest::nearest;
use crate::reply::Reply;
use crate::stores::Stores;

/// How often a durable job's row is looked at while its end is awaited.
const LOOK_EVERY: Duration = Duration::from_millis(200);

#[derive(Debug, Args)]
pub(crate) struct Enqueue {
    /// The job's wire name, as in process_document.
    job: String,
    /// Its arguments: a JSON object, @FILE, or - for standard input.
    #[arg(long, default_value = "{}", value_name = "JSON")]
    args: String,
    /// Run no sooner than this long from now, as in 10s, 5m or 1h30m.
    #[arg(long = "in", value_name = "DURATION", value_parser = parse_duration, conflicts_with = "at")]
    delay: Option<Duration>,
    /// Run no sooner than this moment, RFC 3339.
    #[arg(long, value_name = "TIME", value_parser = parse_moment)]
    at: Option<DateTime<Utc>>,
    /// 0 (first) to 9 (last); unset: the job's own.
    #[arg(long, value_parser = clap::value_parser!(u8).range(0..=9))]
    priority: Option<u8>,
    /// Unset: the job's own.
    #[arg(long)]
    queue: Option<QueueName>,
    /// Enqueue once only: the same id again changes nothing.
    #[arg(long)]
    id: Option<JobId>,
    /// Dropped unrun when not started within this time.
    #[arg(long, value_name = "DURATION", value_parser = parse_duration)]
    expires: Option<Duration>,
    /// Whose work it is (a tenant, an account): keys share a queue fairly, and limits hold for each.
    #[arg(long)]
    key: Option<String>,
    /// What it costs of a rate limit and of its key's share; unset: 1.
    #[arg(long)]
    units: Option<u32>,
    /// Not beside another job with this unique key; without a value: not beside the same job with the same arguments.
    #[arg(long, value_name = "KEY", num_args = 0..=1, require_equals = true, default_missing_value = "")]
    unique: Option<String>,
    /// How long the unique key is taken: queued (until it first begins), running (until its end) or a time, as in 10m; unset: running.
    #[arg(long, value_name = "SCOPE")]
    unique_for: Option<String>,
    /// Where the unique key is taken: reject this job, replace the waiting job's arguments, or keep-last (its moment too).
    #[arg(long, value_parser = ["reject", "replace", "keep-last"])]
    on_conflict: Option<String>,
    /// Through the outbox in PostgreSQL: survives the loss of Redis.
    #[arg(long)]
    durable: bool,
    /// Wait for the job's end and show it; exit code 1 unless it finished.
    #[arg(long)]
    wait: bool,
    /// Longest wait.
    #[arg(long, value_name = "DURATION", value_parser = parse_duration, default_value = "60s", requires = "wait")]
    timeout: Duration,
}

/// What `--json` prints.
#[derive(Debug, Serialize)]
struct Answer {
    #[serde(flatten)]
    accepted: Accepted,
    #[serde(skip_serializing_if = "Option::is_none")]
    end: Option<End>,
}

/// How the awaited job ended.
#[derive(Debug, Serialize)]
struct End {
    state: String,
    reason: Option<String>,
    output: Option<serde_json::Value>,
    duration_ms: Option<u64>,
}

impl Enqueue {
    pub(crate) async fn run(self, stores: &Stores) -> anyhow::Result<Reply> {
        let remark = stranger(&self.job);
        let now = Utc::now();
        let unique = self.unique()?;
        let chosen_id = self.id.clone();
        let new = NewJob {
            args: read_args(&self.args)?,
            job: self.job,
            queue: self.queue,
            priority: self.priority,
            run_at: self.at.or_else(|| self.delay.map(|delay| now + delay)),
            id: self.id,
            expires_at: self.expires.map(|expires| now + expires),
            key: self.key,
            units: self.units,
            unique,
            origin: Origin::Cli,
            request_id: None,
        };
        let accepted = intake::accept(stores, new, self.durable).await?;
        let mut reply_line = sentence(&accepted, chosen_id.as_ref());
        let end = match (self.wait, accepted.safety) {
            (false, _) => None,
            (true, Safety::Redis) => Some(end_in_redis(stores, &accepted, self.timeout).await?),
            (true, Safety::Outbox) => Some(end_in_outbox(stores, &accepted, self.timeout).await?),
        };
        let unfinished = end.as_ref().is_some_and(|end| end.state != "finished");
        if let Some(end) = &end {
            reply_line.push('\n');
            reply_line.push_str(&end.sentence());
        }
        Ok(Reply::of(&Answer { accepted, end }).line(reply_line).note(remark).failed_if(unfinished))
    }

    /// # Errors
    /// When a word of it cannot be used.
    fn unique(&self) -> anyhow::Result<Option<Unique>> {
        if self.unique.is_none() && self.unique_for.is_none() && self.on_conflict.is_none() {
            return Ok(None);
        }
        let key = self.unique.clone().filter(|key| !key.is_empty());
        let (scope, period) = match self.unique_for.as_deref() {
            Some(time) if time.starts_with(|first: char| first.is_ascii_digit()) => {
                (None, Some(parse_duration(time).map_err(anyhow::Error::msg)?))
            }
            scope => (scope, None),
        };
        let conflict = self.on_conflict.as_deref().map(|conflict| conflict.replace('-', "_"));
        Ok(Some(Unique::from_words(key, scope, period, conflict.as_deref())?))
    }
}

/// A remark on a name that this program does not know. Workers of one's own have jobs of their own, so it is no error.
fn stranger(job: &str) -> Option<String> {
    let catalog = celeriac_jobs::catalog();
    if catalog.iter().any(|known| known.name == job) {
        return None;
    }
    let meant = nearest(job, catalog.iter().map(|known| known.name)).map_or_else(String::new, |name| format!(" (did you mean {name}?)"));
    Some(format!("{job} is not one of the jobs Celeriac ships{meant}; a worker of your own has to know it"))
}

fn read_args(given: &str) -> anyhow::Result<Box<RawValue>> {
    read_object(given, "the arguments", "--args '{\"document_id\": 1}'")
}

fn sentence(accepted: &Accepted, chosen_id: Option<&JobId>) -> String {
    let Accepted { id, queue, .. } = accepted;
    match (accepted.duplicate, accepted.safety, accepted.state) {
        (true, ..) if accepted.replaced => format!("Job {id} has the unique key and still waits: it has taken over these arguments."),
        (true, ..) if chosen_id != Some(id) => format!("Job {id} has the unique key; nothing was enqueued."),
        (true, _, _) => format!("Job {id} is known already; nothing was enqueued."),
        (false, Safety::Outbox, _) => format!("Job {id} is committed to the outbox for queue {queue}."),
        (false, Safety::Redis, State::Scheduled) => format!("Job {id} is scheduled in queue {queue}."),
        (false, Safety::Redis, _) => format!("Job {id} is ready in queue {queue}."),
    }
}

async fn end_in_redis(stores: &Stores, accepted: &Accepted, longest: Duration) -> anyhow::Result<End> {
    Ok(stores.client().await?.wait(&accepted.queue, &accepted.id, longest).await?.into())
}

/// A durable job's end is in PostgreSQL before Redis hears of it.
async fn end_in_outbox(stores: &Stores, accepted: &Accepted, longest: Duration) -> anyhow::Result<End> {
    let pool = stores.postgres().await?;
    let looking = async {
        loop {
            let row = crate::views::outbox::find(&pool, &accepted.id).await?;
            let row = row.with_context(|| format!("the outbox no longer knows job {}", accepted.id))?;
            if let Some(outcome) = row.outcome {
                return anyhow::Ok(End { state: outcome, reason: row.error, output: None, duration_ms: None });
            }
            tokio::time::sleep(LOOK_EVERY).await;
        }
    };
    match tokio::time::timeout(longest, looking).await {
        Ok(end) => end,
        Err(_) => Err(Error::WaitTimedOut { id: accepted.id.clone(), seconds: longest.as_secs() }.into()),
    }
}

impl End {
    fn sentence(&self) -> String {
        if let ("duplicate", Some(reason)) = (self.state.as_str(), &self.reason) {
            return format!("It was not enqueued, as its unique key is taken: {reason}");
        }
        let took = self.duration_ms.map_or_else(String::new, |ms| format!(" after {}", human::took(ms)));
        let why = self.reason.as_ref().map_or_else(String::new, |reason| format!(": {reason}"));
        let output = self.output.as_ref().filter(|output| !output.is_null()).map_or_else(String::new, |output| format!("\n{output:#}"));
        format!("It is {}{took}{why}{output}", self.state)
    }
}

impl From<Outcome> for End {
    fn from(outcome: Outcome) -> Self {
        Self { state: outcome.state.to_string(), reason: outcome.reason, output: outcome.output, duration_ms: outcome.duration_ms }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn bad_json_is_pointed_at() {
        let error = read_args("{\"document_id\": 1,}").unwrap_err().to_string();
        insta::assert_snapshot!(error, @r#"
        the arguments are not JSON: key must be a string at line 1 column 19
          {"document_id": 1,}
                            ^
        "#);
        assert!(read_args("[1]").unwrap_err().to_string().contains("JSON object"));
        assert_eq!(read_args("{\"n\": 1.0}").unwrap().get(), "{\"n\": 1.0}");
    }
}
