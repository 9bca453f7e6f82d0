//! The console's page: everything at a glance, rendered here, read-only. It works without its script, which only refreshes it.

mod model;
mod provider;
mod read;

use askama::Template;
use axum::extract::State;
use axum::response::Html;
use chrono::Utc;

use super::Shared;
use crate::error::Error;
use crate::health::{Check, Report};
use crate::human::{clock, rfc3339};
use model::{Truth, Work};
use provider::Provider;

#[derive(Template)]
#[template(path = "console.html")]
struct Page {
    version: &'static str,
    now: String,
    now_machine: String,
    level: &'static str,
    /// What is wrong: the check and its sentence.
    complaints: Vec<(String, String)>,
    /// From Redis; `None` while it does not answer.
    work: Option<Work>,
    /// From PostgreSQL; `None` while it does not answer.
    truth: Option<Truth>,
    /// From both; `None` while one does not answer.
    provider: Option<Provider>,
}

pub(super) async fn page(State(shared): State<Shared>) -> Result<Html<String>, Error> {
    let now = Utc::now();
    let stores = &shared.stores;
    let (report, work, truth, provider) =
        tokio::join!(shared.health.report(), read::work(stores, now), read::truth(stores, now), read::provider(stores));
    let page = Page {
        version: env!("CARGO_PKG_VERSION"),
        now: clock(now),
        now_machine: rfc3339(now),
        level: report.status.as_str(),
        complaints: complaints(&report),
        work,
        truth,
        provider,
    };
    page.render().map(Html).map_err(|error| Error::Internal(error.into()))
}

impl Page {
    /// For the window's title: what a person watches from another tab.
    fn title(&self) -> String {
        match &self.work {
            Some(work) => format!("{} running, {} ready · Celeriac", work.running_total, work.ready_total),
            None => "Redis does not answer · Celeriac".to_owned(),
        }
    }
}

fn complaints(report: &Report) -> Vec<(String, String)> {
    let complaint = |(name, check): (&&'static str, &Check)| {
        let message = check.message.clone()?;
        Some((name.replace('_', " "), message))
    };
    report.checks.iter().filter_map(complaint).collect()
}
