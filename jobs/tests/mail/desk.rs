//! What each test works with: a database of its own, a mail server, and runs of the job as a worker makes them.

use std::time::{Duration, Instant};

use celeriac_jobs::mail::{MailConfig, Mailing, Report, Security, SendDocumentReadyEmail, Told};
use celeriac_ops::standin::smtp::{Fault, Mail, Options, SmtpStub};
use celeriac_queue::{Client, Envelope, Job, JobContext, JobError, JobId, JobResult, RedisConfig, Tries};
use sqlx::PgPool;
use tokio_util::sync::CancellationToken;

pub(crate) struct Desk {
    pub(crate) pool: PgPool,
    pub(crate) stub: SmtpStub,
    pub(crate) mailing: Mailing,
    client: Client,
}

/// A row of the sent mails.
pub(crate) type Row = (String, i32, Option<i16>);

impl Desk {
    pub(crate) async fn new(pool: PgPool) -> Self {
        Self::with(pool, Options::default()).await
    }

    pub(crate) async fn with(pool: PgPool, options: Options) -> Self {
        let redis_url = std::env::var("REDIS_URL").expect("REDIS_URL names a Redis for the tests; `make test` starts one");
        let mut redis = RedisConfig::new(redis_url);
        redis.namespace = celeriac_queue::Namespace::parse(&format!("test-{}", uuid::Uuid::new_v4().simple())).unwrap();
        let client = Client::connect(&redis).await.unwrap();
        let stub = SmtpStub::start(options).await.unwrap();
        let config = MailConfig {
            host: "127.0.0.1".to_owned(),
            port: stub.port(),
            security: Security::Plain,
            credentials: None,
            timeout: Duration::from_secs(5),
            from: "App <no-reply@example.org>".parse().unwrap(),
            site_url: "https://app.example".to_owned(),
        };
        Self { mailing: Mailing { pool: pool.clone(), config: Some(config) }, pool, stub, client }
    }

    pub(crate) fn config(&mut self) -> &mut MailConfig {
        self.mailing.config.as_mut().unwrap()
    }

    /// A completed document of Ada, who wants to be told.
    pub(crate) async fn completed(&self) -> i64 {
        self.execute("insert into celeriac.recipients (user_id, email, name) values (1, 'ada@example.org', 'Ada') on conflict do nothing")
            .await;
        sqlx::query_scalar(
            "insert into celeriac.documents (user_id, file_path, status, ai_summary, ai_model_used, ai_tokens_used, page_count, text_length,
                                             processing_ms, completed_at)
             values (1, 'documents/user_1/' || gen_random_uuid(), 'completed', 'x', 'm', 1, 1, 1, 1, now()) returning id",
        )
        .fetch_one(&self.pool)
        .await
        .unwrap()
    }

    pub(crate) async fn execute(&self, statement: &'static str) {
        sqlx::query(statement).execute(&self.pool).await.unwrap();
    }

    pub(crate) async fn run(&self, document_id: i64) -> JobResult<Report> {
        let envelope = Envelope::new(celeriac_jobs::mail::NAME, Vec::new(), 0);
        let policy = SendDocumentReadyEmail::policy();
        let (queue, id, attempts) = (policy.queue, JobId::parse("job-1").unwrap(), policy.max_attempts);
        let ctx = JobContext::new(self.client.clone(), queue, id, &envelope, Tries::default(), attempts, CancellationToken::new());
        SendDocumentReadyEmail { document_id }.run(self.mailing.clone(), ctx).await
    }

    /// A run that ends well.
    pub(crate) async fn told(&self, document_id: i64) -> (Told, bool) {
        let report = self.run(document_id).await.unwrap();
        (report.outcome, report.fresh)
    }

    /// A run that fails: what the queue does, and why.
    pub(crate) async fn failed(&self, document_id: i64) -> (&'static str, String) {
        match self.run(document_id).await.expect_err("the run ended well") {
            JobError::Retry(error) => ("retry", format!("{error:#}")),
            JobError::Bury(error) => ("bury", format!("{error:#}")),
            JobError::PauseQueue(order) => ("pause", order.reason),
            other => panic!("{other:?}"),
        }
    }

    pub(crate) fn next(&self, faults: &[Fault]) {
        self.stub.next(faults);
    }

    pub(crate) fn mails(&self) -> Vec<Mail> {
        self.stub.counters().mails
    }

    pub(crate) async fn row(&self, document_id: i64) -> Option<Row> {
        sqlx::query_as("select state, attempts, reply_code from celeriac.sent_mails where kind = 'document_ready' and subject_id = $1")
            .bind(document_id)
            .fetch_optional(&self.pool)
            .await
            .unwrap()
    }
}

/// Polls until it holds.
pub(crate) async fn eventually(what: &str, holds: impl Fn() -> bool) {
    let deadline = Instant::now() + Duration::from_secs(20);
    while !holds() {
        assert!(Instant::now() < deadline, "never came true: {what}");
        tokio::time::sleep(Duration::from_millis(5)).await;
    }
}
