//! `GET /api/v1/costs`: what the model cost, as `celeriac costs` tells it.

use axum::Json;
use axum::extract::rejection::QueryRejection;
use axum::extract::{Query, State};
use chrono::{DateTime, NaiveDate, NaiveTime, Utc};
use serde::{Deserialize, Serialize};

use super::Shared;
use super::auth::Caller;
use crate::error::Error;
use crate::views::costs::{self, By, CostRow};

/// Without a word: today and the six days before, as at the shell.
const DAYS_DEFAULT: u32 = 7;

#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct Asked {
    #[serde(default)]
    by: By,
    /// A day (UTC), as in `2026-11-01`, or a moment (RFC 3339).
    since: Option<String>,
}

#[derive(Debug, Serialize)]
pub(super) struct Costs {
    by: By,
    since: DateTime<Utc>,
    /// Of all rows.
    cost_usd: f64,
    rows: Vec<CostRow>,
}

pub(super) async fn read(
    State(shared): State<Shared>,
    _: Caller,
    asked: Result<Query<Asked>, QueryRejection>,
) -> Result<Json<Costs>, Error> {
    let Query(Asked { by, since }) = asked.map_err(|error| Error::Malformed(error.body_text()))?;
    let since = match since {
        None => costs::days_back(Utc::now(), DAYS_DEFAULT),
        Some(text) => moment(&text).ok_or_else(|| {
            Error::Invalid("since must be a day (UTC), as in 2026-11-01, or a moment, as in 2026-11-01T06:00:00Z".to_owned())
        })?,
    };
    let pool = shared.stores.postgres().await.map_err(Error::Unavailable)?;
    let rows = costs::by(&pool, since, by).await.map_err(|error| Error::Unavailable(error.into()))?;
    Ok(Json(Costs { by, since, cost_usd: rows.iter().map(|row| row.cost_usd).sum(), rows }))
}

fn moment(text: &str) -> Option<DateTime<Utc>> {
    match text.parse::<NaiveDate>() {
        Ok(day) => Some(day.and_time(NaiveTime::MIN).and_utc()),
        Err(_) => text.parse().ok(),
    }
}
