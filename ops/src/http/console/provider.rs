//! What the page shows of the model and its budgets.

use crate::views::budget::BudgetView;
use crate::views::openai_batches::UnderWay;

pub(super) struct Provider {
    pub(super) model: String,
    pub(super) facts: Vec<Fact>,
    /// What keeps jobs from asking it.
    pub(super) complaint: Option<String>,
}

pub(super) struct Fact {
    pub(super) name: &'static str,
    pub(super) value: String,
    /// The limit, where there is one.
    pub(super) of: Option<String>,
}

impl Provider {
    pub(super) fn new(budget: &BudgetView, batches: &UnderWay) -> Self {
        let now = &budget.now;
        let set = (budget.limits.rpm > 0).then_some(budget.limits.rpm);
        let rpm = set.into_iter().chain(now.learned_rpm).min();
        let limit = |setting: &str| {
            let row = budget.budgets.iter().find(|row| row.setting == setting)?;
            Some(format!("${:.2}", row.limit_usd))
        };
        let mut facts = vec![
            Fact::new("requests this minute", now.requests_this_minute, rpm.map(|limit| limit.to_string())),
            Fact::new("on the way", now.in_flight, (budget.limits.in_flight > 0).then(|| budget.limits.in_flight.to_string())),
            Fact::new("waiting for their turn", now.waiting, None),
        ];
        if batches.batches > 0 || batches.waiting > 0 {
            facts.push(Fact::new("questions in batches", batches.waiting + batches.sent, None));
        }
        facts.push(Fact::new("spent today", format!("${:.4}", budget.spent_today_usd), limit("OPENAI_USD_PER_DAY")));
        facts.push(Fact::new("spent this month", format!("${:.4}", budget.spent_this_month_usd), limit("OPENAI_USD_PER_MONTH")));
        Self { model: budget.model.clone(), facts, complaint: budget.complaint() }
    }
}

impl Fact {
    fn new(name: &'static str, value: impl ToString, of: Option<String>) -> Self {
        Self { name, value: value.to_string(), of }
    }
}
