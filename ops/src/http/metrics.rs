//! `/metrics` for Prometheus: read from the stores at each scrape, so that every replica of this process tells the same.
//!
//! The names stand in [`describe`]. A store that is away leaves its metrics out and sets `celeriac_store_up` to 0.

use std::time::Duration;

use axum::extract::State;
use axum::http::header;
use axum::response::IntoResponse;
use celeriac_process::in_words;
use celeriac_queue::{Inspector, Limits, QueueMemory, QueueName, Rate, StoreMemory};
use chrono::{DateTime, Utc};
use metrics::{Unit, counter, describe_counter, describe_gauge, describe_histogram, gauge, histogram};
use metrics_exporter_prometheus::{Matcher, PrometheusBuilder};

use super::Shared;
use crate::stores::Stores;
use crate::views::backups::Newest;
use crate::views::budget::BudgetView;
use crate::views::costs::CostRow;
use crate::views::documents::{Deleted, today};
use crate::views::mails::MailCounts;
use crate::views::openai_batches::UnderWay;
use crate::views::outbox::Backlog;
use crate::views::queues::QueueRow;
use crate::views::schedules::ScheduleRow;
use crate::views::stages::{PageCount, StageBucket};
use crate::views::workers::WorkerRow;
use crate::views::{backups, budget, costs, documents, mails, openai_batches, outbox, queues, schedules, stages, workers};

/// Longest wait for one store.
const PATIENCE: Duration = Duration::from_secs(3);

pub(super) async fn scrape(State(shared): State<Shared>) -> impl IntoResponse {
    let now = Utc::now();
    let stores = &shared.stores;
    let (work, truth, model) = tokio::join!(patiently(work(stores)), patiently(truth(stores, now)), patiently(budget::read(stores)));
    // A recorder of this scrape alone: a queue or a worker that is gone leaves nothing behind.
    let buckets = PrometheusBuilder::new().set_buckets_for_metric(Matcher::Full(STAGE_SECONDS.to_owned()), &stages::BUCKETS);
    let recorder = buckets.expect("there are buckets").build_recorder();
    metrics::with_local_recorder(&recorder, || {
        describe();
        gauge!("celeriac_store_up", "store" => "redis").set(f64::from(u8::from(work.is_some())));
        gauge!("celeriac_store_up", "store" => "postgres").set(f64::from(u8::from(truth.is_some())));
        if let Some(work) = &work {
            work.queues.iter().for_each(record_queue);
            work.memory.iter().for_each(record_memory);
            record_workers(&work.workers);
        }
        if let Some(truth) = &truth {
            record_truth(truth, now);
        }
        if let Some(model) = &model {
            record_model(model);
        }
    });
    ([(header::CONTENT_TYPE, "text/plain; version=0.0.4; charset=utf-8")], recorder.handle().render())
}

const STAGE_SECONDS: &str = "celeriac_document_stage_seconds";

/// Moves that are told as 0 before they happen first: of a counter that appears with its first failure no increase can be computed.
const MOVES: [&str; 10] =
    ["enqueued", "finished", "retried", "snoozed", "dead", "cancelled", "expired", "recovered", "requeued", "deleted"];

/// From Redis.
struct Work {
    queues: Vec<QueueRow>,
    /// Absent where Redis does not let this user ask.
    memory: Option<Memory>,
    workers: Vec<WorkerRow>,
}

struct Memory {
    queues: Vec<(QueueName, QueueMemory)>,
    redis: StoreMemory,
}

/// From PostgreSQL.
struct Truth {
    documents: std::collections::BTreeMap<&'static str, u64>,
    deleted: Deleted,
    mails: MailCounts,
    costs: Vec<CostRow>,
    stages: Vec<StageBucket>,
    pages: Vec<PageCount>,
    outbox: Backlog,
    schedules: Vec<ScheduleRow>,
    backups: Newest,
    batches: UnderWay,
}

async fn patiently<T>(reading: impl Future<Output = anyhow::Result<T>>) -> Option<T> {
    match tokio::time::timeout(PATIENCE, reading).await {
        Ok(Ok(read)) => Some(read),
        Ok(Err(error)) => {
            tracing::warn!(error = in_words(&error), "a store could not be read for metrics");
            None
        }
        Err(_) => {
            tracing::warn!("a store has not answered in time for metrics");
            None
        }
    }
}

async fn work(stores: &Stores) -> anyhow::Result<Work> {
    let inspector = stores.inspector().await?;
    let queues = queues::all(&inspector, None).await?;
    let memory = match memory(&inspector, &queues).await {
        Ok(memory) => Some(memory),
        Err(error) => {
            tracing::warn!(error = %error, "the memory of queues could not be read for metrics");
            None
        }
    };
    Ok(Work { queues, memory, workers: workers::all(&stores.workers().await?).await? })
}

/// A few round trips a queue, however large it is.
async fn memory(inspector: &Inspector, queues: &[QueueRow]) -> Result<Memory, celeriac_queue::Error> {
    let mut rows = Vec::new();
    for row in queues {
        rows.push((row.queue.clone(), inspector.memory(&row.queue).await?));
    }
    Ok(Memory { queues: rows, redis: inspector.store_memory().await? })
}

async fn truth(stores: &Stores, now: DateTime<Utc>) -> anyhow::Result<Truth> {
    let pool = stores.postgres().await?;
    Ok(Truth {
        documents: documents::by_status(&pool, today(now)).await?,
        deleted: documents::deleted(&pool, documents::purge_due_after(stores.settings())).await?,
        mails: mails::since(&pool, today(now)).await?,
        costs: costs::by(&pool, today(now), costs::By::Day).await?,
        stages: stages::buckets(&pool, today(now)).await?,
        pages: stages::pages(&pool, today(now)).await?,
        outbox: outbox::backlog(&pool).await?,
        schedules: schedules::all(&pool).await?,
        backups: backups::newest(&pool).await?,
        batches: openai_batches::under_way(&pool).await?,
    })
}

/// Every metric, its unit and its meaning.
fn describe() {
    describe_gauge!("celeriac_store_up", "1 when the store answered this scrape");
    describe_gauge!("celeriac_queue_jobs", "Jobs in a queue by state");
    describe_counter!("celeriac_queue_moves_total", "Moves of jobs since the queue began (enqueued, finished, retried, dead, …)");
    describe_gauge!("celeriac_queue_notices", "Ends that no handler made and a worker has still to tell (on_terminal)");
    describe_gauge!("celeriac_queue_memory_bytes", Unit::Bytes, "What a queue takes of Redis' memory; of a large queue an estimate");
    describe_gauge!("celeriac_redis_used_memory_bytes", Unit::Bytes, "What Redis uses in all");
    describe_gauge!("celeriac_redis_maxmemory_bytes", Unit::Bytes, "Redis' limit (maxmemory); absent when it has none");
    describe_gauge!("celeriac_queue_oldest_ready_seconds", Unit::Seconds, "Age of the ready job that is next; 0 when nothing is ready");
    describe_gauge!("celeriac_queue_paused", "1 when the queue hands out no work");
    describe_gauge!("celeriac_queue_open_batches", "Batches at home in the queue that have not ended");
    describe_gauge!("celeriac_queue_transfers", "Ends of jobs of which a batch or the next link of a chain is still to hear");
    describe_gauge!("celeriac_queue_oldest_transfer_seconds", Unit::Seconds, "Age of the oldest of them; 0 when there is none");
    describe_gauge!("celeriac_queue_held_back", "1 when a limit of the queue as a whole keeps ready jobs waiting");
    describe_gauge!("celeriac_queue_keys_held_back", "Keys of a queue with jobs ready that are at a limit of theirs");
    describe_gauge!("celeriac_queue_suspects", "Ready jobs that are to be run alone, as their worker died while it ran them");
    describe_gauge!("celeriac_queue_limit_concurrency", "Jobs of a queue that may run at once; absent without that limit");
    describe_gauge!("celeriac_queue_limit_units_per_second", "Units of a queue that may begin in a second; absent without that limit");
    describe_gauge!("celeriac_queue_limit_key_concurrency", "Jobs of one key that may run at once; absent without that limit");
    describe_gauge!("celeriac_queue_limit_key_units_per_second", "Units of one key that may begin in a second; absent without that limit");
    describe_gauge!("celeriac_workers", "Workers alive");
    describe_gauge!("celeriac_workers_in_trouble", "Workers alive that report a trouble");
    describe_gauge!("celeriac_worker_slots", "Jobs that all workers together can run at once");
    describe_gauge!("celeriac_worker_in_flight", "Jobs that all workers together run now");
    describe_gauge!("celeriac_documents", "Documents by status: in motion now, ended since midnight UTC");
    describe_gauge!("celeriac_documents_deleted", "Deleted documents whose rows are still there; overdue: purge_documents should have run");
    describe_histogram!(
        STAGE_SECONDS,
        Unit::Seconds,
        "Time that documents completed since midnight UTC spent, by job and stage of the completing run; begins anew at midnight"
    );
    describe_counter!(
        "celeriac_document_pages_total",
        "Pages of documents completed since midnight UTC, by job and who read them; begins anew then"
    );
    describe_gauge!("celeriac_mails_today", "Mails since midnight UTC by what became of them");
    describe_gauge!("celeriac_paid_calls_today", "Paid calls since midnight UTC by model and outcome");
    describe_gauge!("celeriac_paid_tokens_today", "Tokens of paid calls since midnight UTC by model and direction");
    describe_gauge!("celeriac_paid_cost_usd_today", "US dollars spent since midnight UTC by model");
    describe_gauge!("celeriac_model_in_flight", "Requests to the model on the way, of all workers");
    describe_gauge!("celeriac_model_waiting", "Questions that wait for their turn under the model's limits");
    describe_gauge!("celeriac_model_requests_this_minute", "Requests to the model in the current minute of the clock");
    describe_gauge!("celeriac_model_provider_pause_seconds", Unit::Seconds, "Left of a pause that the provider asked for with a 429");
    describe_gauge!("celeriac_model_limit_rpm", "Requests a minute: the narrower of set and learned; absent without either");
    describe_gauge!("celeriac_model_limit_tpm", "Tokens a minute: the narrower of set and learned; absent without either");
    describe_gauge!("celeriac_model_budget_usd", "What may be spent in a period; absent without that budget");
    describe_gauge!("celeriac_model_spent_usd", "US dollars spent in the period so far, all models");
    describe_gauge!("celeriac_model_kept_back_usd", "US dollars that budgets keep back for what is on the way: requests, batches");
    describe_gauge!("celeriac_openai_batches", "Batches of questions to OpenAI of which something is still to be done");
    describe_gauge!("celeriac_openai_oldest_batch_seconds", Unit::Seconds, "Age of the oldest of them; 0 when there is none");
    describe_gauge!("celeriac_openai_batched_questions", "Questions by state: waiting (for a batch), sent (in one that has not ended)");
    describe_gauge!("celeriac_outbox_rows", "Outbox rows by stage: unrelayed (not yet in Redis), unconfirmed (in Redis, not ended)");
    describe_gauge!(
        "celeriac_outbox_oldest_unrelayed_seconds",
        Unit::Seconds,
        "Age of the oldest row not yet in Redis; 0 when there is none"
    );
    describe_gauge!("celeriac_outbox_duplicates", "Outbox rows of the last 24 hours that gave way to a job with their unique key");
    describe_gauge!("celeriac_schedule_enabled", "1 when the schedule fires");
    describe_gauge!(
        "celeriac_schedule_overdue_seconds",
        Unit::Seconds,
        "How long the schedule's next occurrence is overdue; 0 when it is not"
    );
    describe_gauge!("celeriac_schedule_last_run_age_seconds", Unit::Seconds, "Age of the schedule's newest run");
    describe_gauge!("celeriac_schedule_last_run_failed", "1 when the newest run is dead");
    describe_gauge!("celeriac_backup_age_seconds", Unit::Seconds, "Age of the newest stored backup");
    describe_gauge!("celeriac_backup_verified_age_seconds", Unit::Seconds, "Age of the newest backup that was proved restorable");
}

fn record_queue(row: &QueueRow) {
    let queue = row.queue.to_string();
    for (state, count) in
        [("ready", row.ready), ("scheduled", row.scheduled), ("running", row.running), ("finished", row.finished), ("dead", row.dead)]
    {
        gauge!("celeriac_queue_jobs", "queue" => queue.clone(), "state" => state).set(count as f64);
    }
    for name in MOVES {
        counter!("celeriac_queue_moves_total", "queue" => queue.clone(), "move" => name).absolute(0);
    }
    for (name, count) in &row.moves {
        counter!("celeriac_queue_moves_total", "queue" => queue.clone(), "move" => name.clone()).absolute(*count);
    }
    gauge!("celeriac_queue_notices", "queue" => queue.clone()).set(row.notices as f64);
    gauge!("celeriac_queue_oldest_ready_seconds", "queue" => queue.clone()).set(row.oldest_ready_seconds.unwrap_or(0.0));
    gauge!("celeriac_queue_open_batches", "queue" => queue.clone()).set(row.open_batches as f64);
    gauge!("celeriac_queue_transfers", "queue" => queue.clone()).set(row.transfers as f64);
    gauge!("celeriac_queue_oldest_transfer_seconds", "queue" => queue.clone()).set(row.oldest_transfer_seconds.unwrap_or(0.0));
    gauge!("celeriac_queue_paused", "queue" => queue.clone()).set(f64::from(u8::from(row.paused.is_some())));
    gauge!("celeriac_queue_suspects", "queue" => queue).set(row.suspects as f64);
    record_limits(row);
}

/// Keys are only counted: a label for each would be as many series as there are tenants.
fn record_limits(row: &QueueRow) {
    if row.limits == Limits::default() {
        return;
    }
    let queue = row.queue.to_string();
    gauge!("celeriac_queue_held_back", "queue" => queue.clone()).set(f64::from(u8::from(row.held_back.is_some())));
    gauge!("celeriac_queue_keys_held_back", "queue" => queue.clone()).set(row.keys_held_back as f64);
    let per_second = |rate: Rate| rate.units() / rate.per().as_secs_f64();
    for (name, limit) in [
        ("celeriac_queue_limit_concurrency", row.limits.concurrency.map(f64::from)),
        ("celeriac_queue_limit_units_per_second", row.limits.rate.map(per_second)),
        ("celeriac_queue_limit_key_concurrency", row.limits.key_concurrency.map(f64::from)),
        ("celeriac_queue_limit_key_units_per_second", row.limits.key_rate.map(per_second)),
    ] {
        if let Some(limit) = limit {
            gauge!(name, "queue" => queue.clone()).set(limit);
        }
    }
}

fn record_memory(memory: &Memory) {
    for (queue, memory) in &memory.queues {
        gauge!("celeriac_queue_memory_bytes", "queue" => queue.to_string()).set(memory.total_bytes as f64);
    }
    gauge!("celeriac_redis_used_memory_bytes").set(memory.redis.used_bytes as f64);
    if let Some(max) = memory.redis.max_bytes {
        gauge!("celeriac_redis_maxmemory_bytes").set(max as f64);
    }
}

fn record_workers(rows: &[WorkerRow]) {
    gauge!("celeriac_workers").set(rows.len() as f64);
    gauge!("celeriac_workers_in_trouble").set(rows.iter().filter(|row| row.trouble.is_some()).count() as f64);
    gauge!("celeriac_worker_slots").set(rows.iter().map(|row| row.concurrency).sum::<usize>() as f64);
    gauge!("celeriac_worker_in_flight").set(rows.iter().map(|row| row.in_flight).sum::<usize>() as f64);
}

fn record_truth(truth: &Truth, now: DateTime<Utc>) {
    for (status, count) in &truth.documents {
        gauge!("celeriac_documents", "status" => *status).set(*count as f64);
    }
    for (stage, count) in [("waiting", truth.deleted.waiting - truth.deleted.overdue), ("overdue", truth.deleted.overdue)] {
        gauge!("celeriac_documents_deleted", "stage" => stage).set(count as f64);
    }
    record_stages(&truth.stages, &truth.pages);
    let mails = &truth.mails;
    for (outcome, count) in [("sent", mails.sent), ("refused", mails.refused), ("postponed", mails.postponed), ("unknown", mails.unknown)] {
        gauge!("celeriac_mails_today", "outcome" => outcome).set(count as f64);
    }
    for row in &truth.costs {
        let model = row.model.clone().unwrap_or_default();
        for (outcome, count) in [("answered", row.answered), ("failed", row.failed), ("unsettled", row.unsettled)] {
            gauge!("celeriac_paid_calls_today", "model" => model.clone(), "outcome" => outcome).set(count as f64);
        }
        gauge!("celeriac_paid_tokens_today", "model" => model.clone(), "direction" => "input").set(row.input_tokens as f64);
        gauge!("celeriac_paid_tokens_today", "model" => model.clone(), "direction" => "output").set(row.output_tokens as f64);
        gauge!("celeriac_paid_cost_usd_today", "model" => model).set(row.cost_usd);
    }
    gauge!("celeriac_openai_batches").set(truth.batches.batches as f64);
    gauge!("celeriac_openai_oldest_batch_seconds").set(truth.batches.oldest_batch_seconds);
    gauge!("celeriac_openai_batched_questions", "state" => "waiting").set(truth.batches.waiting as f64);
    gauge!("celeriac_openai_batched_questions", "state" => "sent").set(truth.batches.sent as f64);
    gauge!("celeriac_outbox_rows", "stage" => "unrelayed").set(truth.outbox.unrelayed as f64);
    gauge!("celeriac_outbox_rows", "stage" => "unconfirmed").set(truth.outbox.unconfirmed as f64);
    gauge!("celeriac_outbox_oldest_unrelayed_seconds").set(truth.outbox.oldest_unrelayed_seconds.unwrap_or(0.0));
    gauge!("celeriac_outbox_duplicates").set(truth.outbox.duplicates as f64);
    for row in &truth.schedules {
        record_schedule(row, now);
    }
    if let Some(at) = truth.backups.stored_at {
        gauge!("celeriac_backup_age_seconds").set((now - at).as_seconds_f64());
    }
    if let Some(at) = truth.backups.proved_at {
        gauge!("celeriac_backup_verified_age_seconds").set((now - at).as_seconds_f64());
    }
}

fn record_stages(stages: &[StageBucket], pages: &[PageCount]) {
    for bucket in stages {
        let documents = usize::try_from(bucket.documents).unwrap_or(0);
        histogram!(STAGE_SECONDS, "job" => bucket.job.clone(), "stage" => bucket.stage.clone()).record_many(bucket.seconds, documents);
    }
    for row in pages {
        counter!("celeriac_document_pages_total", "job" => row.job.clone(), "source" => row.source.clone())
            .absolute(row.pages.unsigned_abs());
    }
}

fn record_model(view: &BudgetView) {
    let model = view.model.clone();
    gauge!("celeriac_model_in_flight", "model" => model.clone()).set(view.now.in_flight as f64);
    gauge!("celeriac_model_waiting", "model" => model.clone()).set(view.now.waiting as f64);
    gauge!("celeriac_model_requests_this_minute", "model" => model.clone()).set(view.now.requests_this_minute as f64);
    gauge!("celeriac_model_provider_pause_seconds", "model" => model.clone()).set(view.now.provider_pause_ms as f64 / 1_000.0);
    let set = |limit: u64| (limit > 0).then_some(limit);
    for (name, set, learned) in [
        ("celeriac_model_limit_rpm", set(view.limits.rpm), view.now.learned_rpm),
        ("celeriac_model_limit_tpm", set(view.limits.tpm), view.now.learned_tpm),
    ] {
        if let Some(limit) = set.into_iter().chain(learned).min() {
            gauge!(name, "model" => model.clone()).set(limit as f64);
        }
    }
    gauge!("celeriac_model_spent_usd", "period" => "day").set(view.spent_today_usd);
    gauge!("celeriac_model_spent_usd", "period" => "month").set(view.spent_this_month_usd);
    gauge!("celeriac_model_kept_back_usd", "for" => "requests").set(view.now.reserved_usd);
    gauge!("celeriac_model_kept_back_usd", "for" => "batches").set(view.in_batches_usd);
    for (period, setting) in [("day", "OPENAI_USD_PER_DAY"), ("month", "OPENAI_USD_PER_MONTH")] {
        if let Some(row) = view.budgets.iter().find(|row| row.setting == setting) {
            gauge!("celeriac_model_budget_usd", "period" => period).set(row.limit_usd);
        }
    }
}

fn record_schedule(row: &ScheduleRow, now: DateTime<Utc>) {
    let name = row.name.clone();
    gauge!("celeriac_schedule_enabled", "schedule" => name.clone()).set(f64::from(u8::from(row.enabled)));
    gauge!("celeriac_schedule_overdue_seconds", "schedule" => name.clone()).set(row.overdue_seconds.unwrap_or(0) as f64);
    if let Some(at) = row.last_instant {
        gauge!("celeriac_schedule_last_run_age_seconds", "schedule" => name.clone()).set((now - at).as_seconds_f64());
        let dead = row.last_outcome.as_deref() == Some("dead");
        gauge!("celeriac_schedule_last_run_failed", "schedule" => name).set(f64::from(u8::from(dead)));
    }
}
