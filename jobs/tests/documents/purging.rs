//! What users deleted goes for good, file and row, and nothing else does.

use std::time::Duration;

use celeriac_jobs::purge::{PurgeDocuments, Purged, Purging};
use celeriac_jobs::storage::{BucketConfig, Storage};
use celeriac_ops::standin::openai::Fault;
use celeriac_queue::{Job, JobResult};
use sqlx::PgPool;

use crate::bucket::Bucket;
use crate::desk::{Desk, eventually, sample, shown};
use crate::files::text_pdf;

const DAY: Duration = Duration::from_secs(86_400);
const PAGE: &str = "A page with more than eight words so that it is text.";

fn purging(desk: &Desk) -> Purging {
    Purging { pool: desk.pool.clone(), storage: desk.documents.storage.clone(), purge_after: 90 * DAY, analysis_keep: None }
}

async fn purge(desk: &Desk, state: Purging, dry_run: bool) -> JobResult<Purged> {
    PurgeDocuments { dry_run }.run(state, desk.context("purge")).await
}

async fn delete(desk: &Desk, id: i64, days_ago: i32) {
    sqlx::query("update celeriac.documents set deleted_at = now() - make_interval(days => $2, hours => 1) where id = $1")
        .bind(id)
        .bind(days_ago)
        .execute(&desk.pool)
        .await
        .unwrap();
}

async fn file_of(desk: &Desk, id: i64) -> String {
    sqlx::query_scalar("select file_path from celeriac.documents where id = $1").bind(id).fetch_one(&desk.pool).await.unwrap()
}

async fn ids(desk: &Desk) -> Vec<i64> {
    sqlx::query_scalar("select id from celeriac.documents order by id").fetch_all(&desk.pool).await.unwrap()
}

#[sqlx::test(migrator = "celeriac_migrations::MIGRATOR")]
async fn only_what_was_deleted_long_ago_goes_and_what_it_cost_stays(pool: PgPool) {
    let desk = Desk::new(pool).await;
    let [old, recent, living] =
        [desk.add(&text_pdf(&[PAGE])).await, desk.add(&text_pdf(&[PAGE])).await, desk.add(&text_pdf(&[PAGE])).await];
    desk.run(old).await.unwrap();
    delete(&desk, old, 90).await;
    delete(&desk, recent, 89).await;
    let (file, kept) = (desk.path(&file_of(&desk, old).await), desk.path(&file_of(&desk, recent).await));

    let listed = purge(&desk, purging(&desk), true).await.unwrap();
    assert_eq!(listed, Purged { dry_run: true, documents: 1, listed: vec![old], analyses: 0 });
    assert!(file.exists() && ids(&desk).await.len() == 3, "a dry run deleted");

    let purged = purge(&desk, purging(&desk), false).await.unwrap();
    assert_eq!(purged, Purged { dry_run: false, documents: 1, listed: vec![old], analyses: 0 });
    assert_eq!((ids(&desk).await, file.exists(), kept.exists()), (vec![recent, living], false, true));
    let (answer, tokens): (Option<String>, Option<i32>) =
        sqlx::query_as("select answer, input_tokens from celeriac.paid_calls").fetch_one(&desk.pool).await.unwrap();
    assert!(answer.is_none() && tokens.is_some(), "the answer repeats the document's text; its cost does not");
    assert_eq!(purge(&desk, purging(&desk), false).await.unwrap(), Purged::default());
}

#[sqlx::test(migrator = "celeriac_migrations::MIGRATOR")]
async fn a_purge_that_stopped_half_way_is_taken_up_and_cannot_be_taken_back(pool: PgPool) {
    let mut desk = Desk::new(pool).await;
    let bucket = Bucket::start().await;
    let paths = ["documents/user_1/a.pdf", "documents/user_1/b.pdf"];
    paths.iter().for_each(|path| bucket.write(path, b"x"));
    let [first, second] = [desk.add_row(1, paths[0]).await, desk.add_row(1, paths[1]).await];
    delete(&desk, first, 91).await;
    delete(&desk, second, 91).await;
    let nobody = std::net::TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap();
    let away = BucketConfig { endpoint: Some(format!("http://{nobody}")), ..bucket.config() };
    desk.documents.storage = Storage::bucket(&away).unwrap();
    let error = format!("{:?}", purge(&desk, purging(&desk), false).await.unwrap_err());
    assert!(error.contains("could not be deleted") && error.contains("nor 1 others"), "{error}");
    assert_eq!(ids(&desk).await, [first, second]);
    let back = sqlx::query("update celeriac.documents set deleted_at = null where id = $1").bind(first).execute(&desk.pool).await;
    assert!(back.is_err(), "a document whose file may be gone was taken back");

    std::fs::remove_file(bucket.path(paths[0])).unwrap();
    desk.documents.storage = bucket.storage();
    assert_eq!(purge(&desk, purging(&desk), false).await.unwrap().documents, 2);
    assert!(ids(&desk).await.is_empty() && !bucket.path(paths[1]).exists());
}

#[sqlx::test(migrator = "celeriac_migrations::MIGRATOR")]
async fn a_file_that_another_document_has_too_and_one_outside_the_storage_are_left(pool: PgPool) {
    let desk = Desk::new(pool).await;
    let shared = desk.add(&text_pdf(&[PAGE])).await;
    let path = file_of(&desk, shared).await;
    let other = desk.add_row(2, &path).await;
    let outside = desk.add_row(1, "../outside.pdf").await;
    let neighbour = desk.path("../outside.pdf");
    std::fs::write(&neighbour, "x").unwrap();
    delete(&desk, shared, 91).await;
    delete(&desk, outside, 91).await;
    assert_eq!(purge(&desk, purging(&desk), false).await.unwrap().documents, 2);
    assert_eq!((ids(&desk).await, desk.path(&path).exists(), neighbour.exists()), (vec![other], true, true));
    std::fs::remove_file(neighbour).unwrap();
    delete(&desk, other, 91).await;
    purge(&desk, purging(&desk), false).await.unwrap();
    assert!(!desk.path(&path).exists(), "the last document of a file left it behind");
}

#[sqlx::test(migrator = "celeriac_migrations::MIGRATOR")]
async fn a_document_that_is_deleted_while_it_runs_is_not_completed(pool: PgPool) {
    let desk = Desk::new(pool).await;
    let id = desk.add(&text_pdf(&[PAGE])).await;
    desk.stub.control(celeriac_ops::standin::openai::Control { latency_ms: Some(1_000), ..Default::default() });
    let deletion = async {
        eventually("the model is asked", || desk.requests() == 1).await;
        delete(&desk, id, 0).await;
    };
    let (ran, ()) = tokio::join!(desk.run(id), deletion);
    assert_eq!(shown(ran).0, "retry");
    assert_eq!(desk.row(id).await.ai_summary, None);
    let (next, reason) = shown(desk.run(id).await);
    assert!(next == "bury" && reason.contains("has been deleted"), "{next}: {reason}");
}

#[sqlx::test(migrator = "celeriac_migrations::MIGRATOR")]
async fn an_analysis_past_its_time_goes_and_its_document_stays_completed(pool: PgPool) {
    let desk = Desk::new(pool).await;
    let [old, recent] =
        [desk.add(&text_pdf(&[PAGE])).await, desk.add(&text_pdf(&["Another page with more than eight words in all of it."])).await];
    desk.run(old).await.unwrap();
    desk.run(recent).await.unwrap();
    sqlx::query("update celeriac.documents set completed_at = now() - interval '181 days' where id = $1")
        .bind(old)
        .execute(&desk.pool)
        .await
        .unwrap();
    assert_eq!(purge(&desk, purging(&desk), false).await.unwrap().analyses, 0, "analyses were not to be deleted");
    let keep = || Purging { analysis_keep: Some(180 * DAY), ..purging(&desk) };
    assert_eq!(purge(&desk, keep(), true).await.unwrap().analyses, 1);
    assert_eq!(purge(&desk, keep(), false).await.unwrap().analyses, 1);
    let (gone, kept) = (desk.row(old).await, desk.row(recent).await);
    assert_eq!((gone.status.as_str(), gone.ai_summary, kept.ai_summary.is_some()), ("completed", None, true));
    assert_eq!(purge(&desk, keep(), false).await.unwrap().analyses, 0);
    // Enqueued again, it is not paid for again.
    assert!(!desk.run(old).await.unwrap().fresh);
}

#[sqlx::test(migrator = "celeriac_migrations::MIGRATOR")]
async fn recognized_text_that_outlived_its_job_goes_and_that_of_a_living_one_stays(pool: PgPool) {
    let mut desk = Desk::new(pool).await;
    desk.documents.limits.pages_parallel = 1;
    let mut ids = Vec::new();
    for _ in 0..2 {
        let id = desk.add(&sample("fax.tiff")).await;
        desk.next(&[Fault::Pass, Fault::ServerError]);
        assert_eq!(shown(desk.run(id).await).0, "retry");
        ids.push(id);
    }
    // As if the job of the first had ended elsewhere while this run slept.
    let ended = "update celeriac.documents set status = 'failed', error_message = 'It ended.' where id = $1";
    sqlx::query(ended).bind(ids[0]).execute(&desk.pool).await.unwrap();
    for earlier in [
        "update celeriac.document_pages set read_at = now() - interval '2 hours'",
        "update celeriac.paid_calls set settled_at = now() - interval '2 hours'",
    ] {
        sqlx::query(earlier).execute(&desk.pool).await.unwrap();
    }
    purge(&desk, purging(&desk), false).await.unwrap();
    let answers = "select subject_id from celeriac.paid_calls where answer is not null";
    let answered: Vec<i64> = sqlx::query_scalar(answers).fetch_all(&desk.pool).await.unwrap();
    assert_eq!(answered, [ids[1]]);
    assert_eq!((desk.pages(ids[0]).await[0].text.is_some(), desk.pages(ids[1]).await[0].text.is_some()), (false, true));
}
