//! A batch at the provider: looked at, its answers fetched, its files deleted.

use celeriac_queue::Client;

use super::BatchRun;
use super::rows::Batch;
use super::send::question_of;
use super::settings::BatchRunner;
use super::settle::{Settled, fail_the_rest, settle};
use crate::checkpoint::checkpoint;
use crate::openai::batch::{AnsweredLine, outcome_of};

/// Fetches what has come, once the batch has ended there.
pub(super) async fn collect(runner: &BatchRunner, batch: &Batch, client: &Client, done: &mut BatchRun) -> anyhow::Result<()> {
    let (pool, api) = (&runner.pool, runner.openai.batches());
    let provider_id = batch.provider_id.as_deref().unwrap_or_default();
    let Some(there) = api.get(provider_id).await? else {
        return give_up(runner, batch, client, done, "the provider does not know the batch any more").await;
    };
    let (output, errors) = (there.output_file_id.as_deref(), there.error_file_id.as_deref());
    batch.polled(pool, there.status.name(), output, errors).await?;
    if !there.status.has_ended() {
        if !batch.cancel_asked && !batch.is_wanted(pool).await? {
            // Every question in it is being asked directly by now.
            api.cancel(provider_id).await?;
            batch.cancel_asked(pool).await?;
        }
        return Ok(());
    }
    for file in [output, errors].into_iter().flatten() {
        read_file(runner, batch, file, client, done).await?;
    }
    checkpoint("batches.read").await;
    let why = there
        .first_error()
        .map_or_else(|| format!("the batch is {}", there.status.name()), |code| format!("{}: {code}", there.status.name()));
    give_up(runner, batch, client, done, &why).await
}

/// What is left without an answer is asked directly; the batch is over.
pub(super) async fn give_up(runner: &BatchRunner, batch: &Batch, client: &Client, done: &mut BatchRun, why: &str) -> anyhow::Result<()> {
    let left = fail_the_rest(&runner.pool, batch.id, why).await?;
    done.failed += left.len() as u64;
    if !left.is_empty() {
        tracing::warn!(batch.id, questions = left.len(), why, "questions of a batch have no answer and are asked directly");
    }
    for waiting in &left {
        waiting.wake(client).await;
    }
    batch.ended(&runner.pool, (!left.is_empty()).then_some(why)).await?;
    done.ended += 1;
    Ok(())
}

/// Deletes what is left of it at the provider: it holds health data.
pub(super) async fn clean(runner: &BatchRunner, batch: &Batch) -> anyhow::Result<()> {
    let api = runner.openai.batches();
    let known = [&batch.input_file_id, &batch.output_file_id, &batch.error_file_id];
    let mut files: Vec<String> = known.into_iter().flatten().cloned().collect();
    if batch.input_file_id.is_none() && batch.attempts > 0 {
        files.extend(api.files_of(batch.token).await?);
    }
    for file in files {
        api.delete_file(&file).await?;
    }
    Ok(batch.cleaned(&runner.pool).await?)
}

async fn read_file(runner: &BatchRunner, batch: &Batch, file: &str, client: &Client, done: &mut BatchRun) -> anyhow::Result<()> {
    let Some(mut lines) = runner.openai.batches().lines(file).await? else { return Ok(()) };
    while let Some(line) = lines.next().await? {
        let known = AnsweredLine::read(&line).and_then(|line| Some((question_of(&line.custom_id)?, line)));
        let Some((question, line)) = known else {
            tracing::warn!(batch.id, bytes = line.len(), "a line of a batch's answers belongs to no question");
            continue;
        };
        let (settled, waiting) = settle(runner, batch.id, question, outcome_of(line)).await?;
        match settled {
            Settled::Answered => done.answered += 1,
            Settled::Failed => done.failed += 1,
            Settled::Not => {}
        }
        checkpoint("batches.settled").await;
        if let Some(waiting) = waiting {
            waiting.wake(client).await;
        }
    }
    Ok(())
}
