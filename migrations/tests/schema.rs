//! The schema goes up, down and up again on a real PostgreSQL, and its promises hold against whoever writes to it.

use sqlx::PgPool;

#[sqlx::test(migrations = false)]
async fn every_migration_goes_up_down_and_up_again(pool: PgPool) {
    let all = celeriac_migrations::up(&pool).await.unwrap();
    assert!(all.len() >= 10, "only {all:?} were applied");
    assert!(celeriac_migrations::up(&pool).await.unwrap().is_empty(), "a second up applied something");
    celeriac_migrations::check(&pool).await.unwrap();

    let undone = celeriac_migrations::down(&pool, 2).await.unwrap();
    assert_eq!(undone, [all[all.len() - 1], all[all.len() - 2]]);
    let missing = celeriac_migrations::check(&pool).await.unwrap_err().to_string();
    assert!(missing.contains("2 migrations behind") && missing.contains("celeriac migrate up"), "{missing}");

    celeriac_migrations::down(&pool, all.len()).await.unwrap();
    let left: Vec<String> = sqlx::query_scalar("select table_name::text from information_schema.tables where table_schema = 'celeriac'")
        .fetch_all(&pool)
        .await
        .unwrap();
    assert_eq!(left, ["_sqlx_migrations"], "undoing everything left tables behind");
    assert_eq!(celeriac_migrations::up(&pool).await.unwrap(), all);
    assert!(celeriac_migrations::status(&pool).await.unwrap().iter().all(|status| status.known && status.applied_at.is_some()));
}

#[sqlx::test(migrator = "celeriac_migrations::MIGRATOR")]
async fn a_document_cannot_be_completed_without_its_result_nor_failed_without_a_reason(pool: PgPool) {
    sqlx::query("insert into celeriac.documents (id, user_id, file_path) values (1, 1, 'documents/user_1/a.pdf')")
        .execute(&pool)
        .await
        .unwrap();
    for (change, constraint) in [
        ("status = 'completed'", "completed_has_its_result"),
        (
            "status = 'completed', ai_model_used = 'm', ai_tokens_used = 1, page_count = 1, text_length = 1, processing_ms = 1, completed_at = now()",
            "completed_has_its_result",
        ),
        ("status = 'failed'", "failed_has_its_reason"),
    ] {
        let statement = format!("update celeriac.documents set {change} where id = 1");
        let error = sqlx::query(sqlx::AssertSqlSafe(statement)).execute(&pool).await.unwrap_err();
        assert_eq!(error.as_database_error().unwrap().constraint(), Some(constraint), "{change}");
    }
}

#[sqlx::test(migrator = "celeriac_migrations::MIGRATOR")]
async fn enqueue_commits_and_rolls_back_with_its_transaction_and_refuses_what_is_not_a_job(pool: PgPool) {
    let count = || async { sqlx::query_scalar::<_, i64>("select count(*) from celeriac.outbox").fetch_one(&pool).await.unwrap() };
    let mut transaction = pool.begin().await.unwrap();
    sqlx::query("select celeriac.enqueue('process_document', '{\"document_id\": 1}')").execute(&mut *transaction).await.unwrap();
    transaction.rollback().await.unwrap();
    assert_eq!(count().await, 0, "a rollback enqueued");

    for _ in 0..2 {
        sqlx::query("select celeriac.enqueue('process_document', '{\"document_id\": 1}', id => 'once')").execute(&pool).await.unwrap();
    }
    assert_eq!(count().await, 1, "the same id was enqueued twice");

    for (call, hint) in [("celeriac.enqueue('Not A Job')", "snake_case"), ("celeriac.enqueue('job', '[1]')", "object")] {
        let error = sqlx::query(sqlx::AssertSqlSafe(format!("select {call}"))).execute(&pool).await.unwrap_err();
        let database = error.into_database_error().unwrap();
        let hinted = database.downcast_ref::<sqlx::postgres::PgDatabaseError>().hint().unwrap_or_default().to_owned();
        assert!(hinted.contains(hint), "{call}: {database} / {hinted}");
    }
}

#[sqlx::test(migrator = "celeriac_migrations::MIGRATOR")]
async fn an_occurrence_fires_once_and_its_confirmation_reaches_the_run(pool: PgPool) {
    sqlx::query(
        "insert into celeriac.schedules (name, cron, job, expires_seconds) values ('hourly', '0 * * * *', 'expire_licenses', 3000)",
    )
    .execute(&pool)
    .await
    .unwrap();
    let fire = "select celeriac.fire('hourly', '2026-11-21T03:00:00Z', 'due')";
    let fired: Vec<bool> =
        vec![sqlx::query_scalar(fire).fetch_one(&pool).await.unwrap(), sqlx::query_scalar(fire).fetch_one(&pool).await.unwrap()];
    assert_eq!(fired, [true, false]);
    let id: String =
        sqlx::query_scalar("select id from celeriac.outbox where expires_at = '2026-11-21T03:50:00Z'").fetch_one(&pool).await.unwrap();
    assert_eq!(id, "hourly@2026-11-21T03:00:00.000Z");

    for _ in 0..2 {
        sqlx::query("select celeriac.confirm(array[$1], array['finished'], array[null::text])").bind(&id).execute(&pool).await.unwrap();
    }
    let outcome: Option<String> = sqlx::query_scalar("select outcome from celeriac.schedule_runs").fetch_one(&pool).await.unwrap();
    assert_eq!(outcome.as_deref(), Some("finished"));
}

#[sqlx::test(migrator = "celeriac_migrations::MIGRATOR")]
async fn the_finish_of_a_retried_job_stands_although_word_of_its_death_came_late(pool: PgPool) {
    let id: String = sqlx::query_scalar("select celeriac.enqueue('greet')").fetch_one(&pool).await.unwrap();
    let mut seen = Vec::new();
    for outcome in ["dead", "cancelled", "finished", "dead", "expired"] {
        sqlx::query("select celeriac.confirm(array[$1], array[$2], array[null::text])")
            .bind(&id)
            .bind(outcome)
            .execute(&pool)
            .await
            .unwrap();
        let stands: String =
            sqlx::query_scalar("select outcome from celeriac.outbox where id = $1").bind(&id).fetch_one(&pool).await.unwrap();
        seen.push(stands);
    }
    assert_eq!(seen, ["dead", "dead", "finished", "finished", "finished"]);
}

#[sqlx::test(migrations = false)]
async fn whoever_might_enqueue_still_may_after_the_function_got_more_parameters_and_nobody_else(pool: PgPool) {
    celeriac_migrations::up(&pool).await.unwrap();
    // Roles belong to the whole server: a name of this test's own, as PostgreSQL writes it.
    let mut role = format!("web_{}", pool.connect_options().get_database().unwrap()).to_lowercase();
    role.truncate(63);
    let run = async |sql: String| sqlx::raw_sql(sqlx::AssertSqlSafe(sql)).execute(&pool).await.unwrap();
    let above = celeriac_migrations::status(&pool).await.unwrap().iter().filter(|status| status.version >= 10).count();
    celeriac_migrations::down(&pool, above).await.unwrap();
    run(format!(
        "create role {role}; revoke all on function celeriac.enqueue from public; grant execute on function celeriac.enqueue to {role}"
    ))
    .await;
    for step in ["up", "down"] {
        match step {
            "up" => drop(celeriac_migrations::up(&pool).await.unwrap()),
            _ => drop(celeriac_migrations::down(&pool, above).await.unwrap()),
        }
        let grantees: Vec<String> = sqlx::query_scalar(
            "select coalesce(nullif(grantee::regrole::text, '-'), 'public') from pg_proc, aclexplode(proacl)
             where oid = 'celeriac.enqueue'::regproc and grantee <> proowner",
        )
        // A prepared statement would keep the oid that the name had at first.
        .persistent(false)
        .fetch_all(&pool)
        .await
        .unwrap();
        assert_eq!(grantees, [role.as_str()], "after {step}");
    }
    run(format!("drop owned by {role}; drop role {role}")).await;
}

#[sqlx::test(migrator = "celeriac_migrations::MIGRATOR")]
async fn enqueue_refuses_keys_and_unique_scopes_that_the_queue_would_refuse(pool: PgPool) {
    for (call, hint) in [
        ("key => 'two words'", "tenant-42"),
        ("units => 0", "1 to 1000000000"),
        ("unique_scope => 'period'", "unique_period"),
        ("unique_scope => 'queued', unique_period => '1 minute'", "unique_period"),
        ("unique_scope => 'always'", "unique_period"),
    ] {
        let statement = format!("select celeriac.enqueue('greet', {call})");
        let error = sqlx::query(sqlx::AssertSqlSafe(statement)).execute(&pool).await.unwrap_err();
        let database = error.into_database_error().unwrap();
        let hinted = database.downcast_ref::<sqlx::postgres::PgDatabaseError>().hint().unwrap_or_default().to_owned();
        assert!(hinted.contains(hint), "{call}: {database} / {hinted}");
    }
    for call in ["unique_key => ''", "unique_conflict => 'merge'", "unique_period => '0 s'", "unique_period => '400 days'"] {
        let statement = format!("select celeriac.enqueue('greet', {call})");
        assert!(sqlx::query(sqlx::AssertSqlSafe(statement)).execute(&pool).await.is_err(), "{call} was accepted");
    }
}
