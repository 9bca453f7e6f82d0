//! The same file of the same user is paid for once.

use sqlx::PgPool;

use crate::desk::{Desk, sample};
use crate::files::text_pdf;

#[sqlx::test(migrator = "celeriac_migrations::MIGRATOR")]
async fn the_same_file_again_is_completed_without_a_call(pool: PgPool) {
    let mut desk = Desk::new(pool).await;
    desk.documents.limits.memo = true;
    let (first, second) = (desk.add(&sample("fax.tiff")).await, desk.add(&sample("fax.tiff")).await);
    desk.run(first).await.unwrap();
    let (asked, paid) = (desk.requests(), desk.row(first).await);
    desk.run(second).await.unwrap();
    let row = desk.row(second).await;
    assert_eq!(desk.requests(), asked);
    assert_eq!((row.strategy.as_deref(), row.ai_tokens_used, row.page_count), (Some("memo"), Some(0), Some(3)));
    assert_eq!((row.text_length, &row.ai_model_used), (paid.text_length, &paid.ai_model_used));
    assert_eq!(desk.analysis(&row), desk.analysis(&paid));
    assert_ne!(row.ai_summary, paid.ai_summary, "each is encrypted by itself");
}

#[sqlx::test(migrator = "celeriac_migrations::MIGRATOR")]
async fn another_users_file_and_another_model_are_asked_about_and_a_switch_turns_it_off(pool: PgPool) {
    let mut desk = Desk::new(pool).await;
    desk.documents.limits.memo = true;
    let file = text_pdf(&["A page with more than eight words so that it is text."]);
    let first = desk.add(&file).await;
    desk.run(first).await.unwrap();

    desk.consent(2).await;
    desk.write("documents/user_2/a.pdf", &file);
    let stranger = desk.add_row(2, "documents/user_2/a.pdf").await;
    desk.run(stranger).await.unwrap();
    assert_eq!(desk.requests(), 2, "another user's finding was handed out");

    desk.documents.limits.memo = false;
    let again = desk.add(&file).await;
    desk.run(again).await.unwrap();
    assert_eq!(desk.requests(), 3);

    desk.documents.limits.memo = true;
    sqlx::query("update celeriac.documents set model_asked = 'an older one'").execute(&desk.pool).await.unwrap();
    let other_model = desk.add(&file).await;
    desk.run(other_model).await.unwrap();
    assert_eq!(desk.requests(), 4);
}
