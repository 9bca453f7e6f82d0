//! One run of a job that studies a document, step by step: what differs between the jobs is their [`Study`].

use std::time::{Duration, Instant};

use celeriac_queue::{JobContext, JobError, JobResult};
use chrono::{DateTime, Utc};
use serde_json::json;

use super::asking::{self, Asked};
use super::kept::{Kept, MissingPage, Strategy};
use super::page::{self, Page, Source};
use super::study::{Begun, Completion, Recalled, Run, Sameness, Study};
use super::{Documents, Processed, SOFT_TIME_LIMIT, intake, pages, reader, usage};
use crate::checkpoint::checkpoint;
use crate::fault::{Fault, Next};
use crate::ledger::{Ledger, Subject};

/// Begins a run and carries it to its end; a failure is told to the user before the queue hears of it.
pub(crate) async fn run<S: Study>(
    document_id: i64,
    deadline: Option<DateTime<Utc>>,
    documents: &Documents,
    ctx: &JobContext,
) -> JobResult<Processed> {
    let started = Instant::now();
    // Before anything is read again: nothing can be done until the answer has come.
    if deadline.is_some()
        && let Some(wait) = documents.gateway.waits(Subject { kind: S::SUBJECT, id: document_id }).await?
    {
        return Err(JobError::Snooze(wait, "the question waits for a batch of OpenAI's, at half the price".to_owned()));
    }
    let run = match S::begin(&documents.pool, document_id).await? {
        Begun::Run(run) => run,
        Begun::Completed => return Ok(Processed { document_id, fresh: false, pages: None, tokens: None }),
        Begun::Deleted => return Err(JobError::bury(format!("Document {document_id} has been deleted, so it is not processed."))),
        Begun::Missing => return Err(JobError::bury(format!("There is no document {document_id}."))),
    };
    checkpoint("documents.after_begin").await;
    let result = tokio::select! {
        result = steps::<S>(&run, deadline, documents, ctx, started) => result,
        () = ctx.soft_limit_reached() => Err(out_of_time()),
    };
    match result {
        Ok(processed) => Ok(processed),
        Err(fault) => Err(report::<S>(&run, fault, documents, ctx).await),
    }
}

/// How long each stage took.
#[derive(Default)]
struct Stages {
    opening: Duration,
    reading: Duration,
    recognizing: Duration,
    asking: Duration,
}

async fn steps<S: Study>(
    run: &Run,
    deadline: Option<DateTime<Utc>>,
    documents: &Documents,
    ctx: &JobContext,
    started: Instant,
) -> Result<Processed, Fault> {
    let mut stages = Stages::default();
    ctx.progress_of("opening", 5.0, "opening the file").await;
    intake::check_consent(run, documents).await?;
    if S::IS_MAIN {
        usage::count(&documents.pool, run.document_id, documents.limits.documents_per_month).await?;
    }
    let file = intake::open(run, documents).await?;
    let version = file.version.clone();
    let earlier = page::recognized::<S>(&documents.pool, run, &version, &documents.keys).await?;
    let stream = reader::open(file, &documents.limits, &earlier.keys().copied().collect()).await?;
    let content_sha256 = stream.content_sha256().to_owned();
    stages.opening = started.elapsed();

    let same = Sameness { content_sha256: &content_sha256, prompt_version: &S::ask().version, model_asked: documents.gateway.model() };
    if documents.limits.memo
        && let Some(recalled) = S::recall(&documents.pool, run, &same, &documents.keys).await?
    {
        let completion = of_memo::<S>(recalled, content_sha256, documents, started, &stages);
        return complete::<S>(run, completion, documents, ctx).await;
    }

    ctx.progress_of("reading", 10.0, "reading the pages").await;
    let reading_from = Instant::now();
    let desk = pages::Desk { run, documents, ctx, file_version: &version };
    let read = pages::read::<S>(stream, earlier, desk).await?;
    check_worth(&read.pages)?;
    stages.reading = reading_from.elapsed();
    stages.recognizing = read.recognizing;
    checkpoint("documents.after_extract").await;

    S::analyzing(&documents.pool, run).await?;
    let asking_from = Instant::now();
    let asked = asking::ask::<S>(&read.pages, run, deadline, documents, ctx).await?;
    stages.asking = asking_from.elapsed();
    let completion = of_answer::<S>(asked, &read.pages, content_sha256, documents, started, &stages);
    complete::<S>(run, completion, documents, ctx).await
}

/// Whether there is anything to ask about.
fn check_worth(pages: &[Page]) -> Result<(), Fault> {
    if pages.iter().all(Page::is_blank) {
        return Err(Fault::never("The document is blank: there is neither text nor a picture on its pages."));
    }
    if pages.iter().all(|page| page.is_missing() || page.is_blank()) {
        let reason = pages.iter().find_map(|page| page.problem.clone()).unwrap_or_default();
        return Err(Fault::never(format!("No page of the document could be read. {reason}").trim_end()));
    }
    Ok(())
}

fn of_answer<S: Study>(
    asked: Asked<S::Finding>,
    pages: &[Page],
    content_sha256: String,
    documents: &Documents,
    started: Instant,
    stages: &Stages,
) -> Completion<S::Finding> {
    let missing = pages.iter().filter(|page| page.source == Source::Failed);
    let pages_missing = missing.map(|page| MissingPage { page: page.number, reason: page.problem.clone().unwrap_or_default() }).collect();
    Completion {
        kept: Kept { finding: asked.finding, truncated: asked.strategy == Strategy::Truncated, pages_missing },
        strategy: asked.strategy,
        prompt_version: &S::ask().version,
        content_sha256,
        model_asked: documents.gateway.model().to_owned(),
        model: asked.model,
        page_count: i32::try_from(pages.len()).unwrap_or(i32::MAX),
        text_length: pages.iter().map(Page::characters).fold(0, i32::saturating_add),
        ocr_confidence: mean_confidence(pages),
        processing_ms: milliseconds(started.elapsed()),
        stage_ms: stages.shown(),
    }
}

/// The same file of the same user was answered before: its finding again, at no cost.
fn of_memo<S: Study>(
    recalled: Recalled<S::Finding>,
    content_sha256: String,
    documents: &Documents,
    started: Instant,
    stages: &Stages,
) -> Completion<S::Finding> {
    Completion {
        kept: Kept { finding: recalled.finding, truncated: false, pages_missing: Vec::new() },
        strategy: Strategy::Memo,
        prompt_version: &S::ask().version,
        content_sha256,
        model_asked: documents.gateway.model().to_owned(),
        model: recalled.model,
        page_count: recalled.page_count,
        text_length: recalled.text_length,
        ocr_confidence: recalled.ocr_confidence,
        processing_ms: milliseconds(started.elapsed()),
        stage_ms: stages.shown(),
    }
}

/// Result, usage and completion, together or not at all. The text of the pages goes in the same step.
async fn complete<S: Study>(
    run: &Run,
    completion: Completion<S::Finding>,
    documents: &Documents,
    ctx: &JobContext,
) -> Result<Processed, Fault> {
    ctx.progress_of("saving", 95.0, "saving the result").await;
    let mut transaction = documents.pool.begin().await?;
    // A worker that is frozen in here holds the row's lock: PostgreSQL ends it then, so that the run that follows can begin.
    sqlx::query!("select set_config('idle_in_transaction_session_timeout', '5s', true)").fetch_one(&mut *transaction).await?;
    let tokens = Ledger::tokens_of(&mut transaction, Subject { kind: S::SUBJECT, id: run.document_id }).await?;
    usage::raise_tokens(&mut transaction, run.user_id, tokens).await?;
    if !S::complete(&mut transaction, run, &completion, tokens, &documents.keys).await? {
        transaction.rollback().await?;
        return Err(Fault::superseded());
    }
    if S::IS_MAIN {
        documents.announcing.announce(&mut transaction, run.document_id).await?;
    }
    super::ending::forget_text(&mut transaction, S::SUBJECT, run.document_id).await?;
    checkpoint("documents.before_commit").await;
    transaction.commit().await?;
    checkpoint("documents.after_commit").await;
    tracing::info!(
        document.id = run.document_id,
        job.id = %ctx.id(),
        pages = completion.page_count,
        tokens,
        strategy = completion.strategy.name(),
        stage_ms = %completion.stage_ms,
        "the document is completed"
    );
    Ok(Processed { document_id: run.document_id, fresh: true, pages: Some(completion.page_count), tokens: Some(tokens) })
}

/// Writes the sentence for the user (unless a newer run has the document), the detail for the operator, and answers the queue.
async fn report<S: Study>(run: &Run, fault: Fault, documents: &Documents, ctx: &JobContext) -> JobError {
    let detail = fault.detail.as_ref().map(|detail| format!("{detail:#}"));
    tracing::warn!(document.id = run.document_id, job.id = %ctx.id(), attempt = ctx.attempt(), detail, "{}", fault.sentence);
    if !matches!(fault.next, Next::Superseded | Next::Later(_))
        && let Err(error) = S::explain(&documents.pool, run, &fault.sentence).await
    {
        tracing::warn!(document.id = run.document_id, %error, "the sentence for the user could not be stored");
    }
    fault.into_job_error(&documents.backoff, ctx.attempt())
}

impl Stages {
    fn shown(&self) -> serde_json::Value {
        json!({
            "opening": milliseconds(self.opening),
            "reading": milliseconds(self.reading),
            "recognizing": milliseconds(self.recognizing),
            "asking": milliseconds(self.asking)
        })
    }
}

/// Of the pages whose confidence is known, by the length of their text.
fn mean_confidence(pages: &[Page]) -> Option<f32> {
    let known = pages.iter().filter_map(|page| page.confidence.map(|confidence| (f64::from(confidence), f64::from(page.characters()))));
    let (sum, weight) = known.fold((0.0, 0.0), |(sum, weight), (confidence, length)| (sum + confidence * length, weight + length));
    (weight > 0.0).then(|| (sum / weight) as f32)
}

fn out_of_time() -> Fault {
    Fault::again(format!("Processing took longer than {} minutes and was stopped.", SOFT_TIME_LIMIT.as_secs() / 60))
}

fn milliseconds(duration: Duration) -> i64 {
    i64::try_from(duration.as_millis()).unwrap_or(i64::MAX)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_mean_confidence_counts_long_pages_more_and_unknown_ones_not_at_all() {
        let page = |text: &str, confidence| Page { number: 1, source: Source::Tesseract, text: text.into(), confidence, problem: None };
        assert_eq!(mean_confidence(&[page("abc", Some(90.0)), page("d", Some(50.0)), page("unknown", None)]), Some(80.0));
        assert_eq!(mean_confidence(&[page("unknown", None)]), None);
    }
}
