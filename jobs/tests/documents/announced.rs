//! A completed document is announced by mail in the transaction that completes it.

use celeriac_jobs::mail::Announcing;
use sqlx::PgPool;

use crate::desk::Desk;
use crate::files::text_pdf;

const PAGE: &str = "A page with more than eight words so that it is text.";

/// Jobs in the outbox, as (id, job).
async fn outbox(desk: &Desk) -> Vec<(String, String)> {
    sqlx::query_as("select id, job from celeriac.outbox order by id").fetch_all(&desk.pool).await.unwrap()
}

async fn recipient(desk: &Desk, wants: bool) {
    sqlx::query("insert into celeriac.recipients (user_id, email, document_ready) values (1, 'ada@example.org', $1)")
        .bind(wants)
        .execute(&desk.pool)
        .await
        .unwrap();
}

#[sqlx::test(migrator = "celeriac_migrations::MIGRATOR")]
async fn the_mail_is_enqueued_once_however_often_the_document_is_run(pool: PgPool) {
    let mut desk = Desk::new(pool).await;
    desk.documents.announcing = Announcing::ByMail;
    recipient(&desk, true).await;
    let id = desk.add(&text_pdf(&[PAGE])).await;
    assert_eq!(outbox(&desk).await, []);
    for job in ["job-1", "job-2"] {
        desk.run_as(id, job).await.unwrap();
        assert_eq!(outbox(&desk).await, [(format!("document-ready-{id}"), "send_document_ready_email".to_owned())]);
    }
}

#[sqlx::test(migrator = "celeriac_migrations::MIGRATOR")]
async fn nothing_is_enqueued_for_a_completion_that_does_not_commit(pool: PgPool) {
    let mut desk = Desk::new(pool).await;
    desk.documents.announcing = Announcing::ByMail;
    recipient(&desk, true).await;
    let id = desk.add(&text_pdf(&[PAGE])).await;
    // Fires at the commit.
    sqlx::raw_sql(
        "create function celeriac.refuse() returns trigger language plpgsql as $$ begin raise exception 'not now'; end $$;
         create constraint trigger refuse after update on celeriac.documents deferrable initially deferred
         for each row when (new.status = 'completed') execute function celeriac.refuse()",
    )
    .execute(&desk.pool)
    .await
    .unwrap();
    desk.run(id).await.unwrap_err();
    assert_eq!((desk.row(id).await.status.as_str(), outbox(&desk).await), ("analyzing", vec![]));
}

#[sqlx::test(migrator = "celeriac_migrations::MIGRATOR")]
async fn nothing_is_enqueued_without_a_mail_server_or_for_who_wants_no_mail(pool: PgPool) {
    let mut desk = Desk::new(pool).await;
    let first = desk.add(&text_pdf(&[PAGE])).await;
    recipient(&desk, true).await;
    desk.run(first).await.unwrap();
    desk.documents.announcing = Announcing::ByMail;
    sqlx::query("update celeriac.recipients set document_ready = false").execute(&desk.pool).await.unwrap();
    let second = desk.add(&text_pdf(&[PAGE])).await;
    desk.run(second).await.unwrap();
    sqlx::query("delete from celeriac.recipients").execute(&desk.pool).await.unwrap();
    let third = desk.add(&text_pdf(&[PAGE])).await;
    desk.run(third).await.unwrap();
    assert_eq!(outbox(&desk).await, []);
}
