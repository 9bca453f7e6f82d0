//! Reads what the page shows, each store for itself: when one is away, the other's half is still shown.

use std::time::Duration;

use celeriac_queue::State;
use chrono::{DateTime, Utc};

use super::model::{Truth, Work};
use super::provider::Provider;
use crate::stores::Stores;
use crate::views::documents::Which;
use crate::views::{backups, budget, costs, dead, documents, jobs, keys, openai_batches, outbox, queues, schedules, workers};

/// Longest wait for one store.
const PATIENCE: Duration = Duration::from_secs(2);
const RUNNING_SHOWN: usize = 25;
const FAILURES_SHOWN: usize = 5;
const CAUSES_SHOWN: usize = 8;
/// Of each queue only the newest are sorted by cause: the page is read every two seconds.
const CAUSES_READ: usize = 1_000;
/// Of one queue, and of all together.
const KEYS_OF_QUEUE_SHOWN: usize = 8;
const KEYS_SHOWN: usize = 24;
const BACKUPS_SHOWN: i64 = 5;
const DOCUMENTS_SHOWN: i64 = 10;

pub(super) async fn work(stores: &Stores, now: DateTime<Utc>) -> Option<Work> {
    let reading = async {
        let inspector = stores.inspector().await?;
        let workers = stores.workers().await?;
        let (queues, workers, running, failures, mut causes) = tokio::try_join!(
            async { anyhow::Ok(queues::all(&inspector, None).await?) },
            async { anyhow::Ok(workers::all(&workers).await?) },
            async { anyhow::Ok(jobs::in_state(&inspector, State::Running, None, RUNNING_SHOWN).await?) },
            async { anyhow::Ok(jobs::recently_dead(&inspector, FAILURES_SHOWN).await?) },
            async { anyhow::Ok(dead::groups(&inspector, None, CAUSES_READ).await?) },
        )?;
        causes.truncate(CAUSES_SHOWN);
        let mut keys = Vec::new();
        for queue in queues.iter().filter(|row| row.ready + row.running > 0) {
            if keys.len() < KEYS_SHOWN {
                let rows = keys::all(&inspector, &queue.queue, KEYS_OF_QUEUE_SHOWN.min(KEYS_SHOWN - keys.len())).await?;
                keys.extend(rows.into_iter().map(|row| (queue.queue.clone(), row)));
            }
        }
        anyhow::Ok(Work::new(&queues, &keys, &workers, &running, &failures, &causes, now))
    };
    patiently("Redis", reading).await
}

pub(super) async fn truth(stores: &Stores, now: DateTime<Utc>) -> Option<Truth> {
    let reading = async {
        let pool = stores.postgres().await?;
        let schedules = schedules::all(&pool).await?;
        let since = documents::today(now);
        let documents_by_status = documents::by_status(&pool, since).await?;
        let latest = Which { status: None, user_id: None, since, limit: DOCUMENTS_SHOWN };
        let latest = documents::list(&pool, &latest).await?;
        let costs = costs::by(&pool, since, costs::By::Day).await?;
        let backups = backups::list(&pool, BACKUPS_SHOWN).await?;
        let backlog = outbox::backlog(&pool).await?;
        anyhow::Ok(Truth::new(&schedules, &documents_by_status, &latest, &costs, &backups, &backlog, now))
    };
    patiently("PostgreSQL", reading).await
}

pub(super) async fn provider(stores: &Stores) -> Option<Provider> {
    let reading = async {
        let budget = budget::read(stores).await?;
        let batches = openai_batches::under_way(&stores.postgres().await?).await?;
        anyhow::Ok(Provider::new(&budget, &batches))
    };
    patiently("Redis or PostgreSQL", reading).await
}

async fn patiently<T>(store: &'static str, reading: impl Future<Output = anyhow::Result<T>>) -> Option<T> {
    match tokio::time::timeout(PATIENCE, reading).await {
        Ok(Ok(read)) => Some(read),
        Ok(Err(error)) => {
            tracing::warn!(store, error = format!("{error:#}"), "the console cannot read a store");
            None
        }
        Err(_) => {
            tracing::warn!(store, "a store has not answered in time for the console");
            None
        }
    }
}
