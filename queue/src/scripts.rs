//! Typed calls of the Lua moves: one function a file, and the only place that knows their reply numbers.

use std::sync::LazyLock;

use redis::{ErrorKind, Script, ServerErrorKind, Value};

use crate::chain::Next;
use crate::keys::{Key, QueueKeys};
use crate::{Connection, Error, JobId, Millis, Policy};

/// Joins fragments and a move into one script; each file stays readable by itself.
macro_rules! script {
    ($($file:literal),+) => {
        LazyLock::new(|| Script::new(concat!($(include_str!(concat!(env!("CARGO_MANIFEST_DIR"), "/lua/", $file, ".lua")), "\n"),+)))
    };
}

mod across;

pub(crate) use across::{Opened, RawCallback, drop_transfers, end_members, fill_batch, open_batch, seal_batch, take_transfers};

static ENQUEUE: LazyLock<Script> = script!("keys", "steps", "lanes", "unique", "enqueue");
static ENQUEUE_PLAIN: LazyLock<Script> = script!("enqueue_plain");
static CLAIM: LazyLock<Script> = script!(
    "keys", "steps", "touch", "lanes", "freed", "unique", "transfer", "end", "attempts", "recover", "promote", "limits", "turns", "claim"
);
static EXTEND: LazyLock<Script> = script!("keys", "touch", "extend");
static COMPLETE: LazyLock<Script> = script!("keys", "steps", "lanes", "freed", "unique", "drop", "transfer", "complete");
static RETRY: LazyLock<Script> = script!("keys", "steps", "lanes", "freed", "unique", "transfer", "end", "attempts", "held", "retry");
static SNOOZE: LazyLock<Script> = script!("keys", "steps", "lanes", "freed", "unique", "transfer", "end", "attempts", "held", "snooze");
static BURY: LazyLock<Script> = script!("keys", "steps", "lanes", "freed", "unique", "transfer", "end", "attempts", "held", "bury");
static EXPIRE: LazyLock<Script> = script!("keys", "steps", "lanes", "freed", "unique", "transfer", "end", "held", "expire");
static CANCEL: LazyLock<Script> = script!("keys", "steps", "lanes", "freed", "unique", "transfer", "end", "held", "cancel");
static RELEASE: LazyLock<Script> = script!("keys", "steps", "lanes", "freed", "unique", "transfer", "end", "held", "release");
static REQUEUE: LazyLock<Script> = script!("keys", "lanes", "unique", "requeue");
static DELETE: LazyLock<Script> = script!("keys", "steps", "drop", "delete");
static HASTEN: LazyLock<Script> = script!("keys", "lanes", "hasten");
static OUTLINES: LazyLock<Script> = script!("keys", "outlines");
static GLANCE: LazyLock<Script> = script!("keys", "glance");
static LOOK: LazyLock<Script> = script!("keys", "steps", "look");
static PRUNE: LazyLock<Script> = script!("keys", "steps", "lanes", "unique", "batch", "drop", "forget", "prune");
static ACKNOWLEDGE: LazyLock<Script> = script!("keys", "acknowledge");
static WAIT: LazyLock<Script> = script!("keys", "wait");
static SET_LIMITS: LazyLock<Script> = script!("keys", "touch", "lanes", "set_limits");
static LIFT: LazyLock<Script> = script!("keys", "lift");
static LOG: LazyLock<Script> = script!("keys", "log");
static STEP: LazyLock<Script> = script!("keys", "steps", "step");
static RECALL: LazyLock<Script> = script!("keys", "steps", "recall");
static ADVANCE: LazyLock<Script> = script!("keys", "advance");
static WIPE: LazyLock<Script> = script!("keys", "wipe");
static PROGRESS: LazyLock<Script> = script!("keys", "progress");
static ANNOUNCE: LazyLock<Script> = script!("announce");

/// What a settling move did to one job.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Held {
    Done,
    /// Instead of the move: somebody had asked for its cancellation, and it was cancelled.
    Cancelled,
    Missing,
    Lost,
}

/// One job in [`crate::Consumer::complete`].
#[derive(Debug, Clone)]
pub struct Completion {
    pub id: JobId,
    pub token: String,
    /// Keep the record for so long, ms; 0: do not.
    pub keep_ms: u64,
    /// Remember the id for so long, ms; 0: do not.
    pub remember_ms: u64,
    /// Outcome JSON.
    pub outcome: String,
    /// The link of a chain that is to be enqueued with this one's output.
    pub next: Option<Box<Next>>,
}

pub(crate) struct NewJob<'a> {
    pub(crate) id: &'a JobId,
    pub(crate) envelope: Vec<u8>,
    pub(crate) priority: u8,
    /// Due at, ms since the epoch; 0: by `delay_ms`.
    pub(crate) due: Millis,
    pub(crate) delay_ms: u64,
    /// What only some jobs have, JSON; empty for the others.
    pub(crate) extra: String,
}

impl NewJob<'_> {
    /// Ready at once, in the default list, with nothing that only some jobs have.
    fn is_plain(&self) -> bool {
        self.priority == Policy::DEFAULT_PRIORITY && self.due == 0 && self.delay_ms == 0 && self.extra.is_empty()
    }
}

#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Put {
    Ready,
    Scheduled,
    Known,
    /// Another job has its unique key.
    Held(JobId),
    /// A waiting job had its unique key and has taken over the arguments.
    Replaced(JobId),
}

impl Put {
    fn parse(value: Value) -> Result<Self, Error> {
        let text = match value {
            Value::Int(0) => return Ok(Self::Known),
            Value::Int(1) => return Ok(Self::Ready),
            Value::Int(2) => return Ok(Self::Scheduled),
            value => redis::from_redis_value::<String>(value).map_err(|error| unexpected("enqueue", error))?,
        };
        let holder = |id: &str| JobId::parse(id).map_err(|error| unexpected("enqueue", error));
        match (text.strip_prefix('='), text.strip_prefix('~')) {
            (Some(id), _) => holder(id).map(Self::Held),
            (_, Some(id)) => holder(id).map(Self::Replaced),
            _ => Err(unexpected("enqueue", text)),
        }
    }
}

pub(crate) struct RawClaim {
    pub(crate) now: Millis,
    pub(crate) next_due_ms: Option<u64>,
    pub(crate) work_left: bool,
    pub(crate) paused: Option<String>,
    /// id, envelope, tries
    pub(crate) jobs: Vec<(String, Vec<u8>, String)>,
    /// id, envelope, outcome
    pub(crate) notices: Vec<(String, Vec<u8>, String)>,
    pub(crate) company: Company,
    pub(crate) to_move: bool,
}

/// In what company a claim's jobs are to run.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Company {
    /// As ever, beside whatever else the worker runs.
    Any,
    /// The one job is a suspect: until it is settled its worker is to run nothing else.
    Alone,
    /// A suspect waits for this worker: nothing was handed out, and it is to claim nothing elsewhere until it holds no job. It remains the
    /// one to do so while it claims here at least once a lease; another is told to drain when it does not.
    Drain,
}

pub(crate) struct ClaimArgs<'a> {
    pub(crate) credit: usize,
    pub(crate) token: &'a str,
    pub(crate) lease_ms: u64,
    pub(crate) losses_max: u32,
    pub(crate) notices_max: usize,
    pub(crate) notice_ms: u64,
    pub(crate) idle: bool,
}

/// An invocation under construction: EVALSHA with the keys (those of a queue, mostly), then the arguments.
struct Call<'a> {
    name: &'static str,
    script: &'a Script,
    command: redis::Cmd,
}

impl<'a> Call<'a> {
    fn new(name: &'static str, script: &'a Script, keys: &QueueKeys) -> Self {
        Self::on(name, script, keys.all())
    }

    fn on(name: &'static str, script: &'a Script, keys: &[String]) -> Self {
        let mut command = redis::cmd("EVALSHA");
        command.arg(script.get_hash()).arg(keys.len()).arg(keys);
        Self { name, script, command }
    }

    fn arg(mut self, value: impl redis::ToRedisArgs) -> Self {
        self.command.arg(value);
        self
    }

    async fn reply(self, connection: &Connection) -> Result<Value, Error> {
        let mut shared = connection.shared();
        match self.command.query_async(&mut shared).await {
            Err(error) if error.kind() == ErrorKind::Server(ServerErrorKind::NoScript) => {
                self.script.load_async(&mut connection.server_of(&self.command)?).await?;
                Ok(self.command.query_async(&mut shared).await?)
            }
            reply => Ok(reply?),
        }
    }

    async fn numbers(self, connection: &Connection) -> Result<Vec<i64>, Error> {
        let name = self.name;
        let reply = self.reply(connection).await?;
        redis::from_redis_value(reply).map_err(|error| unexpected(name, error))
    }

    async fn number(self, connection: &Connection) -> Result<i64, Error> {
        let name = self.name;
        let reply = self.reply(connection).await?;
        redis::from_redis_value(reply).map_err(|error| unexpected(name, error))
    }

    async fn held(self, connection: &Connection) -> Result<Held, Error> {
        let name = self.name;
        self.number(connection).await.and_then(|number| held(name, number))
    }
}

fn unexpected(script: &'static str, reply: impl std::fmt::Debug) -> Error {
    Error::UnexpectedReply { script, reply: format!("{reply:?}") }
}

fn held(script: &'static str, number: i64) -> Result<Held, Error> {
    match number {
        1 => Ok(Held::Done),
        2 => Ok(Held::Cancelled),
        -1 => Ok(Held::Missing),
        -2 => Ok(Held::Lost),
        other => Err(unexpected(script, other)),
    }
}

pub(crate) async fn enqueue(connection: &Connection, keys: &QueueKeys, jobs: &[NewJob<'_>]) -> Result<Vec<Put>, Error> {
    let call = match jobs {
        [job] if job.is_plain() => {
            let fixed = |key| keys.get(key).to_owned();
            let keys = [fixed(Key::Jobs), fixed(Key::Seen), keys.lane(&format!("{}@", job.priority)), fixed(Key::Stats), fixed(Key::Wake)];
            Call::on("enqueue_plain", &ENQUEUE_PLAIN, &keys).arg(job.id.as_str()).arg(&job.envelope[..])
        }
        jobs => jobs.iter().fold(Call::new("enqueue", &ENQUEUE, keys).arg(jobs.len()), |call, job| {
            let call = call.arg(job.id.as_str()).arg(&job.envelope[..]).arg(job.priority).arg(job.due).arg(job.delay_ms);
            call.arg(&job.extra)
        }),
    };
    let reply = call.reply(connection).await?;
    let replies: Vec<Value> = redis::from_redis_value(reply).map_err(|error| unexpected("enqueue", error))?;
    replies.into_iter().map(Put::parse).collect()
}

pub(crate) async fn claim(connection: &Connection, keys: &QueueKeys, args: ClaimArgs<'_>) -> Result<RawClaim, Error> {
    type Triples = Vec<(String, Vec<u8>, String)>;
    type Reply = (Millis, i64, i64, String, Triples, Triples, i64, i64);
    let call = Call::new("claim", &CLAIM, keys);
    let call = call.arg(args.credit).arg(args.token).arg(args.lease_ms).arg(args.losses_max).arg(args.notices_max).arg(args.notice_ms);
    let call = call.arg(u8::from(args.idle));
    let reply = call.reply(connection).await?;
    let (now, next_due, left, paused, jobs, notices, company, to_move): Reply =
        redis::from_redis_value(reply).map_err(|error| unexpected("claim", error))?;
    Ok(RawClaim {
        now,
        next_due_ms: u64::try_from(next_due).ok(),
        work_left: left == 1,
        paused: (!paused.is_empty()).then_some(paused),
        jobs,
        notices,
        company: match company {
            0 => Company::Any,
            1 => Company::Alone,
            2 => Company::Drain,
            other => return Err(unexpected("claim", other)),
        },
        to_move: to_move == 1,
    })
}

/// The counts of a queue, as `lua/glance.lua` lists them.
pub(crate) async fn glance<T: redis::FromRedisValue>(connection: &Connection, keys: &QueueKeys) -> Result<T, Error> {
    let reply = Call::new("glance", &GLANCE, keys).reply(connection).await?;
    redis::from_redis_value(reply).map_err(|error| unexpected("glance", error))
}

/// What is known of a job, as `lua/look.lua` lists it.
pub(crate) async fn look<T: redis::FromRedisValue>(connection: &Connection, keys: &QueueKeys, id: &JobId) -> Result<T, Error> {
    let reply = Call::new("look", &LOOK, keys).arg(id.as_str()).reply(connection).await?;
    redis::from_redis_value(reply).map_err(|error| unexpected("look", error))
}

/// Per job: whether the lease was kept, and whether somebody asked to cancel the job.
pub(crate) async fn extend(
    connection: &Connection,
    keys: &QueueKeys,
    lease_ms: u64,
    leases: &[(JobId, String)],
) -> Result<Vec<Held>, Error> {
    let mut call = Call::new("extend", &EXTEND, keys).arg(lease_ms);
    for (id, token) in leases {
        call = call.arg(id.as_str()).arg(token);
    }
    call.numbers(connection).await?.into_iter().map(|number| held("extend", number)).collect()
}

pub(crate) async fn complete(
    connection: &Connection,
    keys: &QueueKeys,
    finished_max: usize,
    jobs: &[Completion],
) -> Result<Vec<Held>, Error> {
    let mut call = Call::new("complete", &COMPLETE, keys).arg(finished_max).arg(jobs.len());
    for job in jobs {
        call = call.arg(job.id.as_str()).arg(&job.token).arg(job.keep_ms).arg(job.remember_ms).arg(&job.outcome);
    }
    for job in jobs {
        if let Some(next) = &job.next {
            call = call.arg(job.id.as_str()).arg(next.encode(connection.payload_keys()));
        }
    }
    call.numbers(connection).await?.into_iter().map(|number| held("complete", number)).collect()
}

pub(crate) async fn retry(
    connection: &Connection,
    keys: &QueueKeys,
    id: &JobId,
    token: &str,
    delay_ms: u64,
    attempt: &str,
) -> Result<Held, Error> {
    Call::new("retry", &RETRY, keys).arg(id.as_str()).arg(token).arg(delay_ms).arg(attempt).held(connection).await
}

pub(crate) async fn snooze(connection: &Connection, keys: &QueueKeys, id: &JobId, token: &str, delay_ms: u64) -> Result<Held, Error> {
    Call::new("snooze", &SNOOZE, keys).arg(id.as_str()).arg(token).arg(delay_ms).held(connection).await
}

pub(crate) async fn bury(
    connection: &Connection,
    keys: &QueueKeys,
    id: &JobId,
    token: &str,
    outcome: &str,
    attempt: &str,
) -> Result<Held, Error> {
    Call::new("bury", &BURY, keys).arg(id.as_str()).arg(token).arg(outcome).arg(attempt).held(connection).await
}

pub(crate) async fn expire(connection: &Connection, keys: &QueueKeys, id: &JobId, token: &str, outcome: &str) -> Result<Held, Error> {
    Call::new("expire", &EXPIRE, keys).arg(id.as_str()).arg(token).arg(outcome).held(connection).await
}

/// What a cancellation from outside found.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum CancelReply {
    Cancelled,
    Asked,
    AlreadyEnded,
    Missing,
}

pub(crate) async fn cancel(connection: &Connection, keys: &QueueKeys, id: &JobId, outcome: &str) -> Result<CancelReply, Error> {
    let call = Call::new("cancel", &CANCEL, keys).arg(id.as_str()).arg("").arg(outcome);
    match call.number(connection).await? {
        1 => Ok(CancelReply::Cancelled),
        2 => Ok(CancelReply::Asked),
        0 => Ok(CancelReply::AlreadyEnded),
        -1 => Ok(CancelReply::Missing),
        other => Err(unexpected("cancel", other)),
    }
}

pub(crate) async fn cancel_held(connection: &Connection, keys: &QueueKeys, id: &JobId, token: &str, outcome: &str) -> Result<Held, Error> {
    Call::new("cancel", &CANCEL, keys).arg(id.as_str()).arg(token).arg(outcome).held(connection).await
}

pub(crate) async fn release(connection: &Connection, keys: &QueueKeys, leases: &[(JobId, String)]) -> Result<Vec<Held>, Error> {
    let mut call = Call::new("release", &RELEASE, keys);
    for (id, token) in leases {
        call = call.arg(id.as_str()).arg(token);
    }
    call.numbers(connection).await?.into_iter().map(|number| held("release", number)).collect()
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum RequeueReply {
    Ready,
    Scheduled,
    /// It has not ended, or (where only a dead one may go) is not dead.
    Refused,
    Missing,
}

pub(crate) async fn requeue(
    connection: &Connection,
    keys: &QueueKeys,
    id: &JobId,
    delay_ms: u64,
    only_dead: bool,
) -> Result<RequeueReply, Error> {
    let call = Call::new("requeue", &REQUEUE, keys).arg(id.as_str()).arg(delay_ms).arg(u8::from(only_dead));
    match call.number(connection).await? {
        1 => Ok(RequeueReply::Ready),
        2 => Ok(RequeueReply::Scheduled),
        0 => Ok(RequeueReply::Refused),
        -1 => Ok(RequeueReply::Missing),
        other => Err(unexpected("requeue", other)),
    }
}

/// `None`: there is no such job. False: it is not scheduled.
pub(crate) async fn hasten(connection: &Connection, keys: &QueueKeys, id: &JobId) -> Result<Option<bool>, Error> {
    match Call::new("hasten", &HASTEN, keys).arg(id.as_str()).number(connection).await? {
        1 => Ok(Some(true)),
        0 => Ok(Some(false)),
        -1 => Ok(None),
        other => Err(unexpected("hasten", other)),
    }
}

/// What a deletion did to one job.
#[derive(Debug, Clone, Copy, PartialEq, Eq, serde::Serialize)]
#[serde(rename_all = "snake_case")]
pub enum Deleted {
    Deleted,
    /// Its end is still to be told by a worker (`on_terminal`); delete it after that.
    NoticeOpen,
    /// It lives, or is not dead where only dead ones were to go; nothing was changed.
    Refused,
    Missing,
}

pub(crate) async fn delete(connection: &Connection, keys: &QueueKeys, ids: &[JobId], only_dead: bool) -> Result<Vec<Deleted>, Error> {
    let mut call = Call::new("delete", &DELETE, keys).arg(u8::from(only_dead));
    for id in ids {
        call = call.arg(id.as_str());
    }
    let reply = |number| match number {
        1 => Ok(Deleted::Deleted),
        2 => Ok(Deleted::NoticeOpen),
        0 => Ok(Deleted::Refused),
        -1 => Ok(Deleted::Missing),
        other => Err(unexpected("delete", other)),
    };
    call.numbers(connection).await?.into_iter().map(reply).collect()
}

/// An ended job without its payload: outcome JSON, the envelope's first line, and how many bytes the whole envelope has.
pub(crate) type RawOutline = (Vec<u8>, Vec<u8>, usize);

pub(crate) async fn outlines(connection: &Connection, keys: &QueueKeys, ids: &[String]) -> Result<Vec<RawOutline>, Error> {
    let mut call = Call::new("outlines", &OUTLINES, keys);
    for id in ids {
        call = call.arg(id);
    }
    redis::from_redis_value(call.reply(connection).await?).map_err(|error| unexpected("outlines", error))
}

pub(crate) struct PruneArgs {
    pub(crate) finished_max: usize,
    pub(crate) dead_max: usize,
    pub(crate) dead_ms: u64,
    pub(crate) limit: usize,
}

pub(crate) async fn prune(connection: &Connection, keys: &QueueKeys, args: PruneArgs) -> Result<u64, Error> {
    let call = Call::new("prune", &PRUNE, keys).arg(args.finished_max).arg(args.dead_max).arg(args.dead_ms).arg(args.limit);
    Ok(call.number(connection).await?.unsigned_abs())
}

/// False when that notice is not open any more.
pub(crate) async fn acknowledge(connection: &Connection, keys: &QueueKeys, id: &JobId, visible_at: Millis) -> Result<bool, Error> {
    match Call::new("acknowledge", &ACKNOWLEDGE, keys).arg(id.as_str()).arg(visible_at).number(connection).await? {
        1 => Ok(true),
        0 => Ok(false),
        other => Err(unexpected("acknowledge", other)),
    }
}

/// What somebody who wants to wait for a job's end found.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum WaitReply {
    /// Its end will be published.
    Noted,
    /// Outcome JSON.
    Ended(String),
    Missing,
}

pub(crate) async fn wait(connection: &Connection, keys: &QueueKeys, id: &JobId) -> Result<WaitReply, Error> {
    let reply = Call::new("wait", &WAIT, keys).arg(id.as_str()).reply(connection).await?;
    match redis::from_redis_value::<(i64, String)>(reply).map_err(|error| unexpected("wait", error))? {
        (1, _) => Ok(WaitReply::Noted),
        (0, outcome) => Ok(WaitReply::Ended(outcome)),
        (-1, _) => Ok(WaitReply::Missing),
        (other, _) => Err(unexpected("wait", other)),
    }
}

/// Pairs of a field and its number.
pub(crate) async fn set_limits(connection: &Connection, keys: &QueueKeys, fields: &[(String, f64)]) -> Result<(), Error> {
    let mut call = Call::new("set_limits", &SET_LIMITS, keys);
    for (field, number) in fields {
        call = call.arg(field).arg(number);
    }
    call.number(connection).await.map(|_| ())
}

/// False when it is not paused for that cause.
pub(crate) async fn lift(connection: &Connection, keys: &QueueKeys, cause: &str) -> Result<bool, Error> {
    Call::new("lift", &LIFT, keys).arg(cause).number(connection).await.map(|lifted| lifted == 1)
}

/// A script that is not the engine's own.
pub(crate) async fn foreign(
    connection: &Connection,
    name: &'static str,
    script: &Script,
    keys: &[String],
    arguments: &[String],
) -> Result<Vec<String>, Error> {
    let reply = Call::on(name, script, keys).arg(arguments).reply(connection).await?;
    redis::from_redis_value(reply).map_err(|error| unexpected(name, error))
}

/// False when the job does not run.
pub(crate) async fn progress(connection: &Connection, keys: &QueueKeys, id: &JobId, progress: &str) -> Result<bool, Error> {
    match Call::new("progress", &PROGRESS, keys).arg(id.as_str()).arg(progress).number(connection).await? {
        1 => Ok(true),
        -1 => Ok(false),
        other => Err(unexpected("progress", other)),
    }
}

/// The line's number, or nothing when the job does not run.
pub(crate) async fn log(connection: &Connection, keys: &QueueKeys, id: &JobId, line: &str) -> Result<Option<u64>, Error> {
    Ok(u64::try_from(Call::new("log", &LOG, keys).arg(id.as_str()).arg(line).number(connection).await?).ok())
}

/// What became of the result of a step.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum StepReply {
    Kept,
    /// The job is not there, or another worker has its lease.
    LeaseLost,
    TooMany,
    TooLarge,
}

/// A finished step, as it is to be kept.
pub(crate) struct NewStep<'a> {
    pub(crate) name: &'a str,
    /// The name of the key that the result is encrypted with.
    pub(crate) key: Option<&'a str>,
    pub(crate) result: &'a [u8],
    pub(crate) steps_max: usize,
    pub(crate) bytes_max: usize,
}

pub(crate) async fn step(
    connection: &Connection,
    keys: &QueueKeys,
    id: &JobId,
    token: &str,
    step: &NewStep<'_>,
) -> Result<StepReply, Error> {
    let call = Call::new("step", &STEP, keys).arg(id.as_str()).arg(token).arg(step.name).arg(step.key.unwrap_or("-")).arg(step.result);
    match call.arg(step.steps_max).arg(step.bytes_max).number(connection).await? {
        1 => Ok(StepReply::Kept),
        -1 | -2 => Ok(StepReply::LeaseLost),
        -3 => Ok(StepReply::TooMany),
        -4 => Ok(StepReply::TooLarge),
        other => Err(unexpected("step", other)),
    }
}

/// Per finished step its name and record, as `lua/steps.lua` describes it; `None`: the lease is lost.
pub(crate) async fn recall(
    connection: &Connection,
    keys: &QueueKeys,
    id: &JobId,
    token: &str,
) -> Result<Option<Vec<(String, Vec<u8>)>>, Error> {
    let reply = Call::new("recall", &RECALL, keys).arg(id.as_str()).arg(token).reply(connection).await?;
    match redis::from_redis_value::<(i64, Vec<(String, Vec<u8>)>)>(reply).map_err(|error| unexpected("recall", error))? {
        (1, records) => Ok(Some(records)),
        (-1 | -2, _) => Ok(None),
        (other, _) => Err(unexpected("recall", other)),
    }
}

pub(crate) async fn advance(connection: &Connection, keys: &QueueKeys, ms: u64) -> Result<(), Error> {
    Call::new("advance", &ADVANCE, keys).arg(ms).number(connection).await.map(|_| ())
}

pub(crate) async fn wipe(connection: &Connection, keys: &QueueKeys) -> Result<(), Error> {
    Call::new("wipe", &WIPE, keys).number(connection).await.map(|_| ())
}

/// Writes a worker's card, whose key is the only one.
pub(crate) async fn announce(connection: &Connection, key: String, card: &str, ttl_ms: u64) -> Result<(), Error> {
    Call::on("announce", &ANNOUNCE, &[key]).arg(card).arg(ttl_ms).reply(connection).await?;
    Ok(())
}
