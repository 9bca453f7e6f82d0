//! When nobody can know whether a mail was sent, it is not sent a second time.

use std::time::Duration;

use celeriac_jobs::mail::Told;
use celeriac_ops::standin::smtp::Fault;
use sqlx::PgPool;

use crate::desk::{Desk, eventually};

const SLOW: Fault = Fault::Slow(Duration::from_secs(600));

#[sqlx::test(migrator = "celeriac_migrations::MIGRATOR")]
async fn an_answer_that_does_not_come_is_an_unknown_outcome_and_ends_the_job(pool: PgPool) {
    let mut desk = Desk::new(pool).await;
    desk.config().timeout = Duration::from_millis(300);
    for fault in [Fault::CutAfterText, SLOW] {
        let id = desk.completed().await;
        desk.next(&[fault]);
        let before = desk.mails().len();
        assert_eq!(desk.told(id).await, (Told::Unknown, true), "{fault:?}");
        assert_eq!(desk.told(id).await, (Told::Unknown, false), "{fault:?}");
        assert_eq!((desk.mails().len() - before, desk.row(id).await), (1, Some(("unknown".to_owned(), 1, None))), "{fault:?}");
    }
}

#[sqlx::test(migrator = "celeriac_migrations::MIGRATOR")]
async fn a_run_that_dies_while_the_text_is_on_its_way_is_not_repeated(pool: PgPool) {
    let desk = Desk::new(pool).await;
    let id = desk.completed().await;
    desk.next(&[SLOW]);
    tokio::select! {
        report = desk.run(id) => panic!("the run ended: {report:?}"),
        () = eventually("the server has the text", || desk.mails().len() == 1) => {}
    }
    assert_eq!(desk.row(id).await, Some(("sending".to_owned(), 1, None)), "the row was not committed before the text");
    assert_eq!(desk.told(id).await, (Told::Unknown, false));
    assert_eq!(desk.mails().len(), 1);
}

#[sqlx::test(migrator = "celeriac_migrations::MIGRATOR")]
async fn a_run_that_another_has_called_lost_still_tells_what_the_server_said(pool: PgPool) {
    let desk = Desk::new(pool).await;
    let id = desk.completed().await;
    desk.next(&[Fault::Slow(Duration::from_millis(500))]);
    let second = async {
        eventually("the server has the text", || desk.mails().len() == 1).await;
        desk.told(id).await
    };
    let (first, second) = tokio::join!(desk.told(id), second);
    assert_eq!((first, second), ((Told::Sent, true), (Told::Unknown, false)));
    assert_eq!((desk.row(id).await, desk.mails().len()), (Some(("sent".to_owned(), 1, Some(250))), 1));
}
