//! One run of `process_document`, step by step.

use std::time::Instant;

use celeriac_queue::{JobContext, JobError, JobResult};
use chrono::{DateTime, Utc};

use super::ending::subject;
use super::reading::{self, Page, Reading};
use super::rows::{self, Begun, Completion, Run};
use super::{Documents, ProcessDocument, Processed, SOFT_TIME_LIMIT, ask, material};
use crate::checkpoint::checkpoint;
use crate::fault::{Fault, Next};
use crate::storage::{StorageError, StoredFile};

/// Begins a run and carries it to its end; a failure is told to the user before the queue hears of it.
pub(super) async fn run(job: ProcessDocument, documents: &Documents, ctx: &JobContext) -> JobResult<Processed> {
    let ProcessDocument { document_id, deadline } = job;
    let started = Instant::now();
    // Before anything is read again: nothing can be done until the answer has come.
    if deadline.is_some()
        && let Some(wait) = documents.gateway.waits(subject(document_id)).await?
    {
        return Err(JobError::Snooze(wait, "the question waits for a batch of OpenAI's, at half the price".to_owned()));
    }
    let run = match rows::begin(&documents.pool, document_id).await? {
        Begun::Run(run) => run,
        Begun::Completed => return Ok(Processed { document_id, fresh: false, pages: None, tokens: None }),
        Begun::Deleted => return Err(JobError::bury(format!("Document {document_id} has been deleted, so it is not processed."))),
        Begun::Missing => return Err(JobError::bury(format!("There is no document {document_id}."))),
    };
    checkpoint("documents.after_begin").await;
    let steps = steps(&run, deadline, documents, ctx, started);
    let result = tokio::select! {
        result = steps => result,
        () = ctx.soft_limit_reached() => Err(out_of_time()),
    };
    match result {
        Ok(processed) => Ok(processed),
        Err(fault) => Err(report(&run, fault, documents, ctx).await),
    }
}

async fn steps(
    run: &Run,
    deadline: Option<DateTime<Utc>>,
    documents: &Documents,
    ctx: &JobContext,
    started: Instant,
) -> Result<Processed, Fault> {
    ctx.progress(5.0, "opening the file").await;
    check_consent(run, documents).await?;
    let file = open(run, documents).await?;
    ctx.progress(10.0, "reading the pages").await;
    let reading = read(file, documents).await?;
    checkpoint("documents.after_extract").await;
    run.analyzing(&documents.pool).await?;
    ctx.progress(50.0, &asking_about(reading.pages.len())).await;
    let (page_count, text_length) = (reading.page_count(), reading.text_length());
    let material = material::of(reading, documents.limits.input_tokens_max);
    let answer = ask::ask(run, material, deadline, documents, ctx).await?;
    ctx.progress(95.0, if answer.fresh { "saving the result" } else { "saving the result that was paid for before" }).await;
    let completion = Completion {
        encrypted_analysis: documents.keys.encrypt(&serde_json::to_string(&answer.value)?),
        model: answer.model,
        tokens: answer.input_tokens.saturating_add(answer.output_tokens),
        page_count,
        text_length,
        processing_ms: i64::try_from(started.elapsed().as_millis()).unwrap_or(i64::MAX),
    };
    run.complete(&documents.pool, &completion, documents.announcing).await?;
    Ok(Processed { document_id: run.document_id, fresh: true, pages: Some(page_count), tokens: Some(completion.tokens) })
}

async fn check_consent(run: &Run, documents: &Documents) -> Result<(), Fault> {
    if run.has_consent(&documents.pool).await? {
        return Ok(());
    }
    Err(Fault::never("You have not agreed to processing by AI, so the document was not read. Please agree and upload it again."))
}

async fn open(run: &Run, documents: &Documents) -> Result<StoredFile, Fault> {
    let file = documents.storage.open(&run.file_path).await.map_err(|error| match error {
        StorageError::Outside => Fault::never("The stored path of this document is not valid, so it was not read.").because(error),
        StorageError::Missing => Fault::never("The file of this document is not in the storage. Please upload it again."),
        StorageError::Refused(reason) => {
            let sentence = "The storage of uploads is not available at the moment; processing goes on when an operator has seen to it.";
            Fault::operator(sentence, reason)
        }
        denied @ StorageError::Denied(_) => Fault::again("The storage gave no access to the file of this document.").because(denied),
        StorageError::Failed(error) => Fault::again("The storage could not be reached.").because(error),
    })?;
    let max = documents.limits.bytes_max;
    if file.bytes > max {
        let sentence = format!("The file is {} large; at most {} can be processed.", megabytes(file.bytes), megabytes(max));
        return Err(Fault::never(sentence));
    }
    Ok(file)
}

async fn read(file: StoredFile, documents: &Documents) -> Result<Reading, Fault> {
    let reading = reading::read(file, &documents.limits).await?;
    if reading.pages.iter().all(|page| matches!(page, Page::Blank)) {
        return Err(Fault::never("The document is blank: there is neither text nor a picture on its pages."));
    }
    Ok(reading)
}

/// Writes the sentence for the user (unless a newer run has the document), the detail for the operator, and answers the queue.
async fn report(run: &Run, fault: Fault, documents: &Documents, ctx: &JobContext) -> JobError {
    let detail = fault.detail.as_ref().map(|detail| format!("{detail:#}"));
    tracing::warn!(document.id = run.document_id, job.id = %ctx.id(), attempt = ctx.attempt(), detail, "{}", fault.sentence);
    if !matches!(fault.next, Next::Superseded | Next::Later(_))
        && let Err(error) = run.explain(&documents.pool, &fault.sentence).await
    {
        tracing::warn!(document.id = run.document_id, %error, "the sentence for the user could not be stored");
    }
    fault.into_job_error(&documents.backoff, ctx.attempt())
}

fn asking_about(pages: usize) -> String {
    format!("asking the model about {pages} {}", if pages == 1 { "page" } else { "pages" })
}

fn out_of_time() -> Fault {
    Fault::again(format!("Processing took longer than {} minutes and was stopped.", SOFT_TIME_LIMIT.as_secs() / 60))
}

/// In megabytes as people count uploads (1,048,576 bytes), with one decimal where it is not whole.
fn megabytes(bytes: u64) -> String {
    let tenths = (bytes as f64 / 1_048_576.0 * 10.0).round() / 10.0;
    format!("{tenths} MB")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn sizes_read_as_people_say_them() {
        assert_eq!(megabytes(52_428_800), "50 MB");
        assert_eq!(megabytes(53_477_376), "51 MB");
        assert_eq!(megabytes(52_600_000), "50.2 MB");
    }
}
