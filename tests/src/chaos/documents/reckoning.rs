//! What a campaign came to, from the database, the stand-in's counters and the strikes, beside what was promised.

use std::collections::BTreeMap;
use std::fmt;
use std::sync::atomic::Ordering::Relaxed;
use std::time::Duration;

use anyhow::Result;
use celeriac_jobs::crypt::FieldKeys;
use sqlx::{AssertSqlSafe, PgPool};

use super::plan::CHECKPOINTS;
use super::studies::{Ends, STUDIES};
use super::{Campaign, Tally, search};
use crate::System;
use crate::chaos::Promise;

/// Kills from which on every checkpoint must have been struck: below, one may be missed by bad luck.
const KILLS_TELLING: usize = 100;

/// Counts and promises. Its text is a table.
#[derive(Debug)]
pub struct Reckoning {
    campaign: Campaign,
    seconds: u64,
    kills: u64,
    sleeps: u64,
    /// Calls that were open at a strike.
    inside: u64,
    places: BTreeMap<&'static str, u64>,
    planned: usize,
    ends: Vec<Ends>,
    ledger: LedgerSums,
    /// Answers that the provider has made, and requests it has received.
    answers: u64,
    requests: u64,
    usage: u64,
    pages_with_text: u64,
    leftovers: Vec<String>,
    leaks: Vec<String>,
}

/// Over all keys of the ledger.
#[derive(Debug, sqlx::FromRow)]
struct LedgerSums {
    keys: i64,
    calls: i64,
    unknown: i64,
    /// Calls after the first that neither an unknown outcome nor an answer of no use explains.
    unexplained: i64,
    /// Answers that were committed.
    receipts: i64,
    /// Keys under which a call was begun although an answer of use had been committed. One that comes late, to a worker that slept, is of a
    /// call whose place had been taken before.
    twice: i64,
}

impl Reckoning {
    pub(super) async fn of(system: &System, tally: &Tally, planned: usize, campaign: Campaign, took: Duration) -> Result<Self> {
        let pool = &system.pool;
        let places = tally.places.lock().expect("nobody counts any more").clone();
        let counters = system.openai.counters();
        let keys = FieldKeys::new(&[&system.environment["FIELD_ENCRYPTION_KEYS"]])?;
        let mut ends = Vec::new();
        for study in STUDIES {
            ends.push(study.ends(pool, &keys).await?);
        }
        Ok(Self {
            campaign,
            seconds: took.as_secs(),
            kills: tally.kills.load(Relaxed),
            sleeps: tally.sleeps.load(Relaxed),
            inside: tally.inside.load(Relaxed),
            places,
            planned,
            ends,
            ledger: ledger_sums(pool).await?,
            answers: counters.outcomes.get("answer").copied().unwrap_or(0),
            requests: counters.requests,
            usage: count_of(pool, "select coalesce(sum(used), 0)::bigint from celeriac.usage_counters where kind = 'documents'").await?,
            pages_with_text: pages_with_text(pool).await?,
            leftovers: system.leftovers().await,
            leaks: search::leaks(system).await?,
        })
    }

    pub fn holds(&self) -> bool {
        self.promises().iter().all(|promise| promise.holds)
    }

    pub fn promises(&self) -> Vec<Promise> {
        let promise = |holds: bool, text: String| Promise { text, holds };
        let LedgerSums { unknown, unexplained, receipts, twice, calls, .. } = self.ledger;
        let inside = self.inside;
        let unreceived = i128::from(self.answers) - i128::from(receipts);
        let missed: Vec<&str> = CHECKPOINTS.into_iter().filter(|name| !self.places.contains_key(name)).collect();
        let without_result: u64 = self.ends.iter().map(|ends| ends.without_result).sum();
        // Only uploads count as use, and each once.
        let completed = self.ends[0].completed;
        let told = self.ends.iter().map(|ends| {
            let Ends { study, enqueued, completed, .. } = ends;
            let text =
                format!("every {} has ended, and says why: {completed} completed, {} failed, of {enqueued}", study.job, ends.failures());
            promise(ends.are_told(), text)
        });
        let others = [
            promise(without_result == 0, format!("none completed without its result: {without_result}")),
            promise(twice == 0, format!("none paid twice where an answer had been committed: {twice}")),
            promise(unexplained == 0, format!("every further call had a reason that is on record: {unexplained} had none")),
            promise(
                u64::try_from(unknown).is_ok_and(|unknown| unknown <= inside),
                format!("unknown outcomes are counted, and each was a call that was struck: {unknown} of {inside}"),
            ),
            promise(
                unreceived <= i128::from(inside) && i128::from(self.requests) <= i128::from(calls),
                format!(
                    "what the provider did is on record: {unreceived} answers lost in {inside} calls that were struck, {} requests of {calls} calls",
                    self.requests
                ),
            ),
            promise(self.usage == completed, format!("usage counts what completed: {} of {completed}", self.usage)),
            promise(self.leftovers.is_empty(), format!("nothing is left in the queues: {:?}", self.leftovers)),
            promise(self.pages_with_text == 0, format!("no page is kept of a job that is over: {}", self.pages_with_text)),
            promise(self.leaks.is_empty(), format!("no document's words stand in clear in Redis, PostgreSQL or logs: {:?}", self.leaks)),
            promise(
                self.kills as usize == self.campaign.kills && (self.campaign.kills < KILLS_TELLING || missed.is_empty()),
                format!("workers were killed as planned: {}, checkpoints missed: {missed:?}", self.kills),
            ),
        ];
        told.chain(others).collect()
    }

    fn rows(&self) -> Vec<(String, String)> {
        let mut rows = vec![
            ("workers killed".to_owned(), self.kills.to_string()),
            ("workers put to sleep past their leases".to_owned(), self.sleeps.to_string()),
        ];
        rows.extend(self.places.iter().map(|(place, count)| (format!("  at {place}"), count.to_string())));
        for Ends { study, enqueued, completed, failed, .. } in &self.ends {
            rows.push((study.job.to_owned(), format!("{enqueued}, {completed} completed")));
            rows.extend(failed.iter().map(|(reason, count)| (format!("  failed: {count}"), reason.clone().unwrap_or_default())));
        }
        let LedgerSums { keys, calls, unknown, receipts, .. } = self.ledger;
        rows.push(("calls".to_owned(), format!("{calls} under {keys} keys, {unknown} of unknown outcome, {receipts} answers committed")));
        rows.push(("requests to the provider".to_owned(), format!("{}, {} answered", self.requests, self.answers)));
        rows.push(("seconds".to_owned(), self.seconds.to_string()));
        rows
    }
}

impl fmt::Display for Reckoning {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        writeln!(f, "documents, {} workers at a time, seed {}, {} strikes", self.campaign.lanes, self.campaign.seed, self.planned)?;
        for (name, value) in self.rows() {
            writeln!(f, "  {name:<42} {value}")?;
        }
        for Promise { text, holds } in self.promises() {
            writeln!(f, "  {} {text}", if holds { "PASS" } else { "FAIL" })?;
        }
        Ok(())
    }
}

async fn count(pool: &PgPool, of: &str) -> Result<u64> {
    count_of(pool, &format!("select count(*) from {of}")).await
}

async fn count_of(pool: &PgPool, query: &str) -> Result<u64> {
    Ok(sqlx::query_scalar::<_, i64>(AssertSqlSafe(query.to_owned())).fetch_one(pool).await?.unsigned_abs())
}

async fn ledger_sums(pool: &PgPool) -> Result<LedgerSums> {
    let sums = sqlx::query_as(
        "with receipts as (
             select call_id, count(*) as all_of_them,
                    bool_or(a.state = 'answered' and a.number < c.calls and a.paid_at < c.started_at) as is_before_a_call
             from celeriac.paid_answers a join celeriac.paid_calls c on c.id = a.call_id group by call_id)
         select count(*) as keys, coalesce(sum(calls), 0)::bigint as calls, coalesce(sum(unknown_outcomes), 0)::bigint as unknown,
                coalesce(sum(greatest(calls - 1 - unknown_outcomes - unusable_answers, 0)), 0)::bigint as unexplained,
                coalesce(sum(all_of_them), 0)::bigint as receipts, count(*) filter (where is_before_a_call) as twice
         from celeriac.paid_calls left join receipts on call_id = id",
    );
    Ok(sums.fetch_one(pool).await?)
}

async fn pages_with_text(pool: &PgPool) -> Result<u64> {
    let is_there: bool = sqlx::query_scalar("select to_regclass('celeriac.document_pages') is not null").fetch_one(pool).await?;
    if is_there { count(pool, "celeriac.document_pages where text is not null").await } else { Ok(0) }
}
