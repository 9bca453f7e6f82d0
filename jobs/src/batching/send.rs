//! A gathered batch is created at the provider: once, whatever was done of it before.

use futures::{StreamExt, TryStreamExt, stream};
use sqlx::PgPool;

use super::rows::Batch;
use super::settings::BatchRunner;
use crate::checkpoint::checkpoint;
use crate::crypt::FieldKeys;
use crate::openai::batch::{BatchError, Upload, request_line};

/// Questions that are held in memory at a time.
const QUESTIONS_AT_ONCE: usize = 16;
/// The provider's clock may be behind ours.
const CLOCKS_DIFFER_SECONDS: i64 = 10 * 60;

/// How it ended.
pub(super) enum Sent {
    Running,
    /// The provider will not have it, or all its questions were withdrawn: why.
    Never(String),
}

pub(super) async fn send(runner: &BatchRunner, batch: &Batch) -> anyhow::Result<Sent> {
    let (pool, api) = (&runner.pool, runner.openai.batches());
    if batch.attempts > 0
        && let Some(found) = api.find(batch.token, batch.created_at - CLOCKS_DIFFER_SECONDS).await?
    {
        tracing::info!(batch.id, "a batch that was created and not noted was found at the provider");
        batch.running(pool, &found.id, &found.input_file_id, found.status.name()).await?;
        return Ok(Sent::Running);
    }
    let file_id = match &batch.input_file_id {
        Some(file_id) => file_id.clone(),
        None => {
            if batch.attempts > 0 {
                for orphan in api.files_of(batch.token).await? {
                    api.delete_file(&orphan).await?;
                }
            }
            batch.begin_sending(pool).await?;
            let lines = lines(pool, batch.id).await?;
            if lines.is_empty() {
                return Ok(Sent::Never("all its questions were withdrawn".to_owned()));
            }
            let count = i32::try_from(lines.len())?;
            let file_id = api.upload(batch.token, upload(runner, lines)).await?;
            checkpoint("batches.uploaded").await;
            batch.uploaded(pool, &file_id, count).await?;
            file_id
        }
    };
    match api.create(batch.token, &file_id).await {
        Ok(created) => {
            checkpoint("batches.created").await;
            batch.running(pool, &created.id, &file_id, created.status.name()).await?;
            Ok(Sent::Running)
        }
        Err(BatchError::Refused(why)) => Ok(Sent::Never(why)),
        Err(BatchError::Other(error)) => Err(error),
    }
}

/// A question of the batch, and how long its line is.
struct Line {
    id: i64,
    bytes: u64,
}

async fn lines(pool: &PgPool, batch_id: i64) -> sqlx::Result<Vec<Line>> {
    let questions = sqlx::query!(
        "select id, request_bytes from celeriac.batched_questions where batch_id = $1 and state = 'sent' and request is not null order by id",
        batch_id
    )
    .fetch_all(pool)
    .await?;
    let bytes = |id: i64, request: i32| request_line(&custom_id(id), "").len() as u64 + u64::from(request.unsigned_abs());
    Ok(questions.into_iter().map(|row| Line { id: row.id, bytes: bytes(row.id, row.request_bytes) }).collect())
}

/// By which an answer finds its question.
pub(super) fn custom_id(question: i64) -> String {
    format!("question-{question}")
}

pub(super) fn question_of(custom_id: &str) -> Option<i64> {
    custom_id.strip_prefix("question-")?.parse().ok()
}

/// A question that is withdrawn while the file is on its way would leave a gap in it: then the upload fails, and the next run makes it anew.
fn upload(runner: &BatchRunner, lines: Vec<Line>) -> Upload {
    let bytes = lines.iter().map(|line| line.bytes).sum();
    let ids: Vec<Vec<i64>> = lines.chunks(QUESTIONS_AT_ONCE).map(|chunk| chunk.iter().map(|line| line.id).collect()).collect();
    let (pool, keys) = (runner.pool.clone(), runner.keys.clone());
    let pieces = stream::iter(ids).then(move |ids| {
        let (pool, keys) = (pool.clone(), keys.clone());
        async move { piece(&pool, &keys, &ids).await }
    });
    Upload { bytes, pieces: pieces.map_ok(bytes::Bytes::from).boxed() }
}

async fn piece(pool: &PgPool, keys: &FieldKeys, ids: &[i64]) -> anyhow::Result<String> {
    let questions = sqlx::query!(
        r#"select id, request as "request!" from celeriac.batched_questions where id = any($1) and request is not null order by id"#,
        ids
    )
    .fetch_all(pool)
    .await?;
    anyhow::ensure!(questions.len() == ids.len(), "a question was withdrawn while its batch was uploaded");
    questions.iter().map(|question| Ok(request_line(&custom_id(question.id), &keys.decrypt(&question.request)?))).collect()
}
