//! The jobs that study a document, as the reckoning looks at them.

use anyhow::{Context, Result};
use celeriac_jobs::crypt::FieldKeys;
use sqlx::{AssertSqlSafe, PgPool};

/// A job about a document, and where its result stands.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Study {
    /// Its wire name.
    pub(super) job: &'static str,
    /// Has a row a document, with `status` and `error_message`.
    table: &'static str,
    /// The encrypted JSON object whose `summary` says something when the job has completed.
    result: &'static str,
}

pub(super) const STUDIES: [Study; 2] = [
    Study { job: "process_document", table: "documents", result: "ai_summary" },
    Study { job: "decode_denial_letter", table: "denial_letters", result: "details" },
];

/// How the jobs of one kind have ended.
#[derive(Debug)]
pub(super) struct Ends {
    pub(super) study: Study,
    pub(super) enqueued: u64,
    pub(super) completed: u64,
    /// Of these, those whose result does not open or is not whole.
    pub(super) without_result: u64,
    /// Sentences for the user, how many heard each; nothing, where there is none.
    pub(super) failed: Vec<(Option<String>, i64)>,
}

impl Study {
    pub(super) async fn ends(self, pool: &PgPool, keys: &FieldKeys) -> Result<Ends> {
        let Self { job, table, result } = self;
        let enqueued: i64 = sqlx::query_scalar("select count(*) from celeriac.outbox where job = $1").bind(job).fetch_one(pool).await?;
        let failed = format!("select error_message, count(*) from celeriac.{table} where status = 'failed' group by 1 order by 2 desc");
        let tokens = format!("select {result} from celeriac.{table} where status = 'completed'");
        let tokens: Vec<Option<String>> = sqlx::query_scalar(AssertSqlSafe(tokens)).fetch_all(pool).await?;
        Ok(Ends {
            study: self,
            enqueued: enqueued.unsigned_abs(),
            completed: tokens.len() as u64,
            without_result: tokens.iter().filter(|token| !is_whole(token.as_deref(), keys)).count() as u64,
            failed: sqlx::query_as(AssertSqlSafe(failed)).fetch_all(pool).await?,
        })
    }
}

impl Ends {
    pub(super) fn failures(&self) -> u64 {
        self.failed.iter().map(|(_, count)| count.unsigned_abs()).sum()
    }

    /// Whether each has ended, and says why where it has failed.
    pub(super) fn are_told(&self) -> bool {
        let is_silent = |reason: &Option<String>| reason.as_ref().is_none_or(String::is_empty);
        self.completed + self.failures() == self.enqueued && !self.failed.iter().any(|(reason, _)| is_silent(reason))
    }
}

fn is_whole(token: Option<&str>, keys: &FieldKeys) -> bool {
    let found = token.context("null").and_then(|token| keys.decrypt(token));
    let found = found.and_then(|text| Ok(serde_json::from_str::<serde_json::Value>(&text)?));
    found.is_ok_and(|found| found["summary"].as_str().is_some_and(|summary| !summary.is_empty()))
}
