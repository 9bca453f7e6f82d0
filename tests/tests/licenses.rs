//! `expire_licenses` against a real database.

use celeriac_jobs::licenses::expire;
use sqlx::PgPool;

/// Licences of every kind; returns the ids of those whose time is up.
async fn seed(pool: &PgPool) -> Vec<i64> {
    sqlx::query_scalar(
        "insert into celeriac.licenses (user_id, plan, status, trial_expires_at, plan_expires_at) values
             (1, 'trial',     'active',  now() - interval '1 second', null),
             (2, 'monthly',   'active',  null,                        now() - interval '1 day'),
             (3, 'yearly',    'active',  now() + interval '9 days',   now() - interval '1 day'),
             (4, 'trial',     'active',  now() + interval '1 minute', now() - interval '1 day'),
             (5, 'monthly',   'active',  now() - interval '1 day',    now() + interval '1 minute'),
             (6, 'perpetual', 'active',  now() - interval '1 year',   now() - interval '1 year'),
             (7, 'monthly',   'revoked', null,                        now() - interval '1 day')
         returning id",
    )
    .fetch_all(pool)
    .await
    .unwrap()[..3]
        .to_vec()
}

async fn expired(pool: &PgPool) -> Vec<i64> {
    sqlx::query_scalar("select id from celeriac.licenses where status = 'expired' and expired_at is not null order by id")
        .fetch_all(pool)
        .await
        .unwrap()
}

#[sqlx::test(migrator = "celeriac_migrations::MIGRATOR")]
async fn only_licences_past_the_end_of_their_own_plan_expire_and_a_second_run_finds_none(pool: PgPool) {
    let up = seed(&pool).await;
    let first = expire(&pool, false).await.unwrap();
    assert_eq!((first.expired, &first.licenses), (3, &up));
    assert_eq!(expired(&pool).await, up);
    assert_eq!(expire(&pool, false).await.unwrap().expired, 0);
}

#[sqlx::test(migrator = "celeriac_migrations::MIGRATOR")]
async fn a_dry_run_lists_the_same_licences_and_changes_none(pool: PgPool) {
    let up = seed(&pool).await;
    let dry = expire(&pool, true).await.unwrap();
    assert_eq!((dry.dry_run, dry.expired, &dry.licenses), (true, 3, &up));
    assert!(expired(&pool).await.is_empty());
}

#[sqlx::test(migrator = "celeriac_migrations::MIGRATOR")]
async fn more_licences_than_a_batch_all_expire_and_the_report_stays_short(pool: PgPool) {
    sqlx::query(
        "insert into celeriac.licenses (user_id, plan, trial_expires_at)
         select n, 'trial', now() - interval '1 day' from generate_series(1, 1201) n",
    )
    .execute(&pool)
    .await
    .unwrap();
    let report = expire(&pool, false).await.unwrap();
    assert_eq!((report.expired, report.licenses.len()), (1201, 100));
    assert_eq!(expired(&pool).await.len(), 1201);
}

#[sqlx::test(migrator = "celeriac_migrations::MIGRATOR")]
async fn a_licence_that_the_web_app_holds_locked_is_left_to_the_next_run(pool: PgPool) {
    let up = seed(&pool).await;
    let mut app = pool.begin().await.unwrap();
    sqlx::query("update celeriac.licenses set plan_expires_at = now() + interval '1 month' where id = $1")
        .bind(up[1])
        .execute(&mut *app)
        .await
        .unwrap();
    assert_eq!(expire(&pool, false).await.unwrap().licenses, [up[0], up[2]]);
    app.commit().await.unwrap();
    assert_eq!(expire(&pool, false).await.unwrap().expired, 0, "it was extended meanwhile");
}
