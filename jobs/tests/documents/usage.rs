//! Monthly limits: counted when a document begins, given back when it fails, exact however many begin at once.

use celeriac_queue::{Outcome, State};
use sqlx::PgPool;

use crate::desk::{Desk, shown};
use crate::files::text_pdf;

async fn used(desk: &Desk) -> i64 {
    let used = sqlx::query_scalar("select used from celeriac.usage_counters where user_id = 1 and kind = 'documents'");
    used.fetch_optional(&desk.pool).await.unwrap().unwrap_or(0)
}

#[sqlx::test(migrator = "celeriac_migrations::MIGRATOR")]
async fn of_many_documents_at_once_exactly_as_many_as_allowed_are_processed(pool: PgPool) {
    let mut desk = Desk::new(pool).await;
    desk.documents.limits.documents_per_month = Some(3);
    let mut ids = Vec::new();
    for _ in 0..8 {
        ids.push(desk.add(&text_pdf(&["A page with more than eight words so that it is text."])).await);
    }
    let results = futures::future::join_all(ids.iter().map(|id| desk.run(*id))).await;
    assert_eq!(results.iter().filter(|result| result.is_ok()).count(), 3);
    for result in results.into_iter().filter(Result::is_err) {
        let (next, told) = shown(result);
        assert!(next == "bury" && told.starts_with("The limit of 3 documents a month is reached for "), "{next}: {told}");
    }
    assert_eq!((used(&desk).await, desk.requests()), (3, 3));
}

#[sqlx::test(migrator = "celeriac_migrations::MIGRATOR")]
async fn a_document_that_fails_is_given_back_once_and_a_retry_is_not_counted_again(pool: PgPool) {
    let mut desk = Desk::new(pool).await;
    desk.documents.limits.documents_per_month = Some(1);
    let broken = desk.add(b"%PDF-1.7 broken").await;
    for _ in 0..2 {
        assert_eq!(shown(desk.run(broken).await).0, "bury");
        assert_eq!(used(&desk).await, 1);
    }
    for _ in 0..2 {
        desk.on_terminal(broken, Outcome::new(State::Dead, 0).because("refused", "r")).await;
        assert_eq!(used(&desk).await, 0);
    }
    let healthy = desk.add(&text_pdf(&["A page with more than eight words so that it is text."])).await;
    desk.run(healthy).await.unwrap();
    desk.on_terminal(healthy, Outcome::new(State::Dead, 0).because("poison", "late notice")).await;
    assert_eq!(used(&desk).await, 1, "a completed document was given back");
}

#[sqlx::test(migrator = "celeriac_migrations::MIGRATOR")]
async fn a_users_own_limit_stands_before_everybodys(pool: PgPool) {
    let mut desk = Desk::new(pool).await;
    desk.documents.limits.documents_per_month = Some(0);
    let id = desk.add(&text_pdf(&["A page with more than eight words so that it is text."])).await;
    assert_eq!(shown(desk.run(id).await).0, "bury");
    sqlx::query("insert into celeriac.usage_limits (user_id, kind, monthly) values (1, 'documents', null)")
        .execute(&desk.pool)
        .await
        .unwrap();
    desk.run(id).await.unwrap();
    sqlx::query("update celeriac.usage_limits set monthly = 1").execute(&desk.pool).await.unwrap();
    let second = desk.add(&text_pdf(&["Another page with more than eight words so that it is text."])).await;
    assert_eq!(shown(desk.run(second).await).0, "bury");
}
