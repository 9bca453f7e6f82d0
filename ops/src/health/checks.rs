//! The checks themselves. Each asks one thing of one store.

use std::collections::BTreeMap;
use std::time::Duration;

use chrono::{DateTime, Utc};
use futures::FutureExt;
use futures::future::BoxFuture;
use serde_json::{Value, json};

use super::report::{Check, Level, Report};
use crate::human::{plural, span};
use crate::stores::Stores;
use crate::views::{backups, budget, documents, mails, openai_batches, outbox, queues, schedules, workers};

/// Longest time of one check.
const PATIENCE: Duration = Duration::from_secs(2);
/// Fewer documents than this say nothing about a rate.
const RATE_NEEDS: u64 = 20;
/// A newest backup older than this is worth a look: the nightly one did not come.
const BACKUP_AGE_MAX: chrono::Duration = chrono::Duration::hours(26);
/// The provider answers a batch, or gives it up, within a day; what is not done with by then is not coming.
const BATCH_SECONDS_MAX: f64 = 26.0 * 3_600.0;
/// A question that waits longer to be put into a batch has nobody who does it, or nothing that pays for it.
const BATCH_WAIT_SECONDS_MAX: f64 = 15.0 * 60.0;
/// An end of a job that waits longer for its batch or chain to hear of it has no mover.
const TRANSFER_SECONDS_MAX: f64 = 60.0;
/// A row that waits for the relay longer than this has no relay.
const RELAY_SECONDS_MAX: f64 = 30.0;

pub(super) async fn collect(stores: &Stores) -> Report {
    let now = Utc::now();
    let (database, redis, workers, documents, deleted, mail, failures, schedules, backups, queues, model, openai_batches) = tokio::join!(
        timed("database", Level::Unhealthy, database(stores).boxed()),
        timed("redis", Level::Unhealthy, redis(stores).boxed()),
        timed("workers", Level::Degraded, count_workers(stores).boxed()),
        timed("document_processing", Level::Degraded, document_processing(stores, now).boxed()),
        timed("deleted_documents", Level::Degraded, deleted_documents(stores).boxed()),
        timed("mail", Level::Degraded, mail(stores, now).boxed()),
        timed("failures", Level::Degraded, failures(stores, now).boxed()),
        timed("schedules", Level::Degraded, check_schedules(stores, now).boxed()),
        timed("backups", Level::Degraded, check_backups(stores, now).boxed()),
        timed("queues", Level::Degraded, paused_queues(stores).boxed()),
        timed("model", Level::Degraded, model(stores).boxed()),
        timed("openai_batches", Level::Degraded, check_openai_batches(stores).boxed()),
    );
    let checks = [
        ("database", database),
        ("redis", redis),
        ("workers", workers),
        ("document_processing", documents),
        ("deleted_documents", deleted),
        ("mail", mail),
        ("failures", failures),
        ("schedules", schedules),
        ("backups", backups),
        ("queues", queues),
        ("model", model),
        ("openai_batches", openai_batches),
    ];
    Report::new(now, checks)
}

/// A check that fails or hangs counts at `level`; why it failed is logged, since health is open to everybody who reaches the port.
async fn timed(name: &'static str, level: Level, check: BoxFuture<'_, anyhow::Result<Check>>) -> Check {
    match tokio::time::timeout(PATIENCE, check).await {
        Ok(Ok(check)) => check,
        Ok(Err(error)) => {
            tracing::warn!(check = name, error = format!("{error:#}"), "a health check failed");
            Check::failed(level, "its store does not answer")
        }
        Err(_) => Check::failed(level, format!("its store has not answered within {} s", PATIENCE.as_secs())),
    }
}

async fn database(stores: &Stores) -> anyhow::Result<Check> {
    let pool = stores.postgres().await?;
    let migrations = celeriac_migrations::status(&pool).await?;
    let missing = migrations.iter().filter(|migration| migration.applied_at.is_none()).count() as u64;
    let outbox = match missing {
        0 => json!(outbox::backlog(&pool).await?),
        _ => Value::Null,
    };
    let waits = outbox["oldest_unrelayed_seconds"].as_f64().unwrap_or(0.0);
    let complaint = match missing {
        0 if waits > RELAY_SECONDS_MAX => {
            Some((Level::Degraded, format!("the outbox has not been relayed for {}: is a scheduler running?", span(waits as u64))))
        }
        0 => None,
        _ => {
            Some((Level::Unhealthy, format!("the schema lacks {}: run `celeriac migrate up`", plural(missing, "migration", "migrations"))))
        }
    };
    Ok(Check::unless(complaint, json!({ "migrations_missing": missing, "outbox": outbox })))
}

async fn redis(stores: &Stores) -> anyhow::Result<Check> {
    let infos = stores.redis().await?.infos().await?;
    // The servers of a cluster fill up, load and fail over one by one: the worst of them tells how it stands.
    let complaint = infos.iter().filter_map(complaint_of_server).max_by_key(|(level, _)| *level == Level::Unhealthy);
    let memory = infos.iter().map(|info| (number(info, "used_memory"), number(info, "maxmemory")));
    let (used, limit) = memory.max_by_key(|(used, limit)| (used * 1_000).checked_div(*limit).unwrap_or(0)).unwrap_or_default();
    let first = |name: &str| infos.first().and_then(|info| info.get(name));
    let facts = json!({
        "version": first("redis_version"), "servers": infos.len(), "role": first("role"),
        "loading": infos.iter().any(|info| number(info, "loading") == 1), "used_memory_bytes": used, "maxmemory_bytes": limit,
    });
    Ok(Check::unless(complaint, facts))
}

fn number(info: &BTreeMap<String, String>, name: &str) -> u64 {
    info.get(name).and_then(|text| text.parse().ok()).unwrap_or(0)
}

fn complaint_of_server(info: &BTreeMap<String, String>) -> Option<(Level, String)> {
    let (used, limit) = (number(info, "used_memory"), number(info, "maxmemory"));
    if number(info, "loading") == 1 {
        let left = span(number(info, "loading_eta_seconds"));
        Some((Level::Unhealthy, format!("Redis is loading its data from disk and answers nobody; it reckons with another {left}")))
    } else if info.get("role").is_some_and(|role| role == "slave") {
        let sentence = "the Redis at REDIS_URL is a read-only replica: no job can be enqueued, claimed or settled until the address leads to \
                        the master";
        Some((Level::Unhealthy, sentence.to_owned()))
    } else if limit > 0 && used >= limit {
        let sentence = "Redis has used all of its maxmemory: no job can be enqueued or claimed; what runs keeps its lease and can end";
        Some((Level::Unhealthy, sentence.to_owned()))
    } else {
        (limit > 0 && used * 10 > limit * 9).then(|| {
            let sentence = "Redis has used more than 90 % of its maxmemory; at the limit no job can be enqueued or claimed";
            (Level::Degraded, sentence.to_owned())
        })
    }
}

async fn count_workers(stores: &Stores) -> anyhow::Result<Check> {
    let rows = workers::all(&stores.workers().await?).await?;
    let queues = queues::all(&stores.inspector().await?, None).await?;
    let waiting: u64 = queues.iter().map(|queue| queue.ready).sum();
    let active: usize = rows.iter().map(|row| row.in_flight).sum();
    let slots: usize = rows.iter().map(|row| row.concurrency).sum();
    let trouble = rows.iter().find_map(|row| row.trouble.as_ref().map(|trouble| format!("{}: {trouble}", row.worker)));
    let complaint = match (rows.iter().any(|row| !row.stopping), waiting, trouble) {
        (false, 0, _) => Some((Level::Degraded, "no worker is alive".to_owned())),
        (false, ..) => Some((Level::Unhealthy, format!("no worker is alive, and {} for one", plural(waiting, "job waits", "jobs wait")))),
        (true, _, trouble) => trouble.map(|trouble| (Level::Degraded, trouble)),
    };
    Ok(Check::unless(complaint, json!({ "count": rows.len(), "active": active, "slots": slots, "queue_length": waiting })))
}

async fn document_processing(stores: &Stores, now: DateTime<Utc>) -> anyhow::Result<Check> {
    let counts = documents::by_status(&stores.postgres().await?, now - chrono::Duration::hours(24)).await?;
    let (completed, failed) = (counts["completed"], counts["failed"]);
    let ended = completed + failed;
    let rate = (ended > 0).then(|| completed as f64 / ended as f64);
    let complaint = rate
        .filter(|rate| ended >= RATE_NEEDS && *rate < 0.99)
        .map(|rate| (Level::Degraded, format!("{:.1} % of the documents of the last 24 h failed", (1.0 - rate) * 100.0)));
    Ok(Check::unless(
        complaint,
        json!({
            "completed_24h": completed,
            "failed_24h": failed,
            "success_rate_24h": rate.map(|rate| (rate * 10_000.0).round() / 10_000.0),
            "in_progress": counts["uploading"] + counts["processing"] + counts["analyzing"],
        }),
    ))
}

async fn deleted_documents(stores: &Stores) -> anyhow::Result<Check> {
    let deleted = documents::deleted(&stores.postgres().await?, documents::purge_due_after(stores.settings())).await?;
    let complaint = (deleted.overdue > 0).then(|| {
        let are_late =
            plural(deleted.overdue, "deleted document should be gone and is not", "deleted documents should be gone and are not");
        (Level::Degraded, format!("{are_late}: see the runs of purge_documents"))
    });
    Ok(Check::unless(complaint, json!({ "waiting": deleted.waiting, "overdue": deleted.overdue })))
}

async fn mail(stores: &Stores, now: DateTime<Utc>) -> anyhow::Result<Check> {
    let day = mails::since(&stores.postgres().await?, now - chrono::Duration::hours(24)).await?;
    Ok(Check::healthy(json!({ "sent_24h": day.sent, "refused_24h": day.refused, "postponed": day.postponed, "unknown_24h": day.unknown })))
}

async fn failures(stores: &Stores, now: DateTime<Utc>) -> anyhow::Result<Check> {
    let inspector = stores.inspector().await?;
    let since = (now - chrono::Duration::hours(24)).timestamp_millis().unsigned_abs();
    let mut dead_24h = 0;
    let mut dead = 0;
    for queue in inspector.queues().await? {
        dead += queue.dead;
        dead_24h += inspector.dead_since(&queue.name, since).await?;
    }
    Ok(Check::healthy(json!({ "dead_24h": dead_24h, "dead": dead })))
}

async fn check_schedules(stores: &Stores, now: DateTime<Utc>) -> anyhow::Result<Check> {
    let rows = schedules::all(&stores.postgres().await?).await?;
    let overdue: Vec<&str> = rows.iter().filter(|row| row.overdue_seconds.is_some()).map(|row| row.name.as_str()).collect();
    let failed: Vec<&str> = rows.iter().filter(|row| row.last_outcome.as_deref() == Some("dead")).map(|row| row.name.as_str()).collect();
    let complaint = match (overdue.as_slice(), failed.as_slice()) {
        ([], []) => None,
        ([], failed) => Some((Level::Degraded, format!("the last run failed of: {}", failed.join(", ")))),
        (overdue, _) => Some((Level::Degraded, format!("overdue: {}; is a scheduler running?", overdue.join(", ")))),
    };
    let runs: serde_json::Map<String, Value> = rows
        .iter()
        .map(|row| {
            let age = row.last_instant.map(|at| (now - at).num_seconds());
            (row.name.clone(), json!({ "enabled": row.enabled, "last_run": row.last_instant, "last_run_age_seconds": age, "last_outcome": row.last_outcome, "next": row.next_at }))
        })
        .collect();
    Ok(Check::unless(complaint, json!({ "overdue": overdue, "failed": failed, "runs": runs })))
}

async fn check_backups(stores: &Stores, now: DateTime<Utc>) -> anyhow::Result<Check> {
    let pool = stores.postgres().await?;
    let newest = backups::newest(&pool).await?;
    let expected = schedules::all(&pool).await?.iter().any(|row| row.enabled && row.job == "backup_database");
    let too_old = newest.stored_at.is_none_or(|at| now - at > BACKUP_AGE_MAX);
    let complaint = match (&newest.failed_since, too_old && expected) {
        (Some(error), _) => Some((Level::Degraded, format!("the newest backup is not good: {error}"))),
        (None, true) => Some((
            Level::Degraded,
            newest.stored_at.map_or_else(
                || "there is no backup yet".to_owned(),
                |at| format!("the newest backup is {} old", span((now - at).num_seconds().unsigned_abs())),
            ),
        )),
        (None, false) => None,
    };
    let age = |at: Option<DateTime<Utc>>| at.map(|at| (now - at).num_seconds());
    Ok(Check::unless(
        complaint,
        json!({
            "newest": newest.stored_at,
            "age_seconds": age(newest.stored_at),
            "newest_verified": newest.proved_at,
            "verified_age_seconds": age(newest.proved_at),
        }),
    ))
}

async fn check_openai_batches(stores: &Stores) -> anyhow::Result<Check> {
    let under_way = openai_batches::under_way(&stores.postgres().await?).await?;
    let complaint = if under_way.oldest_batch_seconds > BATCH_SECONDS_MAX {
        let age = span(under_way.oldest_batch_seconds as u64);
        let trouble = under_way.trouble.as_ref().map_or_else(String::new, |trouble| format!(" ({trouble})"));
        Some(format!("a batch of questions to OpenAI is {age} old and not done with{trouble}: see `celeriac openai-batches`"))
    } else if under_way.oldest_waiting_seconds > BATCH_WAIT_SECONDS_MAX {
        let age = span(under_way.oldest_waiting_seconds as u64);
        Some(format!(
            "a question has waited {age} for a batch: does the schedule run_openai_batches fire, a worker serve its queue, and a budget pay for it (`celeriac budget`)?"
        ))
    } else {
        None
    };
    Ok(Check::unless(complaint.map(|words| (Level::Degraded, words)), json!(under_way)))
}

async fn paused_queues(stores: &Stores) -> anyhow::Result<Check> {
    let rows = queues::all(&stores.inspector().await?, None).await?;
    let paused: Vec<Value> = rows
        .iter()
        .filter_map(|row| {
            row.paused.as_ref().map(|pause| json!({ "queue": row.queue, "reason": pause.reason, "by": pause.by, "at": pause.at }))
        })
        .collect();
    let first = rows.iter().find_map(|row| row.paused.as_ref().map(|pause| format!("{} is paused: {}", row.queue, pause.reason)));
    let stuck = rows.iter().find_map(|row| {
        let seconds = row.oldest_transfer_seconds.filter(|seconds| *seconds > TRANSFER_SECONDS_MAX)?;
        Some(format!(
            "in {} {} waited for {} to be passed on to a batch or a chain: does a worker serve that queue?",
            row.queue,
            plural(row.transfers, "end of a job has", "ends of jobs have"),
            span(seconds as u64)
        ))
    });
    let transfers: u64 = rows.iter().map(|row| row.transfers).sum();
    let complaint = first.or(stuck).map(|words| (Level::Degraded, words));
    Ok(Check::unless(complaint, json!({ "paused": paused, "transfers": transfers, "total": rows.len() })))
}

/// The limits of the model, and whether they let work through.
async fn model(stores: &Stores) -> anyhow::Result<Check> {
    let view = budget::read(stores).await?;
    Ok(Check::unless(view.complaint().map(|words| (Level::Degraded, words)), json!(view)))
}
