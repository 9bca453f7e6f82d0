//! The relay: from the outbox in PostgreSQL to the queues in Redis.
//!
//! ```text
//! begin ─ take rows (locked, others skip them) ─ enqueue in Redis ─ mark them relayed ─ commit
//!                                                       ├ a row refused for its own fault: ended as dead, in the same transaction
//!                                                       └ a row whose unique key is taken: ended as duplicate, likewise
//! ```
//! Killed between enqueue and commit, the rows are unlocked unmarked, the next relay sends them again, and Redis knows their ids: once
//! in effect. Any number of relays may run. No order is promised between rows.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Duration;

use anyhow::Context;
use celeriac_queue::{
    Client, Connection, EnqueueOptions, Enqueued, Error, Inspector, JobId, Origin, Outcome, PAYLOAD_BYTES_MAX, Policy, QueueName, State,
    Unique,
};
use sqlx::{PgPool, PgTransaction};
use tokio::sync::Notify;
use tokio_util::sync::CancellationToken;

use crate::give_way::GaveWay;
use crate::identity::RedisIdentity;
use crate::pace::Pace;
use crate::{Catalogue, transaction};

/// Rows of one pass, and what one call to Redis takes.
const ROWS_MAX: i64 = 500;
/// Bytes of arguments of one pass, so that a pass stays small in memory and short on the line.
const BYTES_MAX: i64 = 4_000_000;

#[derive(Debug, Clone, PartialEq, Eq)]
pub struct RelayConfig {
    /// How often the outbox is looked at when no notification came.
    pub sweep: Duration,
}

/// Moves unrelayed rows to Redis.
pub struct Relay {
    config: RelayConfig,
    pool: PgPool,
    connection: Connection,
    catalogue: Catalogue,
    identity: Arc<RedisIdentity>,
}

/// What one pass did.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct RelayReport {
    /// Rows given to Redis, those that it had already included.
    pub relayed: usize,
    /// Rows whose job had ended in Redis before: they ended with it.
    pub ended_before: usize,
    /// Rows that gave way to a job with their unique key.
    pub duplicates: usize,
    /// Rows ended as dead: id and reason.
    pub refused: Vec<(String, String)>,
}

impl RelayReport {
    fn is_empty(&self) -> bool {
        *self == Self::default()
    }
}

/// A row on its way, with its queue and priority decided.
struct Row {
    id: JobId,
    job: String,
    payload: String,
    options: EnqueueOptions,
}

/// What is to be written of one pass.
#[derive(Default)]
struct Marks {
    relayed: Vec<(JobId, QueueName)>,
    /// Id, outcome, error.
    ended: Vec<(String, State, Option<String>)>,
    gave_way: GaveWay,
}

impl Relay {
    pub(crate) fn with_identity(
        config: RelayConfig,
        pool: PgPool,
        connection: Connection,
        catalogue: Catalogue,
        identity: Arc<RedisIdentity>,
    ) -> Self {
        Self { config, pool, connection, catalogue, identity }
    }

    pub fn new(config: RelayConfig, pool: PgPool, connection: Connection, catalogue: Catalogue) -> Self {
        let identity = Arc::new(RedisIdentity::new(connection.clone()));
        Self::with_identity(config, pool, connection, catalogue, identity)
    }

    /// Relays until stopped, as soon as `wake` says so and at every sweep. A pass that has begun is finished.
    pub async fn run(self, wake: Arc<Notify>, stop: CancellationToken) {
        let mut pace = Pace::new("relaying the outbox", stop);
        loop {
            let pass = self.run_once().await;
            if pass.is_err() {
                self.identity.forget();
            }
            // A pass that found rows may have left some.
            let rest = pass.map(|report| if report.is_empty() { self.config.sweep } else { Duration::ZERO });
            if !pace.rest_until(rest, wake.notified()).await {
                return;
            }
        }
    }

    /// Relays the oldest rows, 500 at most.
    ///
    /// # Errors
    /// When PostgreSQL or Redis fails: the rows stay unrelayed, even if Redis has some of them.
    pub async fn run_once(&self) -> anyhow::Result<RelayReport> {
        let mut tx = transaction::begin(&self.pool).await.context("cannot reach PostgreSQL")?;
        let (rows, mut marks) = self.take(&mut tx).await?;
        if rows.is_empty() && marks.ended.is_empty() {
            return Ok(RelayReport::default());
        }
        // Before the enqueue: see RedisIdentity.
        let redis = self.identity.current().await?;
        for (queue, rows) in rows {
            self.enqueue(queue, rows, &mut marks).await?;
        }
        let report = write(&mut tx, &marks, &redis).await.context("cannot mark rows of the outbox as relayed")?;
        tx.commit().await.context("cannot mark rows of the outbox as relayed")?;
        for (id, reason) in &report.refused {
            tracing::warn!(job.id = id, error = reason, "job {id} of the outbox was refused and is dead: {reason}");
        }
        let RelayReport { relayed, ended_before, duplicates, .. } = report;
        tracing::debug!(relayed, ended_before, duplicates, "outbox relayed");
        Ok(report)
    }

    /// Locks the oldest rows and sorts them by queue.
    async fn take(&self, tx: &mut PgTransaction<'_>) -> anyhow::Result<(BTreeMap<QueueName, Vec<Row>>, Marks)> {
        let taken = sqlx::query_file!("sql/take_unrelayed.sql", ROWS_MAX, BYTES_MAX, PAYLOAD_BYTES_MAX as i32)
            .fetch_all(&mut **tx)
            .await
            .context("cannot read the outbox")?;
        let mut rows: BTreeMap<QueueName, Vec<Row>> = BTreeMap::new();
        let mut marks = Marks::default();
        for row in taken {
            let queue = row.queue.as_deref().map_or_else(|| Ok(self.catalogue.queue_of(&row.job)), QueueName::parse);
            let payload = row.body.ok_or_else(|| Error::PayloadTooLarge {
                job: row.job.clone(),
                bytes: usize::try_from(row.body_bytes).unwrap_or(usize::MAX),
                max: PAYLOAD_BYTES_MAX,
            });
            let unique = match row.unique_scope.as_deref() {
                None => Ok(None),
                scope => {
                    let period = row.unique_period_ms.map(|ms| Duration::from_millis(ms.cast_unsigned()));
                    Unique::from_words(row.unique_key, scope, period, row.unique_conflict.as_deref()).map(Some)
                }
            };
            match (JobId::parse(&row.id), queue, payload, unique) {
                (Ok(id), Ok(queue), Ok(payload), Ok(unique)) => {
                    let priority = row.priority.and_then(|priority| u8::try_from(priority).ok());
                    let options = EnqueueOptions {
                        id: Some(id.clone()),
                        priority: Some(priority.unwrap_or_else(|| self.catalogue.priority_of(&row.job))),
                        at: row.run_at_ms.map(i64::cast_unsigned),
                        expires_at: row.expires_at_ms.map(i64::cast_unsigned),
                        key: row.key,
                        units: row.units.map(i32::cast_unsigned),
                        unique,
                        origin: Origin::Outbox,
                        request_id: row.request_id,
                        ..EnqueueOptions::default()
                    };
                    rows.entry(queue).or_default().push(Row { id, job: row.job, payload, options });
                }
                (Err(fault), ..) | (_, Err(fault), ..) | (_, _, Err(fault), _) | (.., Err(fault)) => marks.refuse(row.id, &fault),
            }
        }
        Ok((rows, marks))
    }

    /// Gives the rows of one queue to Redis. Refused as a whole for the fault of one, they go one by one.
    async fn enqueue(&self, queue: QueueName, rows: Vec<Row>, marks: &mut Marks) -> anyhow::Result<()> {
        // A new handle each pass: it announces the queue to Redis again, which may have been emptied since.
        let client = Client::new(self.connection.clone());
        match client.enqueue_many(&queue, rows.iter().map(Row::to_job).collect(), &Policy::default()).await {
            Ok(answers) => return self.mark(&rows, answers, marks).await,
            Err(error @ Error::Redis(_)) => return Err(error).context("cannot enqueue in Redis"),
            Err(_) => {}
        }
        for row in rows {
            match client.enqueue_many(&queue, vec![row.to_job()], &Policy::default()).await {
                Ok(answers) => self.mark(std::slice::from_ref(&row), answers, marks).await?,
                Err(error @ Error::Redis(_)) => return Err(error).context("cannot enqueue in Redis"),
                Err(fault) => marks.refuse(row.id.to_string(), &fault),
            }
        }
        Ok(())
    }

    async fn mark(&self, rows: &[Row], answers: Vec<Enqueued>, marks: &mut Marks) -> anyhow::Result<()> {
        for (row, answer) in rows.iter().zip(answers) {
            if answer.id != row.id {
                marks.gave_way.add(row.id.clone(), answer);
                continue;
            }
            // Usually the row of a relay that was killed before its commit. But that id may also have ended in Redis before this row
            // was written; then no worker will ever confirm the row.
            let ended = if answer.duplicate { self.outcome_of(&answer.queue, &answer.id).await? } else { None };
            match ended {
                Some(outcome) => marks.ended.push((answer.id.to_string(), outcome.state, outcome.reason)),
                None => marks.relayed.push((answer.id, answer.queue)),
            }
        }
        Ok(())
    }

    /// How a job that Redis knows has ended; `None` while it lives.
    async fn outcome_of(&self, queue: &QueueName, id: &JobId) -> anyhow::Result<Option<Outcome>> {
        match Inspector::new(self.connection.clone()).job(queue, id).await {
            Ok(view) => Ok(view.outcome),
            // Only the ids of finished jobs are remembered beyond their records.
            Err(Error::NoSuchJob { .. }) => Ok(Some(Outcome::new(State::Finished, 0))),
            Err(error) => Err(error).context("cannot look up a job in Redis"),
        }
    }
}

impl Row {
    fn to_job(&self) -> (String, Vec<u8>, EnqueueOptions) {
        (self.job.clone(), self.payload.clone().into_bytes(), self.options.clone())
    }
}

impl Marks {
    fn refuse(&mut self, id: String, fault: &Error) {
        self.ended.push((id, State::Dead, Some(fault.to_string())));
    }
}

async fn write(tx: &mut PgTransaction<'_>, marks: &Marks, redis: &str) -> sqlx::Result<RelayReport> {
    let (ids, queues): (Vec<String>, Vec<String>) = marks.relayed.iter().map(|(id, queue)| (id.to_string(), queue.to_string())).unzip();
    if !ids.is_empty() {
        // The queue is written down because it is where the job will be looked for; policies may change meanwhile.
        sqlx::query!(
            "update celeriac.outbox o set relayed_at = clock_timestamp(), relayed_to = $3, queue = sent.queue
             from unnest($1::text[], $2::text[]) as sent (id, queue) where o.id = sent.id",
            &ids,
            &queues,
            redis
        )
        .execute(&mut **tx)
        .await?;
    }
    if !marks.ended.is_empty() {
        let ids: Vec<String> = marks.ended.iter().map(|(id, ..)| id.clone()).collect();
        let outcomes: Vec<String> = marks.ended.iter().map(|(_, state, _)| state.to_string()).collect();
        let errors: Vec<Option<String>> = marks.ended.iter().map(|(.., error)| error.clone()).collect();
        sqlx::query!("select celeriac.confirm($1, $2, $3)", &ids, &outcomes, &errors as &[Option<String>]).execute(&mut **tx).await?;
    }
    marks.gave_way.write(tx).await?;
    let refused = marks.ended.iter().filter(|(_, state, _)| *state == State::Dead);
    let refused: Vec<_> = refused.map(|(id, _, reason)| (id.clone(), reason.clone().unwrap_or_default())).collect();
    Ok(RelayReport { relayed: ids.len(), ended_before: marks.ended.len() - refused.len(), duplicates: marks.gave_way.len(), refused })
}
