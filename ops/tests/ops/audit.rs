//! Every change leaves a row in the audit log; what changed nothing leaves none.

use sqlx::PgPool;

use crate::support::Installation;

async fn log(pool: &PgPool) -> Vec<(String, String)> {
    sqlx::query_as("select action, target from celeriac.audit_log order by id").fetch_all(pool).await.unwrap()
}

#[sqlx::test(migrator = "celeriac_migrations::MIGRATOR")]
async fn every_change_is_logged_with_who_did_it(pool: PgPool) {
    let here = Installation::new(pool).await;
    sqlx::query("insert into celeriac.schedules (name, every_seconds, job) values ('nightly', 86400, 'greet')")
        .execute(&here.pool)
        .await
        .unwrap();
    here.run(&["enqueue", "greet", "--id", "a"]).await;
    let changes: [(&[&str], &str, &str); 11] = [
        (&["job", "cancel", "a"], "cancel", "a"),
        (&["job", "retry", "a"], "retry", "a"),
        (&["queue", "pause", "default", "--reason", "why"], "pause", "default"),
        (&["queue", "resume", "default"], "resume", "default"),
        (&["schedule", "run", "nightly"], "schedule run", "nightly"),
        (&["schedule", "disable", "nightly"], "schedule disable", "nightly"),
        (&["schedule", "enable", "nightly"], "schedule enable", "nightly"),
        (&["key", "create", "web-app"], "key create", "web-app"),
        (&["key", "revoke", "web-app"], "key revoke", "web-app"),
        (&["enqueue", "greet", "--durable", "--id", "b"], "", ""),
        (&["job", "cancel", "b"], "cancel", "b"),
    ];
    for (words, _, _) in changes {
        here.run(words).await;
    }
    here.bury("default", "no").await;
    here.run(&["dead", "replay", "--all"]).await;

    let mut expected: Vec<(String, String)> = changes
        .iter()
        .filter(|(_, action, _)| !action.is_empty())
        .map(|(_, action, target)| ((*action).into(), (*target).into()))
        .collect();
    expected.push(("replay".into(), "a".into()));
    assert_eq!(log(&here.pool).await, expected);
    let strangers: i64 =
        sqlx::query_scalar("select count(*) from celeriac.audit_log where actor not like 'cli:_%'").fetch_one(&here.pool).await.unwrap();
    assert_eq!(strangers, 0);

    for idle in [
        &["queue", "resume", "default"][..],
        &["schedule", "enable", "nightly"],
        &["key", "revoke", "web-app"],
        &["dead", "replay", "--all"],
        &["recover"],
        &["inspect", "stats"],
    ] {
        here.run(idle).await;
    }
    assert_eq!(log(&here.pool).await, expected, "what changed nothing was logged");
}
