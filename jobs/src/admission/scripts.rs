//! Typed calls of the Lua moves, and the only place that knows their replies.

use std::collections::BTreeMap;
use std::sync::LazyLock;
use std::time::Duration;

use anyhow::{Context, bail};
use celeriac_queue::{Millis, Script};

use super::{Admission, Answer, Budget, End, Limits, Need, Offer, Shortage, Spent, Use};

macro_rules! script {
    ($name:literal) => {
        LazyLock::new(|| Script::new($name, concat!(include_str!("lua/common.lua"), "\n", include_str!(concat!("lua/", $name, ".lua")))))
    };
}

static ADMIT: LazyLock<Script> = script!("admit");
static SETTLE: LazyLock<Script> = script!("settle");
static PROMISE: LazyLock<Script> = script!("promise");
static FORGET: LazyLock<Script> = script!("forget");
static SEED: LazyLock<Script> = script!("seed");
static VIEW: LazyLock<Script> = script!("view");

pub(super) enum Admitted {
    /// `bound`: there are limits, learned ones included.
    Granted {
        bound: bool,
    },
    Answer(Answer),
    /// Somebody is about to tell what was spent.
    Asked,
    /// What was spent has to be told first.
    Unknown(Unknown),
}

pub(super) enum Promised {
    /// Of each question: whether there is money for it.
    Each(Vec<bool>),
    /// As of [`Admitted`].
    Asked,
    Unknown(Unknown),
}

/// What the ledger has to tell.
pub(super) struct Unknown {
    pub(super) token: String,
    pub(super) day_from: Millis,
    pub(super) month_from: Millis,
    pub(super) user_id: Option<i64>,
}

impl Unknown {
    fn read(token: &str, day_from: &str, month_from: &str, user: &str) -> anyhow::Result<Self> {
        let user_id = (!user.is_empty()).then(|| user.parse()).transpose()?;
        Ok(Self { token: token.to_owned(), day_from: day_from.parse()?, month_from: month_from.parse()?, user_id })
    }
}

/// How a model's limits stand.
#[derive(Debug, Clone, Default, PartialEq, serde::Serialize)]
pub struct View {
    /// As a worker last told them.
    pub limits: Option<Limits>,
    /// Of the provider, by its headers; 0 for unknown.
    pub learned_rpm: u64,
    pub learned_tpm: u64,
    pub in_flight: u64,
    /// Questions that have a ticket.
    pub waiting: u64,
    /// Requests of the current minute of the clock.
    pub in_minute: u64,
    /// Left of a pause that the provider brought about, ms.
    pub paused_ms: u64,
    /// Steps of the backoff: 429s in a row.
    pub backoff_level: u64,
    /// Of requests lately, ms.
    pub latency_ms: u64,
    /// Held by requests on the way, millionths of a US dollar. What batches may cost is the ledger's to say (`Spent`).
    pub reserved_micro_usd: u64,
    /// Of Redis.
    pub now: Millis,
}

async fn run(admission: &Admission, script: &Script, arguments: Vec<String>) -> anyhow::Result<Vec<String>> {
    let stem = admission.connection.namespace().beside("admission");
    // A brace would move the key to another slot.
    let key = format!("{stem}model:{}", admission.model.replace(['{', '}'], "_"));
    let arguments: Vec<String> = std::iter::once(admission.now.to_string()).chain(arguments).collect();
    Ok(script.run(&admission.connection, &[key], &arguments).await?)
}

fn user(user_id: Option<i64>) -> String {
    user_id.map(|id| id.to_string()).unwrap_or_default()
}

pub(super) async fn admit(admission: &Admission, id: &str, need: &Need<'_>) -> anyhow::Result<Admitted> {
    let arguments = vec![
        id.to_owned(),
        need.ticket.to_owned(),
        user(need.user_id),
        need.tokens.to_string(),
        need.micro_usd.to_string(),
        need.longest.as_millis().to_string(),
        serde_json::to_string(&*admission.limits)?,
    ];
    let reply = run(admission, &ADMIT, arguments).await?;
    let words: Vec<&str> = reply.iter().map(String::as_str).collect();
    Ok(match words.as_slice() {
        ["granted", bound] => Admitted::Granted { bound: *bound == "1" },
        ["wait", ms, why] => Admitted::Answer(Answer::Wait { wait: milliseconds(ms)?, why: (*why).to_owned() }),
        ["spent", standing @ ..] => Admitted::Answer(Answer::Spent(shortage(admission, standing).await?)),
        ["promised", micro, standing @ ..] => {
            Admitted::Answer(Answer::Promised { shortage: shortage(admission, standing).await?, promised_micro_usd: micro.parse()? })
        }
        ["asked"] => Admitted::Asked,
        ["unknown", token, day_from, month_from, user] => Admitted::Unknown(Unknown::read(token, day_from, month_from, user)?),
        other => bail!("admit answered {other:?}"),
    })
}

async fn shortage(admission: &Admission, standing: &[&str]) -> anyhow::Result<Shortage> {
    let [budget, limit, spent, renews_at] = standing else { bail!("admit said of a budget: {standing:?}") };
    let renews_at: Millis = renews_at.parse()?;
    let now = if admission.now == 0 { admission.connection.time_ms().await? } else { admission.now };
    Ok(Shortage {
        budget: Budget::ALL.into_iter().find(|known| known.name() == *budget).context("an unknown budget")?,
        limit_micro_usd: limit.parse()?,
        spent_micro_usd: spent.parse()?,
        renews_in: Duration::from_millis(renews_at.saturating_sub(now)),
    })
}

pub(super) async fn promise(admission: &Admission, id: &str, offers: &[Offer]) -> anyhow::Result<Promised> {
    let mut arguments = vec![id.to_owned(), serde_json::to_string(&*admission.limits)?];
    arguments.extend(offers.iter().flat_map(|offer| [user(offer.user_id), offer.micro_usd.to_string()]));
    let reply = run(admission, &PROMISE, arguments).await?;
    let words: Vec<&str> = reply.iter().map(String::as_str).collect();
    Ok(match words.as_slice() {
        ["promised", each @ ..] if each.len() == offers.len() => Promised::Each(each.iter().map(|word| *word == "1").collect()),
        ["asked"] => Promised::Asked,
        ["unknown", token, day_from, month_from, user] => Promised::Unknown(Unknown::read(token, day_from, month_from, user)?),
        other => bail!("promise answered {other:?}"),
    })
}

pub(super) async fn forget(admission: &Admission) -> anyhow::Result<()> {
    run(admission, &FORGET, Vec::new()).await?;
    Ok(())
}

/// How long everybody pauses now, if this brought it about.
pub(super) async fn settle(admission: &Admission, id: &str, user_id: Option<i64>, used: &Use) -> anyhow::Result<Duration> {
    let or_none = |time: Option<Duration>| time.map_or_else(|| "-1".to_owned(), |time| time.as_millis().to_string());
    let end = match used.end {
        End::Answered => "answered",
        End::Refused => "refused",
        End::Limited => "limited",
        End::Lost => "lost",
    };
    let arguments = vec![
        id.to_owned(),
        user(user_id),
        used.tokens.to_string(),
        used.micro_usd.to_string(),
        or_none(used.latency),
        end.to_owned(),
        or_none(used.retry_after),
        serde_json::to_string(&used.learned)?,
    ];
    let reply = run(admission, &SETTLE, arguments).await?;
    milliseconds(reply.first().context("settle answered nothing")?)
}

pub(super) async fn seed(admission: &Admission, token: &str, user_id: Option<i64>, spent: &Spent) -> anyhow::Result<()> {
    let sums =
        [spent.day, spent.month, spent.user_day, spent.user_month, spent.in_batches, spent.user_in_batches].map(|micro| micro.to_string());
    let arguments = [token.to_owned(), user(user_id)].into_iter().chain(sums).collect();
    run(admission, &SEED, arguments).await?;
    Ok(())
}

pub(super) async fn view(admission: &Admission) -> anyhow::Result<View> {
    let reply = run(admission, &VIEW, Vec::new()).await?;
    let fields: BTreeMap<&str, &str> = reply.chunks_exact(2).map(|pair| (pair[0].as_str(), pair[1].as_str())).collect();
    // Moments and rates are kept as fractions of a millisecond.
    let number = |name: &str| fields.get(name).and_then(|text| text.parse::<f64>().ok()).unwrap_or(0.0).max(0.0) as u64;
    let now = number("now");
    Ok(View {
        limits: fields.get("limits").and_then(|json| serde_json::from_str(json).ok()),
        learned_rpm: number("learned_rpm"),
        learned_tpm: number("learned_tpm"),
        in_flight: number("in_flight"),
        waiting: number("waiting"),
        in_minute: if number("minute") == now / 60_000 { number("in_minute") } else { 0 },
        paused_ms: number("paused_until").saturating_sub(now),
        backoff_level: number("level"),
        latency_ms: number("latency_ms"),
        reserved_micro_usd: number("reserved_micro_usd"),
        now,
    })
}

fn milliseconds(text: &str) -> anyhow::Result<Duration> {
    Ok(Duration::from_millis(text.parse().with_context(|| format!("{text:?} is not a number of milliseconds"))?))
}
