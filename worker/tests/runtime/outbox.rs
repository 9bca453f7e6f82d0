//! Jobs that came through the outbox: PostgreSQL knows of their end before Redis forgets them.

use celeriac_queue::{EnqueueOptions, Enqueued, Job, JobError, JobId, Origin, Policy, Registry, State};
use sqlx::PgPool;
use sqlx::postgres::PgPoolOptions;

use crate::harness::{Stage, eventually};
use crate::job;

/// A migrated database, shared with other tests: every row has an id of its own.
async fn database() -> PgPool {
    let url = std::env::var("DATABASE_URL").expect("DATABASE_URL is not set: run `make test`, which starts a private, migrated PostgreSQL");
    PgPoolOptions::new().max_connections(3).connect(&url).await.expect("the PostgreSQL of DATABASE_URL must answer")
}

/// As the web app and then the relay would.
async fn through_the_outbox<J: Job>(stage: &Stage, pool: &PgPool, job: &J) -> Enqueued {
    let id: String = sqlx::query_scalar("select celeriac.enqueue($1, $2, id => $3)")
        .bind(J::NAME)
        .bind(serde_json::json!({}))
        .bind(JobId::generate().as_str())
        .fetch_one(pool)
        .await
        .unwrap();
    sqlx::query("update celeriac.outbox set relayed_at = now() where id = $1").bind(&id).execute(pool).await.unwrap();
    let options = EnqueueOptions { id: Some(JobId::parse(&id).unwrap()), origin: Origin::Outbox, ..EnqueueOptions::default() };
    stage.enqueue_with(job, options).await
}

/// Its outcome and error, once it is done.
async fn row(pool: &PgPool, job: &Enqueued) -> Option<(String, Option<String>)> {
    sqlx::query_as("select outcome, error from celeriac.outbox where id = $1 and done_at is not null")
        .bind(job.id.as_str())
        .fetch_optional(pool)
        .await
        .unwrap()
}

#[tokio::test]
async fn a_finished_job_is_confirmed_before_it_is_acknowledged() {
    job!(Fine, "fine", (), Policy::default(), |(), _| async { Ok(()) });
    let (stage, pool) = (Stage::new().await, database().await);
    let enqueued = through_the_outbox(&stage, &pool, &Fine).await;
    // Nobody can write to the row while this transaction is open.
    let mut lock = pool.begin().await.unwrap();
    sqlx::query("select from celeriac.outbox where id = $1 for update").bind(enqueued.id.as_str()).execute(&mut *lock).await.unwrap();
    let worker = stage.start_on(Some(pool.clone()), Registry::new().with::<Fine>(()));
    eventually("the worker waits to confirm the job", async || {
        let waiting: i64 = sqlx::query_scalar(
            "select count(*) from pg_stat_activity where wait_event_type = 'Lock' and query like '%celeriac.confirm%' and datname = current_database()",
        )
        .fetch_one(&pool)
        .await
        .unwrap();
        (waiting > 0).then_some(())
    })
    .await;
    assert_eq!(stage.job(&enqueued).await.state, State::Running);
    lock.rollback().await.unwrap();
    stage.in_state(&enqueued, State::Finished).await;
    assert_eq!(row(&pool, &enqueued).await, Some(("finished".to_owned(), None)));
    worker.stop().await;
}

#[tokio::test]
async fn the_end_of_a_job_that_did_not_finish_is_confirmed_with_its_reason() {
    job!(Bad, "bad", (), Policy::default(), |(), _| async { Err(JobError::bury("the file is \0 empty")) });
    let (stage, pool) = (Stage::new().await, database().await);
    let worker = stage.start_on(Some(pool.clone()), Registry::new().with::<Bad>(()));
    let enqueued = through_the_outbox(&stage, &pool, &Bad).await;
    let (outcome, error) = eventually("the row is done", async || row(&pool, &enqueued).await).await;
    assert_eq!((outcome.as_str(), error.as_deref()), ("dead", Some("the file is  empty")));
    worker.stop().await;
}
