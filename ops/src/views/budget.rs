//! The model's limits and budgets, and how they stand.

use celeriac_jobs::admission::{Admission, Budget, Limits, View, spent};
use chrono::{DateTime, Datelike, Days, Months, NaiveDate, Utc};
use serde::Serialize;

use crate::human::{clock, moment};
use crate::stores::Stores;
use crate::views::queues;

#[derive(Debug, Clone, Serialize)]
pub(crate) struct BudgetView {
    pub(crate) model: String,
    /// As a worker last told them; as this process has them, when none has asked the model yet.
    pub(crate) limits: Limits,
    /// The rest of how they stand; `limits` again, when a worker told them.
    #[serde(flatten)]
    pub(crate) now: Standing,
    pub(crate) spent_today_usd: f64,
    pub(crate) spent_this_month_usd: f64,
    /// What batches under way may cost; the budgets keep it back.
    pub(crate) in_batches_usd: f64,
    /// Those that are set, for all users together.
    pub(crate) budgets: Vec<BudgetRow>,
    /// Queues that are paused because of the model.
    pub(crate) paused: Vec<PausedRow>,
}

/// What [`View`] says of this moment.
#[derive(Debug, Clone, Serialize)]
pub(crate) struct Standing {
    /// By the provider's headers; absent while unknown.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) learned_rpm: Option<u64>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) learned_tpm: Option<u64>,
    pub(crate) in_flight: u64,
    pub(crate) waiting: u64,
    pub(crate) requests_this_minute: u64,
    /// Left of a pause that the provider asked for with a 429.
    pub(crate) provider_pause_ms: u64,
    pub(crate) backoff_level: u64,
    pub(crate) latency_ms: u64,
    pub(crate) reserved_usd: f64,
}

#[derive(Debug, Clone, Serialize)]
pub(crate) struct BudgetRow {
    pub(crate) setting: &'static str,
    pub(crate) limit_usd: f64,
    pub(crate) spent_usd: f64,
    pub(crate) renews_at: DateTime<Utc>,
}

#[derive(Debug, Clone, Serialize)]
pub(crate) struct PausedRow {
    pub(crate) queue: String,
    pub(crate) reason: String,
}

/// # Errors
/// When a store does not answer.
pub(crate) async fn read(stores: &Stores) -> anyhow::Result<BudgetView> {
    let (settings, pool) = (stores.settings(), stores.postgres().await?);
    let (model, ours) = (settings.text("OPENAI_MODEL"), Limits::read(settings));
    let view = Admission::new(stores.redis().await?, pool.clone(), model, ours.clone()).view().await?;
    let now = moment(view.now);
    let (tomorrow, next_month) = (now.date_naive() + Days::new(1), first_of_month(now) + Months::new(1));
    let spent = spent(&pool, None, ms(now.date_naive()), ms(first_of_month(now))).await?;
    let limits = view.limits.clone().unwrap_or(ours);
    let budget = |budget: Budget, spent: u64, renews: NaiveDate| {
        (limits.budget(budget) > 0).then(|| BudgetRow {
            setting: budget.setting(),
            limit_usd: usd(limits.budget(budget)),
            spent_usd: usd(spent),
            renews_at: midnight(renews),
        })
    };
    let budgets = [budget(Budget::Day, spent.day, tomorrow), budget(Budget::Month, spent.month, next_month)];
    let paused = queues::all(&stores.inspector().await?, None).await?.into_iter().filter_map(|row| {
        let pause = row.paused.filter(|pause| pause.cause.as_deref().is_some_and(|cause| cause.starts_with("openai ")))?;
        Some(PausedRow { queue: row.queue.to_string(), reason: pause.reason })
    });
    Ok(BudgetView {
        model: model.to_owned(),
        now: Standing::from(&view),
        spent_today_usd: usd(spent.day),
        spent_this_month_usd: usd(spent.month),
        in_batches_usd: usd(spent.in_batches),
        budgets: budgets.into_iter().flatten().collect(),
        paused: paused.collect(),
        limits,
    })
}

impl BudgetView {
    /// For whoever asks what was spent; nothing without a budget.
    pub(crate) fn sentence(&self) -> Option<String> {
        let of =
            |row: &BudgetRow| format!("{}: {:.4} of {:.2} USD, renews {}", row.setting, row.spent_usd, row.limit_usd, clock(row.renews_at));
        (!self.budgets.is_empty()).then(|| format!("{}.", self.budgets.iter().map(of).collect::<Vec<_>>().join("; ")))
    }

    /// What keeps jobs from asking the model.
    pub(crate) fn complaint(&self) -> Option<String> {
        if let Some(paused) = self.paused.first() {
            return Some(format!("{} is paused: {}", paused.queue, paused.reason));
        }
        if let Some(spent) = self.budgets.iter().find(|row| row.spent_usd >= row.limit_usd) {
            return Some(format!("{} is spent: it allows {:.2} USD", spent.setting, spent.limit_usd));
        }
        // One refusal is nothing; a row of them is a limit that is narrower than is known here.
        (self.now.backoff_level >= 4)
            .then(|| format!("the provider has refused {} times in a row as too fast (429)", self.now.backoff_level))
    }
}

impl From<&View> for Standing {
    fn from(view: &View) -> Self {
        let known = |limit: u64| (limit > 0).then_some(limit);
        Self {
            learned_rpm: known(view.learned_rpm),
            learned_tpm: known(view.learned_tpm),
            in_flight: view.in_flight,
            waiting: view.waiting,
            requests_this_minute: view.in_minute,
            provider_pause_ms: view.paused_ms,
            backoff_level: view.backoff_level,
            latency_ms: view.latency_ms,
            reserved_usd: usd(view.reserved_micro_usd),
        }
    }
}

fn usd(micro: u64) -> f64 {
    micro as f64 / 1e6
}

fn first_of_month(now: DateTime<Utc>) -> NaiveDate {
    now.date_naive().with_day(1).expect("every month has a first day")
}

fn midnight(day: NaiveDate) -> DateTime<Utc> {
    day.and_time(chrono::NaiveTime::MIN).and_utc()
}

fn ms(day: NaiveDate) -> u64 {
    midnight(day).timestamp_millis().unsigned_abs()
}
