//! `/v1/batches`: a batch moves on when somebody looks at it, by the time that has passed since it was created.
//!
//! ```text
//! validating ──▶ in_progress ──▶ finalizing ──▶ completed | expired
//!      └──▶ failed       └──▶ cancelling ──▶ cancelled
//! ```

use std::time::{Duration, Instant};

use axum::Json;
use axum::body::Bytes;
use axum::extract::{Path, Query, State};
use axum::http::HeaderMap;
use axum::response::Response;
use chrono::Utc;
use serde::Deserialize;
use serde_json::{Value, json};

use super::batch_fault::BatchFault;
use super::batch_lines::{self, Answered, Line};
use super::control::BatchLatency;
use super::files::keep;
use super::refusals;
use super::reply::Reply;
use super::server::tend;
use super::state::{Inner, Shared};

const ENDPOINT: &str = "/v1/responses";
const WINDOW_SECONDS: i64 = 24 * 60 * 60;
const PAGE: usize = 20;

#[derive(Debug)]
pub(super) struct Batch {
    id: String,
    /// The object as it is shown.
    object: Value,
    created: Instant,
    fault: Option<BatchFault>,
    /// Taken when the batch ends.
    lines: Vec<Line>,
    total: usize,
    cancelling: bool,
    ended: bool,
}

#[derive(Deserialize)]
pub(super) struct NewBatch {
    input_file_id: String,
    endpoint: String,
    completion_window: String,
    #[serde(default)]
    metadata: Value,
}

pub(super) async fn create(State(shared): State<Shared>, headers: HeaderMap, Json(new): Json<NewBatch>) -> Response {
    tend(&shared, &headers, "POST /v1/batches", |inner| match begin(inner, new) {
        Ok(object) => Reply::ok(object),
        Err(sentence) => refusals::bad_request(&sentence),
    })
    .await
}

pub(super) async fn show(State(shared): State<Shared>, Path(id): Path<String>, headers: HeaderMap) -> Response {
    tend(&shared, &headers, "GET /v1/batches/{id}", |inner| with_batch(inner, &id, |_| {})).await
}

pub(super) async fn cancel(State(shared): State<Shared>, Path(id): Path<String>, headers: HeaderMap) -> Response {
    tend(&shared, &headers, "POST /v1/batches/{id}/cancel", |inner| {
        with_batch(inner, &id, |batch| {
            if !batch.ended && !batch.cancelling {
                batch.cancelling = true;
                batch.enter("cancelling");
            }
        })
    })
    .await
}

#[derive(Deserialize)]
pub(super) struct Page {
    limit: Option<usize>,
    after: Option<String>,
}

/// Newest first.
pub(super) async fn list(State(shared): State<Shared>, Query(page): Query<Page>, headers: HeaderMap) -> Response {
    tend(&shared, &headers, "GET /v1/batches", |inner| {
        let ids: Vec<String> = inner.batches.iter().rev().map(|batch| batch.id.clone()).collect();
        let from = page.after.and_then(|after| ids.iter().position(|id| *id == after)).map_or(0, |index| index + 1);
        let shown: Vec<String> = ids.iter().skip(from).take(page.limit.unwrap_or(PAGE).min(100)).cloned().collect();
        shown.iter().for_each(|id| move_on(inner, id));
        let data: Vec<Value> = shown.iter().filter_map(|id| Some(find(inner, id)?.object.clone())).collect();
        let mut list = json!({ "object": "list", "data": data, "has_more": from + shown.len() < ids.len() });
        if let (Some(first), Some(last)) = (shown.first(), shown.last()) {
            (list["first_id"], list["last_id"]) = (json!(first), json!(last));
        }
        Reply::ok(list)
    })
    .await
}

fn begin(inner: &mut Inner, new: NewBatch) -> Result<Value, String> {
    if new.endpoint != ENDPOINT {
        return Err(format!("Invalid value: '{}'. Supported values are: '{ENDPOINT}'.", new.endpoint));
    }
    if new.completion_window != "24h" {
        return Err(format!("Invalid value: '{}'. Supported values are: '24h'.", new.completion_window));
    }
    let file = inner.files.get(&new.input_file_id).filter(|file| file.purpose == "batch");
    let content = file.ok_or_else(|| format!("Invalid 'input_file_id': no such file '{}'.", new.input_file_id))?.content.clone();
    let fault = inner.batch_next.pop_front();
    let read = match &fault {
        Some(BatchFault::Validation) => Err(vec![json!({
            "code": "token_limit_exceeded",
            "message": "Enqueued token limit reached for this model. Please try again once some in_progress batches have been completed.",
            "line": null,
            "param": null
        })]),
        _ => batch_lines::read(&content, ENDPOINT),
    };
    let id = format!("batch_{}", uuid::Uuid::new_v4().simple());
    let now = Utc::now().timestamp();
    let mut object = json!({
        "id": id,
        "object": "batch",
        "endpoint": ENDPOINT,
        "input_file_id": new.input_file_id,
        "completion_window": "24h",
        "status": "validating",
        "created_at": now,
        "expires_at": now + WINDOW_SECONDS,
        "request_counts": { "total": 0, "completed": 0, "failed": 0 },
        "metadata": new.metadata
    });
    let (lines, errors) = match read {
        Ok(lines) => (lines, None),
        Err(errors) => (Vec::new(), Some(errors)),
    };
    let shown = object.clone();
    if let Some(errors) = &errors {
        // Seen at the first look: a batch is always created first.
        object["errors"] = json!({ "object": "list", "data": errors });
        object["status"] = json!("failed");
        object["failed_at"] = json!(now);
    }
    inner.counters.batches += 1;
    let (created, total, ended) = (Instant::now(), lines.len(), errors.is_some());
    inner.batches.push(Batch { id, object, created, fault, lines, total, cancelling: false, ended });
    Ok(shown)
}

fn find<'a>(inner: &'a mut Inner, id: &str) -> Option<&'a mut Batch> {
    inner.batches.iter_mut().find(|batch| batch.id == id)
}

/// Moves a batch on, changes it, and shows it.
fn with_batch(inner: &mut Inner, id: &str, change: impl FnOnce(&mut Batch)) -> Reply {
    move_on(inner, id);
    match find(inner, id) {
        None => refusals::no_such("Batch", id),
        Some(batch) => {
            change(batch);
            Reply::ok(batch.object.clone())
        }
    }
}

/// To where the time that has passed has brought it.
fn move_on(inner: &mut Inner, id: &str) {
    let latency = inner.batch_latency;
    let Some(batch) = find(inner, id).filter(|batch| !batch.ended) else { return };
    let progress = batch.progress(latency);
    if batch.cancelling {
        let answered = (progress * batch.total as f64) as usize;
        return end(inner, id, "cancelled", answered);
    }
    match progress {
        0.0..0.1 => {}
        0.1..0.9 => batch.enter("in_progress"),
        0.9..1.0 => batch.enter("finalizing"),
        _ => {
            batch.enter("in_progress");
            batch.enter("finalizing");
            let (total, status) =
                (batch.total, if matches!(batch.fault, Some(BatchFault::Expired { .. })) { "expired" } else { "completed" });
            end(inner, id, status, total);
        }
    }
}

impl Batch {
    /// From 0 to 1. One that never ends is in progress for good.
    fn progress(&self, latency: BatchLatency) -> f64 {
        match latency {
            BatchLatency::Never => 0.5,
            BatchLatency::After(Duration::ZERO) => 1.0,
            BatchLatency::After(latency) => (self.created.elapsed().as_secs_f64() / latency.as_secs_f64()).min(1.0),
        }
    }

    fn enter(&mut self, status: &str) {
        self.object["status"] = json!(status);
        self.object["request_counts"]["total"] = json!(self.total);
        let moment = format!("{status}_at");
        if self.object[&moment].is_null() {
            self.object[&moment] = json!(Utc::now().timestamp());
        }
    }
}

/// Answers the first so many lines and writes both files, in another order than the questions came: nobody may count on it.
fn end(inner: &mut Inner, id: &str, status: &str, count: usize) {
    let Some(batch) = find(inner, id) else { return };
    let (lines, fault) = (std::mem::take(&mut batch.lines), batch.fault.clone());
    let answered: Vec<Answered> = lines
        .iter()
        .enumerate()
        .rev()
        .filter_map(
            |(number, line)| {
                if number < count { batch_lines::answer(line, number, fault.as_ref()) } else { Some(batch_lines::cancelled(line)) }
            },
        )
        .collect();
    for name in answered.iter().filter_map(|line| line.schema_name.clone()) {
        *inner.counters.batch_answers.entry(name).or_default() += 1;
    }
    let mut files = Vec::new();
    for (failed, field) in [(false, "output_file_id"), (true, "error_file_id")] {
        let text: String = answered.iter().filter(|line| line.failed == failed).map(|line| format!("{}\n", line.text)).collect();
        if !text.is_empty() {
            files.push((field, keep(inner, format!("{id}_{field}.jsonl"), "batch_output", Bytes::from(text))));
        }
    }
    let failed = answered.iter().filter(|line| line.failed).count();
    let Some(batch) = find(inner, id) else { return };
    batch.enter(status);
    batch.ended = true;
    batch.object["request_counts"] = json!({ "total": batch.total, "completed": answered.len() - failed, "failed": failed });
    for (field, file) in files {
        batch.object[field] = json!(file);
    }
}
