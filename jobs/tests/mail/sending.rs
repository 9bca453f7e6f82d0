//! Who is written to, how often, and what each refusal leads to.

use celeriac_jobs::mail::{Security, Told};
use celeriac_ops::standin::smtp::{Fault, Options};
use sqlx::PgPool;

use crate::desk::Desk;

#[sqlx::test(migrator = "celeriac_migrations::MIGRATOR")]
async fn a_user_is_told_once_and_the_mail_says_nothing_of_the_document(pool: PgPool) {
    let desk = Desk::new(pool).await;
    let id = desk.completed().await;
    assert_eq!(desk.told(id).await, (Told::Sent, true));
    assert_eq!(desk.told(id).await, (Told::Sent, false));
    let mails = desk.mails();
    assert_eq!((mails.len(), mails[0].from.as_str(), mails[0].to.as_str()), (1, "no-reply@example.org", "ada@example.org"));
    assert!(
        mails[0].text.contains(&format!("https://app.example/documents/{id}")) && mails[0].text.contains("Hello Ada"),
        "{}",
        mails[0].text
    );
    assert_eq!(desk.row(id).await, Some(("sent".to_owned(), 1, Some(250))));
}

#[sqlx::test(migrator = "celeriac_migrations::MIGRATOR")]
async fn who_wants_no_mail_has_no_address_or_deleted_the_document_gets_none(pool: PgPool) {
    let desk = Desk::new(pool).await;
    let id = desk.completed().await;
    for (change, back) in [
        ("update celeriac.recipients set document_ready = false", "update celeriac.recipients set document_ready = true"),
        ("update celeriac.documents set deleted_at = now()", "update celeriac.documents set deleted_at = null"),
        ("update celeriac.documents set status = 'analyzing'", "update celeriac.documents set status = 'completed'"),
    ] {
        desk.execute(change).await;
        assert_eq!(desk.told(id).await, (Told::Skipped, true), "{change}");
        desk.execute(back).await;
    }
    desk.execute("delete from celeriac.recipients").await;
    assert_eq!(desk.told(id).await, (Told::Skipped, true));
    assert_eq!((desk.stub.counters().connections, desk.row(id).await), (0, None));
}

#[sqlx::test(migrator = "celeriac_migrations::MIGRATOR")]
async fn a_no_for_now_is_tried_again_and_a_no_for_good_is_not(pool: PgPool) {
    let desk = Desk::new(pool).await;
    // Fault; whether the next run sends it; the state after the first.
    let cases = [
        (Fault::Busy, true, None),
        (Fault::Recipient(450), true, None),
        (Fault::CutBeforeText, true, Some("postponed")),
        (Fault::Text(451), true, Some("postponed")),
        (Fault::Recipient(550), false, Some("refused")),
        (Fault::Text(554), false, Some("refused")),
    ];
    for (fault, again, state) in cases {
        let id = desk.completed().await;
        desk.next(&[fault]);
        let before = desk.mails().len();
        match again {
            true => assert_eq!(desk.failed(id).await.0, "retry", "{fault:?}"),
            false => assert_eq!(desk.told(id).await, (Told::Refused, true), "{fault:?}"),
        }
        assert_eq!(desk.row(id).await.map(|row| row.0).as_deref(), state, "{fault:?}");
        let second = desk.told(id).await;
        assert_eq!(
            (second, desk.mails().len() - before),
            if again { ((Told::Sent, true), 1) } else { ((Told::Refused, false), 0) },
            "{fault:?}"
        );
    }
}

#[sqlx::test(migrator = "celeriac_migrations::MIGRATOR")]
async fn what_only_an_operator_can_mend_pauses_the_mail_and_no_secret_or_address_is_told(pool: PgPool) {
    let login = Some(("app".to_owned(), "right".to_owned()));
    let mut desk = Desk::with(pool, Options { login, ..Options::default() }).await;
    let id = desk.completed().await;
    desk.config().credentials = Some(("app".to_owned(), "hunter2".to_owned().into()));
    let (next, reason) = desk.failed(id).await;
    assert!(next == "pause" && reason.contains("EMAIL_HOST_PASSWORD") && !reason.contains("hunter2"), "{next}: {reason}");
    assert_eq!(desk.stub.counters().refused_logins, 1);

    desk.config().credentials = Some(("app".to_owned(), "right".to_owned().into()));
    desk.next(&[Fault::Sender(553)]);
    let (next, reason) = desk.failed(id).await;
    assert!(next == "pause" && reason.contains("DEFAULT_FROM_EMAIL"), "{next}: {reason}");

    desk.config().security = Security::StartTls;
    let (next, reason) = desk.failed(id).await;
    assert!(next == "pause" && reason.contains("STARTTLS"), "{next}: {reason}");
    desk.config().security = Security::Plain;
    desk.next(&[Fault::Recipient(450)]);
    let (_, reason) = desk.failed(id).await;
    assert!(!reason.contains("ada"), "{reason}");
    assert_eq!(desk.told(id).await, (Told::Sent, true));
}

#[sqlx::test(migrator = "celeriac_migrations::MIGRATOR")]
async fn a_server_that_is_away_is_tried_again(pool: PgPool) {
    let mut desk = Desk::new(pool).await;
    let id = desk.completed().await;
    let port = desk.config().port;
    desk.config().port = std::net::TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap().port();
    assert_eq!(desk.failed(id).await.0, "retry");
    desk.config().port = port;
    assert_eq!(desk.told(id).await, (Told::Sent, true));
}
