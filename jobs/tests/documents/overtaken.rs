//! Two runs of one document: the newer one wins, whatever the older one does afterwards.

use std::os::unix::fs::PermissionsExt;
use std::sync::Arc;

use celeriac_jobs::documents::{ChildProgram, ProcessDocument};
use celeriac_ops::standin::openai::Control;
use celeriac_queue::Job;
use sqlx::PgPool;

use crate::desk::{Desk, eventually, reader, sample, shown};
use crate::files::text_pdf;

/// A run that waits for its answer while another run of the same job begins, as after a lost lease.
#[sqlx::test(migrator = "celeriac_migrations::MIGRATOR")]
async fn a_run_that_slept_past_its_lease_writes_nothing(pool: PgPool) {
    let desk = Arc::new(Desk::new(pool).await);
    let id = desk.add(&text_pdf(&["A page with more than eight words so that it is text."])).await;
    desk.stub.control(Control { latency_ms: Some(1_500), ..Control::default() });
    let sleeper = tokio::spawn({
        let desk = desk.clone();
        async move { desk.run(id).await }
    });
    eventually("the first run asks the model", || desk.requests() == 1).await;
    desk.stub.control(Control { latency_ms: Some(0), ..Control::default() });
    desk.run(id).await.unwrap();
    let (row, ledger) = (desk.row(id).await, desk.ledger().await);
    let (next, told) = shown(sleeper.await.unwrap());
    assert!(next == "retry" && told.contains("lease was lost"), "{next}: {told}");
    assert_eq!(desk.row(id).await, row, "the older run changed the row");
    assert_eq!(desk.ledger().await, ledger, "the older run changed the ledger");
    assert_eq!((row.status.as_str(), row.fence, ledger[0].calls, ledger[0].unknown_outcomes), ("completed", 2, 2, 1));
}

/// Another job for the same document waits for the call under way and does not pay for a second one.
#[sqlx::test(migrator = "celeriac_migrations::MIGRATOR")]
async fn a_document_enqueued_twice_is_paid_for_once(pool: PgPool) {
    let desk = Arc::new(Desk::new(pool).await);
    let id = desk.add(&text_pdf(&["A page with more than eight words so that it is text."])).await;
    desk.stub.control(Control { latency_ms: Some(1_500), ..Control::default() });
    let first = tokio::spawn({
        let desk = desk.clone();
        async move { desk.run_as(id, "job-1").await }
    });
    eventually("the first job asks the model", || desk.requests() == 1).await;
    assert_eq!(shown(desk.run_as(id, "job-2").await).0, "snooze");
    // The second job has taken the document over, so the first one's answer waits in the ledger for whoever comes next.
    assert_eq!(shown(first.await.unwrap()).0, "retry");
    assert!(desk.run_as(id, "job-2").await.unwrap().fresh);
    assert!(!desk.run_as(id, "job-1").await.unwrap().fresh);
    assert_eq!(desk.requests(), 1);
}

/// The end of a job deletes what was read on its pages. A run that slept through it, before its first page, finds every page answered and
/// no answer.
#[sqlx::test(migrator = "celeriac_migrations::MIGRATOR")]
async fn a_run_that_slept_through_the_end_of_its_job_pays_for_no_page_again(pool: PgPool) {
    let desk = Desk::new(pool).await;
    let id = desk.add(&sample("fax.tiff")).await;
    let (program, go, began) = (desk.path("sleepy"), desk.path("go"), desk.path("began"));
    let [wait, mark, reader] = [&go, &began, &reader()].map(|path| path.display().to_string());
    std::fs::write(&program, format!("#!/bin/sh\n: > {mark}\nwhile [ ! -e {wait} ]; do sleep 0.01; done\nexec {reader} \"$@\"\n")).unwrap();
    std::fs::set_permissions(&program, std::fs::Permissions::from_mode(0o755)).unwrap();
    let mut sleepy = desk.documents.clone();
    sleepy.limits.child_program = ChildProgram::At(program);
    let sleeper = tokio::spawn(ProcessDocument::new(id).run(sleepy, desk.context("job-1")));
    eventually("the first run reads the file", || began.exists()).await;

    desk.run(id).await.unwrap();
    let (row, ledger, requests) = (desk.row(id).await, desk.ledger().await, desk.requests());
    std::fs::write(go, "").unwrap();
    let (next, told) = shown(sleeper.await.unwrap());
    assert!(next == "retry" && told.contains("lease was lost"), "{next}: {told}");
    assert_eq!((desk.requests(), desk.ledger().await, desk.row(id).await), (requests, ledger, row));
}
