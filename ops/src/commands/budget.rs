//! `celeriac budget`: the model's limits, what is used of them, and what was spent.

use celeriac_jobs::admission::{Budget, Limits};
use clap::Args;

use crate::human::{clock, took};
use crate::reply::{Cell, Reply, Table, Tone};
use crate::stores::Stores;
use crate::views::budget::{self, BudgetView};

#[derive(Debug, Args)]
pub(crate) struct BudgetCommand {}

impl BudgetCommand {
    pub(crate) async fn run(self, stores: &Stores) -> anyhow::Result<Reply> {
        let view = budget::read(stores).await?;
        let mut reply = Reply::of(&view).pairs(pairs(&view)).table(limits(&view));
        if !view.budgets.is_empty() {
            reply = reply.table(budgets(&view));
        }
        for paused in &view.paused {
            reply = reply.line(format!("{} is paused: {}", paused.queue, paused.reason));
        }
        Ok(reply)
    }
}

fn pairs(view: &BudgetView) -> Vec<(&'static str, String)> {
    let mut pairs = vec![
        ("model", view.model.clone()),
        ("spent today", format!("{:.4} USD", view.spent_today_usd)),
        ("spent this month", format!("{:.4} USD", view.spent_this_month_usd)),
        ("on the way", format!("{} requests, which may cost up to {:.4} USD", view.now.in_flight, view.now.reserved_usd)),
        ("in batches", format!("may cost up to {:.4} USD", view.in_batches_usd)),
        ("waiting", view.now.waiting.to_string()),
        ("usual answer", took(view.now.latency_ms)),
    ];
    if view.now.provider_pause_ms > 0 {
        pairs.push(("provider's pause", took(view.now.provider_pause_ms)));
    }
    pairs
}

fn limits(view: &BudgetView) -> Table {
    let mut table = Table::new(&["LIMIT", "SET", "LEARNED", "NOW"], "");
    let Limits { rpm, tpm, in_flight, user_in_flight, .. } = view.limits;
    let set = |limit: u64| Cell::maybe((limit > 0).then(|| limit.to_string()));
    let learned = |limit: Option<u64>| Cell::maybe(limit.map(|limit| limit.to_string()));
    let none = || Cell::maybe(None::<String>);
    table.push(vec!["requests a minute".into(), set(rpm), learned(view.now.learned_rpm), view.now.requests_this_minute.into()]);
    table.push(vec!["tokens a minute".into(), set(tpm), learned(view.now.learned_tpm), none()]);
    table.push(vec!["requests at once".into(), set(in_flight), none(), view.now.in_flight.into()]);
    table.push(vec!["of one user at once".into(), set(user_in_flight), none(), none()]);
    for budget in [Budget::UserDay, Budget::UserMonth] {
        let limit = view.limits.budget(budget);
        let shown = Cell::maybe((limit > 0).then(|| format!("{:.2}", limit as f64 / 1e6)));
        table.push(vec![format!("USD of one user {budget}").into(), shown, none(), none()]);
    }
    table
}

fn budgets(view: &BudgetView) -> Table {
    let mut table = Table::new(&["BUDGET", "USD", "SPENT", "LEFT", "RENEWS"], "");
    for row in &view.budgets {
        let left = (row.limit_usd - row.spent_usd).max(0.0);
        let tone = if left > 0.0 { Tone::Plain } else { Tone::Bad };
        table.push(vec![
            row.setting.into(),
            format!("{:.2}", row.limit_usd).into(),
            format!("{:.4}", row.spent_usd).into(),
            Cell::toned(format!("{left:.4}"), tone),
            clock(row.renews_at).into(),
        ]);
    }
    table
}
