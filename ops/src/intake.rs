//! The one way in for a job from outside: checked, then given to Redis or, durably, written to the outbox.

use celeriac_queue::{
    Client, Conflict, EnqueueOptions, Enqueued, JobId, Origin, PAYLOAD_BYTES_MAX, Policy, QueueName, State, Unique, UniqueScope,
};
use chrono::{DateTime, Utc};
use serde::Serialize;
use serde_json::value::RawValue;
use sqlx::PgPool;

use crate::stores::Stores;
use crate::views::jobs;

/// A job as somebody outside asks for it.
#[derive(Debug)]
pub(crate) struct NewJob {
    pub(crate) job: String,
    /// A JSON object, kept byte for byte.
    pub(crate) args: Box<RawValue>,
    pub(crate) queue: Option<QueueName>,
    pub(crate) priority: Option<u8>,
    pub(crate) run_at: Option<DateTime<Utc>>,
    pub(crate) id: Option<JobId>,
    pub(crate) expires_at: Option<DateTime<Utc>>,
    /// Whose work it is.
    pub(crate) key: Option<String>,
    pub(crate) units: Option<u32>,
    pub(crate) unique: Option<Unique>,
    pub(crate) origin: Origin,
    pub(crate) request_id: Option<String>,
}

/// What the answer rests on.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
#[serde(rename_all = "snake_case")]
pub(crate) enum Safety {
    /// Committed in PostgreSQL: it survives the loss of Redis.
    Outbox,
    /// In Redis: it may be lost with Redis's last second.
    Redis,
}

#[derive(Debug, Clone, Serialize)]
pub(crate) struct Accepted {
    pub(crate) id: JobId,
    pub(crate) queue: QueueName,
    pub(crate) state: State,
    /// True: that id was known, or the job of this id has the unique key; nothing was added. Of a job in the outbox only the first is known
    /// yet: its unique key is looked at when it comes to Redis.
    pub(crate) duplicate: bool,
    /// True: the duplicate still waited and has taken over these arguments.
    pub(crate) replaced: bool,
    pub(crate) safety: Safety,
}

/// Why a job was not accepted.
#[derive(Debug, thiserror::Error)]
pub(crate) enum Refused {
    /// Something in it cannot be used.
    #[error("{0}")]
    Invalid(String),
    /// More arguments than a job may carry.
    #[error("{0}")]
    TooLarge(String),
    /// The id belongs to another job.
    #[error("the id {id} belongs to another job ({other}): use a new id, or send the same job and arguments again")]
    Conflict { id: JobId, other: String },
    /// A store does not answer; nothing is known to be enqueued.
    #[error(transparent)]
    Store(#[from] anyhow::Error),
}

/// Accepts a job. The same id again, with the same job, is a duplicate and changes nothing.
///
/// # Errors
/// [`Refused`]; then nothing was enqueued, or (store errors) perhaps: repeat with the same id.
pub(crate) async fn accept(stores: &Stores, new: NewJob, durable: bool) -> Result<Accepted, Refused> {
    if !new.args.get().trim_start().starts_with('{') {
        return Err(not_an_object(&new.job));
    }
    if new.args.get().len() > PAYLOAD_BYTES_MAX {
        let bytes = new.args.get().len();
        return Err(Refused::TooLarge(format!(
            "the arguments are {bytes} bytes, more than the {PAYLOAD_BYTES_MAX} allowed: store the data and pass its id"
        )));
    }
    if new.priority.is_some_and(|priority| priority > 9) {
        return Err(Refused::Invalid("the priority must be 0 (first) to 9 (last)".into()));
    }
    let options = new.options();
    options.check().map_err(|error| Refused::Invalid(error.to_string()))?;
    match durable {
        true => into_outbox(&stores.postgres().await?, new).await,
        false => into_redis(&stores.client().await?, new, options).await,
    }
}

impl NewJob {
    fn options(&self) -> EnqueueOptions {
        EnqueueOptions {
            id: self.id.clone(),
            queue: self.queue.clone(),
            priority: self.priority,
            at: self.run_at.map(millis),
            expires_at: self.expires_at.map(millis),
            key: self.key.clone(),
            units: self.units,
            unique: self.unique.clone(),
            origin: self.origin,
            request_id: self.request_id.clone(),
            ..EnqueueOptions::default()
        }
    }
}

pub(crate) fn not_an_object(job: &str) -> Refused {
    Refused::Invalid(format!("the arguments of {job} must be a JSON object, as in {{\"document_id\": 1}}"))
}

pub(crate) fn refused_by_queue(error: celeriac_queue::Error) -> Refused {
    use celeriac_queue::Error as Queue;
    match error {
        Queue::InvalidName { .. } | Queue::Refused(_) | Queue::BatchTooLarge { .. } => Refused::Invalid(error.to_string()),
        Queue::PayloadTooLarge { .. } => Refused::TooLarge(error.to_string()),
        error => Refused::Store(error.into()),
    }
}

/// The policy of a job that this program knows; that of a stranger's job is the default.
pub(crate) fn policy_of(job: &str) -> Policy {
    celeriac_jobs::catalog().into_iter().find(|known| known.name == job).map(|known| known.policy).unwrap_or_default()
}

async fn into_redis(client: &Client, new: NewJob, options: EnqueueOptions) -> Result<Accepted, Refused> {
    let payload = new.args.get().as_bytes().to_vec();
    let enqueued = client.enqueue_raw(&new.job, payload, &policy_of(&new.job), options).await.map_err(refused_by_queue)?;
    // Of a unique key that is taken, the job that has it may well be another.
    if enqueued.duplicate && new.id.as_ref() == Some(&enqueued.id) {
        let inspector = celeriac_queue::Inspector::new(client.connection().clone());
        let known = jobs::find(&inspector, &enqueued.id, Some(&enqueued.queue)).await.map_err(anyhow::Error::from)?;
        if let Some(other) = known.and_then(|known| known.job).filter(|name| *name != new.job) {
            return Err(Refused::Conflict { id: enqueued.id, other });
        }
    }
    let Enqueued { id, queue, state, duplicate, replaced } = enqueued;
    Ok(Accepted { id, queue, state, duplicate, replaced, safety: Safety::Redis })
}

async fn into_outbox(pool: &PgPool, new: NewJob) -> Result<Accepted, Refused> {
    let queue = new.queue.clone().unwrap_or_else(|| policy_of(&new.job).queue);
    let mut transaction = pool.begin().await.map_err(refused)?;
    let id = sqlx::query_scalar!(
        r#"select celeriac.enqueue($1, $2::text::jsonb, $3, $4::int, $5, $6, $7, $8, $9, key => $10, units => $11::int, unique_key => $12,
               unique_scope => $13, unique_period => make_interval(secs => $14::float8), unique_conflict => $15) as "id!""#,
        new.job,
        new.args.get(),
        new.queue.as_ref().map(QueueName::as_str),
        new.priority.map(i32::from),
        new.run_at,
        new.id.as_ref().map(JobId::as_str),
        new.expires_at,
        origin_name(new.origin),
        new.request_id,
        new.key,
        // At most a billion, as was checked.
        new.units.map(u32::cast_signed),
        new.unique.as_ref().and_then(|unique| unique.key.as_deref()),
        new.unique.as_ref().map(|unique| scope_name(unique.scope)),
        new.unique.as_ref().and_then(|unique| period_seconds(unique.scope)),
        new.unique.as_ref().map(|unique| conflict_name(unique.conflict))
    )
    .fetch_one(&mut *transaction)
    .await
    .map_err(refused)?;
    let row = sqlx::query!(
        r#"select xmin = pg_current_xact_id()::xid as "ours!", job, job = $2 and args = $3::text::jsonb as "same!",
                  coalesce(run_at > now(), false) as "later!"
           from celeriac.outbox where id = $1"#,
        id,
        new.job,
        new.args.get()
    )
    .fetch_one(&mut *transaction)
    .await
    .map_err(refused)?;
    let id = JobId::parse(&id).map_err(anyhow::Error::from)?;
    if !row.ours && !row.same {
        return Err(Refused::Conflict { id, other: row.job });
    }
    transaction.commit().await.map_err(refused)?;
    let state = if row.later { State::Scheduled } else { State::Ready };
    Ok(Accepted { id, queue, state, duplicate: !row.ours, replaced: false, safety: Safety::Outbox })
}

/// What PostgreSQL says of bad data (class 22, or a check) is the caller's to mend; the rest is the store's.
fn refused(error: sqlx::Error) -> Refused {
    let Some(database) = error.as_database_error() else { return Refused::Store(error.into()) };
    match database.code().as_deref() {
        Some("54000") => Refused::TooLarge(database.message().to_owned()),
        Some(code) if code.starts_with("22") || code == "23514" => Refused::Invalid(database.message().to_owned()),
        _ => Refused::Store(error.into()),
    }
}

fn origin_name(origin: Origin) -> &'static str {
    match origin {
        Origin::Cli => "cli",
        Origin::Http => "http",
        Origin::Rust | Origin::Outbox => "sql",
    }
}

fn scope_name(scope: UniqueScope) -> &'static str {
    match scope {
        UniqueScope::Queued => "queued",
        UniqueScope::Running => "running",
        UniqueScope::Period(_) => "period",
    }
}

fn period_seconds(scope: UniqueScope) -> Option<f64> {
    match scope {
        UniqueScope::Queued | UniqueScope::Running => None,
        UniqueScope::Period(period) => Some(period.as_secs_f64()),
    }
}

fn conflict_name(conflict: Conflict) -> &'static str {
    match conflict {
        Conflict::Reject => "reject",
        Conflict::Replace => "replace",
        Conflict::KeepLast => "keep_last",
    }
}

pub(crate) fn millis(moment: DateTime<Utc>) -> u64 {
    u64::try_from(moment.timestamp_millis()).unwrap_or(0)
}
