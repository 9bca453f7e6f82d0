//! `celeriac queue limit`: how much of a queue runs at once and begins in a time, as a whole and of each key.

use std::str::FromStr;

use celeriac_queue::{Limits, QueueName, Rate};
use clap::Args;

use crate::actions::queues::{self, LimitsReport};
use crate::audit::Actor;
use crate::reply::{Cell, Reply, Table};
use crate::stores::Stores;
use crate::views::keys::limits_text;

#[derive(Debug, Args)]
pub(crate) struct Limit {
    queue: QueueName,
    /// Jobs that run at once; `none` lifts it, here as below.
    #[arg(long, value_name = "N")]
    concurrency: Option<Change<u32>>,
    /// Units (a job is one unless it says more) that begin in a time, as in 300/min, 10/s or 5000/h.
    #[arg(long)]
    rate: Option<Change<Rate>>,
    /// Units that may begin at once after a quiet spell; unset with --rate: a second's worth.
    #[arg(long, value_name = "N")]
    burst: Option<f64>,
    /// Jobs of one key that run at once.
    #[arg(long, value_name = "N")]
    key_concurrency: Option<Change<u32>>,
    /// Units of one key that begin in a time.
    #[arg(long, value_name = "RATE")]
    key_rate: Option<Change<Rate>>,
    /// Units of one key that may begin at once after a quiet spell.
    #[arg(long, value_name = "N")]
    key_burst: Option<f64>,
    /// A key's share beside other keys, 1 unless said, as in tenant-42=2; may be repeated.
    #[arg(long, value_name = "KEY=N")]
    weight: Vec<OfKey<f64>>,
    /// Jobs of this key that run at once, in the place of --key-concurrency; may be repeated.
    #[arg(long, value_name = "KEY=N")]
    key_limit: Vec<OfKey<u32>>,
    /// Lift all limits and weights; what else is named here then holds.
    #[arg(long)]
    clear: bool,
}

/// What a flag makes of a limit.
#[derive(Debug, Clone, Copy, PartialEq)]
enum Change<T> {
    Lift,
    To(T),
}

/// A change for one key.
#[derive(Debug, Clone, PartialEq)]
struct OfKey<T> {
    key: String,
    change: Change<T>,
}

impl Limit {
    pub(crate) async fn run(self, stores: &Stores, actor: &Actor) -> anyhow::Result<Reply> {
        let inspector = stores.inspector().await?;
        let before = inspector.limits(&self.queue).await?;
        if !self.changes() {
            let report = LimitsReport { queue: self.queue, limits: before, note: None };
            let reply = show(&report);
            let row = inspector.queue(&report.queue).await.map(crate::views::queues::QueueRow::from)?;
            return Ok(match row.held_back {
                Some(held) => reply.line(held.sentence()),
                None => reply,
            });
        }
        let limits = self.apply(if self.clear { Limits::default() } else { before })?;
        let report = queues::set_limits(stores, actor, &self.queue, limits).await?;
        let note = report.note.clone();
        Ok(show(&report).note(note))
    }

    fn changes(&self) -> bool {
        let single = [
            self.concurrency.is_some(),
            self.rate.is_some(),
            self.burst.is_some(),
            self.key_concurrency.is_some(),
            self.key_rate.is_some(),
            self.key_burst.is_some(),
            self.clear,
        ];
        single.contains(&true) || !self.weight.is_empty() || !self.key_limit.is_empty()
    }

    fn apply(&self, mut limits: Limits) -> anyhow::Result<Limits> {
        set(&mut limits.concurrency, self.concurrency);
        set(&mut limits.rate, self.rate);
        set(&mut limits.key_concurrency, self.key_concurrency);
        set(&mut limits.key_rate, self.key_rate);
        widen(&mut limits.rate, self.burst, "--burst", "--rate")?;
        widen(&mut limits.key_rate, self.key_burst, "--key-burst", "--key-rate")?;
        for OfKey { key, change } in &self.weight {
            set(&mut limits.keys.entry(key.clone()).or_default().weight, Some(*change));
        }
        for OfKey { key, change } in &self.key_limit {
            set(&mut limits.keys.entry(key.clone()).or_default().concurrency, Some(*change));
        }
        limits.keys.retain(|_, of_key| of_key.weight.is_some() || of_key.concurrency.is_some());
        Ok(limits)
    }
}

fn set<T>(limit: &mut Option<T>, change: Option<Change<T>>) {
    match change {
        None => {}
        Some(Change::Lift) => *limit = None,
        Some(Change::To(value)) => *limit = Some(value),
    }
}

/// Gives a rate another burst.
fn widen(rate: &mut Option<Rate>, burst: Option<f64>, flag: &str, rate_flag: &str) -> anyhow::Result<()> {
    let Some(burst) = burst else { return Ok(()) };
    let Some(before) = rate else { anyhow::bail!("{flag} belongs to a rate, and there is none: give {rate_flag} as well, as in 300/min") };
    *rate = Some(Rate::new(before.units(), before.per(), Some(burst))?);
    Ok(())
}

fn show(report: &LimitsReport) -> Reply {
    let LimitsReport { queue, limits, .. } = report;
    let line = match limits_text(limits) {
        Some(text) => format!("{queue}: {text}."),
        None => format!("{queue} has no limits."),
    };
    let reply = Reply::of(report).line(line);
    if limits.keys.is_empty() {
        return reply;
    }
    let mut table = Table::new(&["KEY", "WEIGHT", "AT ONCE"], "");
    for (key, of_key) in &limits.keys {
        let (weight, concurrency) = (of_key.weight.map(|weight| weight.to_string()), of_key.concurrency.map(|max| max.to_string()));
        table.push(vec![key.into(), Cell::maybe(weight), Cell::maybe(concurrency)]);
    }
    reply.table(table)
}

/// A value that a flag names.
trait Value: Sized {
    fn read(text: &str) -> Result<Self, String>;
}

impl Value for u32 {
    fn read(text: &str) -> Result<Self, String> {
        text.parse().map_err(|_| format!("\"{text}\" is not a whole number, nor none"))
    }
}

impl Value for f64 {
    fn read(text: &str) -> Result<Self, String> {
        text.parse().map_err(|_| format!("\"{text}\" is not a number, nor none"))
    }
}

impl Value for Rate {
    fn read(text: &str) -> Result<Self, String> {
        Self::parse(text).map_err(|error| error.to_string())
    }
}

impl<T: Value> FromStr for Change<T> {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        if text == "none" { Ok(Self::Lift) } else { T::read(text).map(Self::To) }
    }
}

impl<T: Value> FromStr for OfKey<T> {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        // A key may contain the sign itself.
        let (key, value) = text.rsplit_once('=').ok_or_else(|| format!("\"{text}\" is not a key and its number, as in tenant-42=2"))?;
        Ok(Self { key: key.to_owned(), change: value.parse()? })
    }
}
