//! `celeriac usage`: what a user has used this month, and their limit.

use chrono::{Datelike, NaiveDate, Utc};
use clap::{Args, Subcommand};
use serde_json::json;

use crate::audit::{self, Actor};
use crate::reply::{Reply, Table};
use crate::stores::Stores;
use crate::views::usage::{self, Used};

#[derive(Debug, Subcommand)]
pub(crate) enum Usage {
    /// Documents and tokens of a user in a month, and the limit that applies.
    Show(OfMonth),
    /// Set a user's counts of a month back to nothing.
    Reset(OfMonth),
    /// Give a user a monthly limit of their own.
    Limit(Limit),
}

#[derive(Debug, Args)]
pub(crate) struct OfMonth {
    /// The web app's user.
    user: i64,
    /// As in 2026-11; unset: the current month (UTC).
    #[arg(long, value_parser = month)]
    month: Option<NaiveDate>,
}

#[derive(Debug, Args)]
pub(crate) struct Limit {
    /// The web app's user.
    user: i64,
    /// Documents a month; `none` for no limit, `default` for DOCUMENTS_PER_MONTH.
    #[arg(value_parser = own_limit)]
    documents: OwnLimit,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum OwnLimit {
    Documents(i64),
    None,
    Default,
}

fn month(text: &str) -> Result<NaiveDate, String> {
    NaiveDate::parse_from_str(&format!("{text}-01"), "%Y-%m-%d").map_err(|_| "a month is written as in 2026-11".to_owned())
}

fn own_limit(text: &str) -> Result<OwnLimit, String> {
    match text {
        "none" => Ok(OwnLimit::None),
        "default" => Ok(OwnLimit::Default),
        number => match number.parse() {
            Ok(limit) if limit >= 0 => Ok(OwnLimit::Documents(limit)),
            _ => Err("it is a number of documents, `none` or `default`".to_owned()),
        },
    }
}

impl OfMonth {
    fn month(&self) -> NaiveDate {
        let today = Utc::now().date_naive();
        self.month.unwrap_or_else(|| today.with_day(1).unwrap_or(today))
    }
}

impl Usage {
    pub(crate) async fn run(self, stores: &Stores, actor: &Actor) -> anyhow::Result<Reply> {
        match self {
            Self::Show(of) => show(stores, of.user, of.month()).await,
            Self::Reset(of) => reset(stores, of.user, of.month(), actor).await,
            Self::Limit(limit) => limit.run(stores, actor).await,
        }
    }
}

async fn show(stores: &Stores, user: i64, month: NaiveDate) -> anyhow::Result<Reply> {
    let default = stores.settings().maybe("DOCUMENTS_PER_MONTH").and_then(|text| text.parse().ok());
    let Used { documents, tokens, limit } = usage::of_user(&stores.postgres().await?, user, month, default).await?;
    let mut table = Table::new(&["USER", "MONTH", "DOCUMENTS", "LIMIT", "TOKENS"], "");
    let limit_shown = limit.map_or_else(|| "none".to_owned(), |limit| limit.to_string());
    table.push(vec![user.into(), month.format("%Y-%m").to_string().into(), documents.into(), limit_shown.into(), tokens.into()]);
    let month = month.format("%Y-%m").to_string();
    Ok(Reply::of(&json!({ "user": user, "month": month, "documents": documents, "limit": limit, "tokens": tokens })).table(table))
}

async fn reset(stores: &Stores, user: i64, month: NaiveDate, actor: &Actor) -> anyhow::Result<Reply> {
    let mut transaction = stores.postgres().await?.begin().await?;
    let deleted = sqlx::query_scalar!(
        "delete from celeriac.usage_counters where user_id = $1 and month = $2 and kind = 'documents' returning used",
        user,
        month
    );
    let documents = deleted.fetch_optional(&mut *transaction).await?.unwrap_or(0);
    sqlx::query!("delete from celeriac.usage_counters where user_id = $1 and month = $2", user, month).execute(&mut *transaction).await?;
    // A document that fails later must not be given back to a count that no longer has it.
    sqlx::query!("update celeriac.documents set counted_month = null where user_id = $1 and counted_month = $2", user, month)
        .execute(&mut *transaction)
        .await?;
    let shown = month.format("%Y-%m").to_string();
    audit::record(&mut *transaction, actor, "reset usage", &format!("user {user}"), json!({ "month": shown, "documents": documents }))
        .await?;
    transaction.commit().await?;
    let line = format!("User {user} had {documents} documents counted in {shown}; now none.");
    Ok(Reply::of(&json!({ "user": user, "month": shown, "documents_before": documents })).line(line))
}

impl Limit {
    async fn run(self, stores: &Stores, actor: &Actor) -> anyhow::Result<Reply> {
        let Self { user, documents } = self;
        let mut transaction = stores.postgres().await?.begin().await?;
        let own = match documents {
            OwnLimit::Documents(limit) => Some(limit),
            OwnLimit::None | OwnLimit::Default => None,
        };
        if documents == OwnLimit::Default {
            sqlx::query!("delete from celeriac.usage_limits where user_id = $1 and kind = 'documents'", user)
                .execute(&mut *transaction)
                .await?;
        } else {
            sqlx::query!(
                "insert into celeriac.usage_limits (user_id, kind, monthly) values ($1, 'documents', $2)
                 on conflict (user_id, kind) do update set monthly = excluded.monthly",
                user,
                own
            )
            .execute(&mut *transaction)
            .await?;
        }
        let limit = match documents {
            OwnLimit::Documents(limit) => json!(limit),
            OwnLimit::None => json!("none"),
            OwnLimit::Default => json!("default"),
        };
        audit::record(&mut *transaction, actor, "limit usage", &format!("user {user}"), json!({ "documents": limit })).await?;
        transaction.commit().await?;
        let line = match documents {
            OwnLimit::Documents(limit) => format!("User {user} may have {limit} documents a month processed."),
            OwnLimit::None => format!("User {user} has no monthly limit."),
            OwnLimit::Default => format!("User {user} has the limit of everybody (DOCUMENTS_PER_MONTH)."),
        };
        Ok(Reply::of(&json!({ "user": user, "documents": limit })).line(line))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn months_and_limits_are_read_as_people_write_them() {
        assert_eq!(month("2026-11"), Ok(NaiveDate::from_ymd_opt(2026, 11, 1).unwrap()));
        assert!(month("11/2026").is_err() && month("2026-13").is_err());
        assert_eq!((own_limit("20"), own_limit("none")), (Ok(OwnLimit::Documents(20)), Ok(OwnLimit::None)));
        assert!(own_limit("-1").is_err() && own_limit("many").is_err());
    }
}
