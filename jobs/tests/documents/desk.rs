//! What each test works with: a database of its own, a media folder, a stand-in model, and runs of the job as a worker makes them.

use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};

use bytes::Bytes;
use celeriac_jobs::admission::{Admission, Limits as ModelLimits};
use celeriac_jobs::batching::{BatchRun, BatchRunner, Batching};
use celeriac_jobs::crypt::FieldKeys;
use celeriac_jobs::denial_letters::DecodeDenialLetter;
use celeriac_jobs::documents::{
    Analysis, ChildProgram, Documents, InspectedPage, Kept, Limits, LongDocuments, Ocr, Partial, ProcessDocument, Processed, Unreadable,
    inspect,
};
use celeriac_jobs::gateway::Gateway;
use celeriac_jobs::ledger::Ledger;
use celeriac_jobs::mail::Announcing;
use celeriac_jobs::openai::{OpenAi, OpenAiConfig, Prices};
use celeriac_jobs::storage::{Storage, StoredFile};
use celeriac_ops::standin::openai::{Control, Fault, OpenAiStub, Options};
use celeriac_queue::{Client, Envelope, Job, JobContext, JobError, JobId, JobResult, Outcome, RedisConfig, Tries};
use chrono::{DateTime, Utc};
use futures::StreamExt;
use sqlx::PgPool;
use tempfile::TempDir;
use tokio_util::sync::CancellationToken;

pub(crate) const MODEL: &str = "gpt-4.1-mini";

pub(crate) struct Desk {
    pub(crate) pool: PgPool,
    pub(crate) documents: Documents,
    pub(crate) stub: OpenAiStub,
    media: TempDir,
    pub(crate) client: Client,
}

/// A document's row, as the web app sees it.
#[derive(Debug, PartialEq, sqlx::FromRow)]
pub(crate) struct Row {
    pub(crate) status: String,
    pub(crate) error_message: Option<String>,
    pub(crate) ai_summary: Option<String>,
    pub(crate) ai_model_used: Option<String>,
    pub(crate) ai_tokens_used: Option<i32>,
    pub(crate) page_count: Option<i32>,
    pub(crate) text_length: Option<i32>,
    pub(crate) ocr_confidence: Option<f32>,
    pub(crate) strategy: Option<String>,
    pub(crate) pages_missing: i32,
    pub(crate) fence: i64,
}

/// A page as it was read.
#[derive(Debug, PartialEq, sqlx::FromRow)]
pub(crate) struct PageRow {
    pub(crate) page: i32,
    pub(crate) source: String,
    pub(crate) text: Option<String>,
    pub(crate) characters: i32,
    pub(crate) confidence: Option<f32>,
    pub(crate) problem: Option<String>,
}

/// A row of the ledger.
#[derive(Debug, PartialEq, sqlx::FromRow)]
pub(crate) struct LedgerRow {
    pub(crate) step: String,
    pub(crate) page: i32,
    pub(crate) state: String,
    pub(crate) answer: Option<String>,
    pub(crate) calls: i32,
    pub(crate) unknown_outcomes: i32,
    pub(crate) unusable_answers: i32,
    pub(crate) input_tokens: Option<i32>,
    pub(crate) output_tokens: Option<i32>,
    pub(crate) error: Option<String>,
}

pub(crate) fn limits() -> Limits {
    Limits {
        bytes_max: 52_428_800,
        pages_max: 100,
        pixels_max: 100_000_000,
        unpacked_max: 128_000_000,
        child_memory_bytes: 1_000_000_000,
        child_timeout: Duration::from_secs(60),
        child_program: ChildProgram::At(reader()),
        ocr: Ocr::Vision,
        tesseract: "tesseract".into(),
        pages_parallel: 2,
        partial: Partial::Keep,
        long_documents: LongDocuments::MapReduce,
        memo: false,
        documents_per_month: None,
        ocr_languages: "eng".into(),
        input_tokens_max: 100_000,
        output_tokens_max: 4_000,
    }
}

pub(crate) fn reader() -> PathBuf {
    PathBuf::from(env!("CARGO_BIN_EXE_celeriac-reader"))
}

fn keys() -> FieldKeys {
    FieldKeys::new(&["Y2VsZXJpYWMtZXhhbXBsZS1rZXktMzItYnl0ZXMhISE="]).unwrap()
}

/// A gateway to the model at that address.
pub(crate) fn model_at(base_url: &str, timeout: Duration, pool: &PgPool, client: &Client) -> Gateway {
    limited_model_at(base_url, timeout, pool, client, ModelLimits::default())
}

fn limited_model_at(base_url: &str, timeout: Duration, pool: &PgPool, client: &Client, limits: ModelLimits) -> Gateway {
    let (base_url, api_key) = (base_url.to_owned(), "sk-test".to_owned().into());
    let model = MODEL.to_owned();
    let config = OpenAiConfig { base_url, api_key, model, first_byte_timeout: timeout, timeout, prices: Prices::default() };
    let openai = OpenAi::new(config).unwrap();
    let admission = Admission::new(client.connection().clone(), pool.clone(), MODEL, limits);
    let batching = Batching::new(pool.clone(), keys(), true, Duration::ZERO);
    Gateway::new(openai, Ledger::new(pool.clone(), keys()), admission).with_batching(batching)
}

impl Desk {
    pub(crate) async fn new(pool: PgPool) -> Self {
        Self::with_timeout(pool, Duration::from_secs(20)).await
    }

    pub(crate) async fn with_timeout(pool: PgPool, timeout: Duration) -> Self {
        let redis_url = std::env::var("REDIS_URL").expect("REDIS_URL names a Redis for the tests; `make test` starts one");
        let mut redis = RedisConfig::new(redis_url);
        redis.namespace = celeriac_queue::Namespace::parse(&format!("test-{}", uuid::Uuid::new_v4().simple())).unwrap();
        let client = Client::connect(&redis).await.unwrap();
        let media = tempfile::tempdir().unwrap();
        let stub = OpenAiStub::start(Options::default()).await.unwrap();
        let documents = Documents {
            pool: pool.clone(),
            storage: Storage::local(media.path()).unwrap(),
            keys: keys(),
            gateway: model_at(stub.url(), timeout, &pool, &client),
            limits: limits(),
            backoff: ProcessDocument::policy().backoff,
            announcing: Announcing::Off,
        };
        Self { documents, pool, stub, media, client }
    }

    /// As a worker that starts with other limits.
    pub(crate) fn limit(&mut self, limits: ModelLimits) {
        self.documents.gateway = limited_model_at(self.stub.url(), Duration::from_secs(20), &self.pool, &self.client, limits);
    }

    /// A document of user 1, who has consented.
    pub(crate) async fn add(&self, contents: &[u8]) -> i64 {
        self.consent(1).await;
        let path = format!("documents/user_1/{}.pdf", uuid::Uuid::new_v4());
        self.write(&path, contents);
        self.add_row(1, &path).await
    }

    pub(crate) fn write(&self, path: &str, contents: &[u8]) {
        let full = self.path(path);
        std::fs::create_dir_all(full.parent().unwrap()).unwrap();
        std::fs::write(full, contents).unwrap();
    }

    pub(crate) fn path(&self, path: &str) -> PathBuf {
        self.media.path().join(path)
    }

    pub(crate) async fn consent(&self, user_id: i64) {
        sqlx::query("insert into celeriac.consents (user_id) values ($1) on conflict do nothing")
            .bind(user_id)
            .execute(&self.pool)
            .await
            .unwrap();
    }

    pub(crate) async fn add_row(&self, user_id: i64, file_path: &str) -> i64 {
        sqlx::query_scalar("insert into celeriac.documents (user_id, file_path) values ($1, $2) returning id")
            .bind(user_id)
            .bind(file_path)
            .fetch_one(&self.pool)
            .await
            .unwrap()
    }

    /// One run of the job, as a worker's delivery makes it. Every run is of the same job unless another is named.
    pub(crate) async fn run(&self, document_id: i64) -> JobResult<Processed> {
        self.run_as(document_id, "job-1").await
    }

    pub(crate) async fn run_as(&self, document_id: i64, job_id: &str) -> JobResult<Processed> {
        ProcessDocument::new(document_id).run(self.documents.clone(), self.context(job_id)).await
    }

    /// A run of the job of a document that has time.
    pub(crate) async fn run_until(&self, document_id: i64, deadline: DateTime<Utc>) -> JobResult<Processed> {
        let job = ProcessDocument { document_id, deadline: Some(deadline) };
        job.run(self.documents.clone(), self.context("job-1")).await
    }

    /// A run of `run_openai_batches`.
    pub(crate) async fn run_batches(&self) -> BatchRun {
        self.run_batches_within(ModelLimits::default()).await
    }

    /// The same in a worker with those limits.
    pub(crate) async fn run_batches_within(&self, limits: ModelLimits) -> BatchRun {
        let (base_url, api_key, timeout) = (self.stub.url().to_owned(), "sk-test".to_owned().into(), Duration::from_secs(20));
        let model = MODEL.to_owned();
        let config = OpenAiConfig { base_url, api_key, model, first_byte_timeout: timeout, timeout, prices: Prices::default() };
        let admission = Admission::new(self.client.connection().clone(), self.pool.clone(), MODEL, limits);
        BatchRunner::new(self.pool.clone(), keys(), OpenAi::new(config).unwrap(), admission).run(&self.client).await.unwrap()
    }

    /// One run of decode_denial_letter.
    pub(crate) async fn decode(&self, document_id: i64) -> JobResult<Processed> {
        DecodeDenialLetter::new(document_id).run(self.documents.clone(), self.context("letter-1")).await
    }

    pub(crate) async fn end_decoding(&self, job: DecodeDenialLetter, outcome: Outcome) {
        job.on_terminal(self.documents.clone(), self.context("letter-1"), outcome).await.unwrap();
    }

    /// The last attempt of the job that is left to it.
    pub(crate) async fn last_run(&self, document_id: i64) -> JobResult<Processed> {
        let tries = Tries { attempts: ProcessDocument::policy().max_attempts - 1, ..Tries::default() };
        ProcessDocument::new(document_id).run(self.documents.clone(), self.context_of("job-1", tries)).await
    }

    pub(crate) async fn on_terminal(&self, document_id: i64, outcome: Outcome) {
        ProcessDocument::new(document_id).on_terminal(self.documents.clone(), self.context("job-1"), outcome).await.unwrap();
    }

    pub(crate) fn context(&self, job_id: &str) -> JobContext {
        self.context_of(job_id, Tries::default())
    }

    fn context_of(&self, job_id: &str, tries: Tries) -> JobContext {
        let envelope = Envelope::new(celeriac_jobs::documents::NAME, Vec::new(), 0);
        let policy = ProcessDocument::policy();
        let id = JobId::parse(job_id).unwrap();
        JobContext::new(self.client.clone(), policy.queue, id, &envelope, tries, policy.max_attempts, CancellationToken::new())
    }

    pub(crate) async fn row(&self, document_id: i64) -> Row {
        sqlx::query_as("select * from celeriac.documents where id = $1").bind(document_id).fetch_one(&self.pool).await.unwrap()
    }

    pub(crate) async fn ledger(&self) -> Vec<LedgerRow> {
        sqlx::query_as("select * from celeriac.paid_calls order by id").fetch_all(&self.pool).await.unwrap()
    }

    pub(crate) fn analysis(&self, row: &Row) -> Kept<Analysis> {
        let json = self.documents.keys.decrypt(row.ai_summary.as_deref().expect("a completed document has its summary")).unwrap();
        serde_json::from_str(&json).unwrap()
    }

    /// The pages as they were read: source, whether text is kept, confidence and problem.
    pub(crate) async fn pages(&self, document_id: i64) -> Vec<PageRow> {
        sqlx::query_as("select * from celeriac.document_pages where document_id = $1 order by subject_kind, page")
            .bind(document_id)
            .fetch_all(&self.pool)
            .await
            .unwrap()
    }

    pub(crate) fn next(&self, faults: &[Fault]) {
        self.stub.control(Control { next: faults.to_vec(), ..Control::default() });
    }

    pub(crate) fn requests(&self) -> u64 {
        self.stub.counters().requests
    }
}

pub(crate) fn sample(name: &str) -> Vec<u8> {
    std::fs::read(Path::new(env!("CARGO_MANIFEST_DIR")).join("../samples").join(name)).unwrap()
}

/// A failure as the queue would handle it, with its text.
pub(crate) fn shown(result: JobResult<Processed>) -> (&'static str, String) {
    match result.expect_err("the run completed") {
        JobError::Retry(error) => ("retry", format!("{error:#}")),
        JobError::RetryAfter(_, error) => ("retry", format!("{error:#}")),
        JobError::Snooze(_, reason) => ("snooze", reason),
        JobError::Bury(error) => ("bury", format!("{error:#}")),
        JobError::Cancel(reason) => ("cancel", reason),
        JobError::PauseQueue(order) => ("pause", order.reason),
        JobError::LeaseLost => ("lease lost", String::new()),
    }
}

/// A file as the storage hands it over, in pieces.
pub(crate) fn stored(contents: Vec<u8>) -> StoredFile {
    let pieces: Vec<std::io::Result<Bytes>> = contents.chunks(65_536).map(|piece| Ok(Bytes::copy_from_slice(piece))).collect();
    StoredFile { bytes: contents.len() as u64, version: "1".to_owned(), contents: futures::stream::iter(pieces).boxed() }
}

/// What is read of a file: its pages so far, and how it ended.
pub(crate) async fn inspected(contents: Vec<u8>, limits: &Limits) -> (Vec<InspectedPage>, Result<u32, Unreadable>) {
    let mut pages = Vec::new();
    let end = inspect(stored(contents), limits, |page| pages.push(page)).await;
    (pages, end)
}

/// Polls until it holds.
pub(crate) async fn eventually(what: &str, holds: impl Fn() -> bool) {
    let deadline = Instant::now() + Duration::from_secs(20);
    while !holds() {
        assert!(Instant::now() < deadline, "never came true: {what}");
        tokio::time::sleep(Duration::from_millis(5)).await;
    }
}
