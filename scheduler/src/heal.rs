//! Healing a Redis that lost work: rows that were relayed, have not ended, and that Redis does not know are relayed again.
//!
//! A worker confirms a job in PostgreSQL before it acknowledges it to Redis. So a row that Redis does not know and that, read after
//! that, is still not done, was lost. Three looks:
//!
//! - when Redis has another `run_id` than before, every row that was given to another;
//! - at each pass the oldest rows, which an emptied Redis has lost as well as any; as soon as one is lost, all the others;
//! - at each pass one page of the rest in turn, for losses that spare the oldest.

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex};
use std::time::Duration;

use anyhow::Context;
use celeriac_queue::{Connection, Inspector, JobId, QueueName};
use chrono::{DateTime, Utc};
use sqlx::PgPool;
use tokio::sync::watch;
use tokio_util::sync::CancellationToken;

use crate::identity::RedisIdentity;
use crate::leader::until_leading;
use crate::pace::Pace;

/// Rows of one look.
const PAGE: i64 = 500;

#[derive(Debug, Clone, PartialEq, Eq)]
pub struct HealConfig {
    /// Between passes. An emptied Redis is noticed after this and `grace` at the latest.
    pub every: Duration,
    /// Rows relayed more recently are not looked at: most are done before.
    pub grace: Duration,
}

impl Default for HealConfig {
    fn default() -> Self {
        Self { every: Duration::from_secs(3), grace: Duration::from_secs(2) }
    }
}

/// Sends lost work to Redis again.
pub struct Heal {
    config: HealConfig,
    pool: PgPool,
    inspector: Inspector,
    identity: Arc<RedisIdentity>,
    /// Up to where the rest was looked through.
    turn: Mutex<Option<Key>>,
}

/// What one pass found.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct HealReport {
    /// Redis is another than at the last pass.
    pub redis_changed: bool,
    pub checked: usize,
    /// Rows that will be relayed again.
    pub lost: usize,
}

/// A place in the order of relaying.
type Key = (DateTime<Utc>, String);

struct Row {
    id: String,
    queue: Option<String>,
    relayed_at: Option<DateTime<Utc>>,
}

impl Heal {
    pub(crate) fn with_identity(config: HealConfig, pool: PgPool, connection: Connection, identity: Arc<RedisIdentity>) -> Self {
        Self { config, pool, inspector: Inspector::new(connection), identity, turn: Mutex::default() }
    }

    pub fn new(config: HealConfig, pool: PgPool, connection: Connection) -> Self {
        let identity = Arc::new(RedisIdentity::new(connection.clone()));
        Self::with_identity(config, pool, connection, identity)
    }

    /// Heals while this scheduler leads.
    pub async fn run(self, mut leading: watch::Receiver<bool>, stop: CancellationToken) {
        let mut pace = Pace::new("looking for work that Redis lost", stop.clone());
        while until_leading(&mut leading, &stop).await {
            let pass = self.run_once().await;
            if !pace.rest(pass.map(|_| self.config.every)).await {
                break;
            }
        }
    }

    /// One pass over the unfinished rows.
    ///
    /// # Errors
    /// When PostgreSQL or Redis fails; what was found before is being relayed again.
    pub async fn run_once(&self) -> anyhow::Result<HealReport> {
        let redis = self.identity.refresh().await?;
        let mut report = HealReport::default();
        let fed = sqlx::query_scalar!("select redis_run_id from celeriac.relay_state")
            .fetch_one(&self.pool)
            .await
            .context("cannot read the relay's state")?;
        if fed.as_deref() != Some(redis.as_str()) {
            report.redis_changed = fed.is_some();
            self.check_all_of_another_redis(&redis, &mut report).await?;
            // Last: interrupted before, the next pass begins anew.
            sqlx::query!("update celeriac.relay_state set redis_run_id = $1", redis).execute(&self.pool).await?;
        }
        self.check_in_turn(&mut report).await?;
        if report.redis_changed {
            tracing::warn!(
                checked = report.checked,
                lost = report.lost,
                "Redis was started anew or replaced: jobs that it lost are sent again"
            );
        } else if report.lost > 0 {
            tracing::warn!(checked = report.checked, lost = report.lost, "Redis has lost jobs: they are sent again");
        }
        Ok(report)
    }

    /// Each row checked leaves the selection: it is either lost, or known to the Redis of today.
    async fn check_all_of_another_redis(&self, redis: &str, report: &mut HealReport) -> anyhow::Result<()> {
        loop {
            let page = sqlx::query_as!(
                Row,
                "select id, queue, relayed_at from celeriac.outbox
                 where relayed_at is not null and done_at is null and relayed_to is distinct from $1 order by relayed_at limit $2",
                redis,
                PAGE
            )
            .fetch_all(&self.pool)
            .await?;
            if page.is_empty() {
                return Ok(());
            }
            self.check(&page, report).await?;
            let ids: Vec<String> = page.into_iter().map(|row| row.id).collect();
            sqlx::query!("update celeriac.outbox set relayed_to = $2 where id = any($1) and relayed_at is not null", &ids, redis)
                .execute(&self.pool)
                .await?;
        }
    }

    async fn check_in_turn(&self, report: &mut HealReport) -> anyhow::Result<()> {
        let lost_before = report.lost;
        let turn = self.turn.lock().expect("no panic while reading").clone();
        let mut from = None;
        for pages in 1.. {
            let page = self.page_after(from.as_ref()).await?;
            self.check(&page, report).await?;
            let end = page.last().and_then(|row| Some((row.relayed_at?, row.id.clone())));
            let all_found = report.lost == lost_before;
            if page.len() < PAGE as usize {
                from = None;
                break;
            }
            // After the oldest, on to where the last pass ended; but through all of them once one is lost.
            from = if pages == 1 && all_found { end.max(turn.clone()) } else { end };
            if pages == 2 && all_found {
                break;
            }
        }
        *self.turn.lock().expect("no panic while writing") = from;
        Ok(())
    }

    async fn page_after(&self, key: Option<&Key>) -> anyhow::Result<Vec<Row>> {
        let page = sqlx::query_as!(
            Row,
            "select id, queue, relayed_at from celeriac.outbox
             where relayed_at < clock_timestamp() - make_interval(secs => $1) and done_at is null
               and ($2::timestamptz is null or (relayed_at, id) > ($2, $3))
             order by relayed_at, id limit $4",
            self.config.grace.as_secs_f64(),
            key.map(|(relayed_at, _)| *relayed_at),
            key.map(|(_, id)| id.as_str()),
            PAGE
        )
        .fetch_all(&self.pool)
        .await?;
        Ok(page)
    }

    /// Looks the rows up in Redis and unmarks those that were lost.
    async fn check(&self, rows: &[Row], report: &mut HealReport) -> anyhow::Result<()> {
        let mut by_queue: BTreeMap<QueueName, Vec<JobId>> = BTreeMap::new();
        for row in rows {
            // The relay writes the queue down and only relays ids that parse; a row edited into anything else is nobody's to find.
            let queue = row.queue.as_deref().map_or_else(|| Ok(QueueName::default()), QueueName::parse);
            if let (Ok(queue), Ok(id)) = (queue, JobId::parse(&row.id)) {
                by_queue.entry(queue).or_default().push(id);
            }
        }
        let mut unknown = Vec::new();
        for (queue, ids) in by_queue {
            let known = self.inspector.known(&queue, &ids).await.context("cannot look jobs up in Redis")?;
            unknown.extend(ids.into_iter().zip(known).filter(|(_, known)| !known).map(|(id, _)| id.to_string()));
        }
        report.checked += rows.len();
        if unknown.is_empty() {
            return Ok(());
        }
        // "done_at is null" is read after Redis was asked: that is the proof of loss.
        let lost = sqlx::query!("update celeriac.outbox set relayed_at = null where id = any($1) and done_at is null", &unknown)
            .execute(&self.pool)
            .await?
            .rows_affected();
        if lost > 0 {
            sqlx::query!("select pg_notify('celeriac_outbox', '')").execute(&self.pool).await?;
        }
        report.lost += usize::try_from(lost).expect("at most a page");
        Ok(())
    }
}
