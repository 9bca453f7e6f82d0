//! `celeriac keys rotate`.

use celeriac_jobs::crypt::{ENCRYPTED_COLUMNS, FieldKeys};
use serde_json::json;
use sqlx::{Connection, PgPool};

use crate::support::Installation;

const OLD_KEY: &str = "Y2VsZXJpYWMtZXhhbXBsZS1rZXktMzItYnl0ZXMhISE=";
const NEW_KEY: &str = "YW5vdGhlci1leGFtcGxlLWtleS1vZi0zMi1ieXRlcyE=";
const LOST_KEY: &str = "bG9zdC1sb3N0LWxvc3QtbG9zdC1sb3N0LWxvc3QtMzI=";

async fn insert(pool: &PgPool, token: &str) -> i64 {
    let insert = sqlx::query_scalar(
        "insert into celeriac.documents (user_id, file_path, status, ai_summary, ai_model_used, ai_tokens_used, page_count, text_length,
                processing_ms, completed_at)
         values (1, 'documents/user_1/a.pdf', 'completed', $1, 'a-model', 10, 1, 2, 3, now()) returning id",
    );
    insert.bind(token).fetch_one(pool).await.unwrap()
}

async fn tokens(pool: &PgPool) -> Vec<String> {
    sqlx::query_scalar("select ai_summary from celeriac.documents order by id").fetch_all(pool).await.unwrap()
}

fn documents(reply: &celeriac_ops::reply::Reply) -> &serde_json::Value {
    reply.json["columns"].as_array().unwrap().iter().find(|column| column["table"] == "documents").unwrap()
}

async fn rotating(pool: PgPool) -> Installation {
    Installation::with(pool, &[("FIELD_ENCRYPTION_KEYS", &format!("{NEW_KEY},{OLD_KEY}"))]).await
}

#[sqlx::test(migrator = "celeriac_migrations::MIGRATOR")]
async fn every_column_said_to_be_encrypted_is_one_that_is_rotated(pool: PgPool) {
    let said: Vec<(String, String)> = sqlx::query_as(
        "select c.relname::text, a.attname::text from pg_description d join pg_class c on c.oid = d.objoid and d.classoid = 'pg_class'::regclass
         join pg_attribute a on a.attrelid = c.oid and a.attnum = d.objsubid
         where c.relnamespace = 'celeriac'::regnamespace and d.description ~* 'fernet|encrypted like' order by 1, 2",
    )
    .fetch_all(&pool)
    .await
    .unwrap();
    let mut known: Vec<(String, String)> =
        ENCRYPTED_COLUMNS.iter().map(|column| (column.table.to_owned(), column.column.to_owned())).collect();
    known.sort();
    assert_eq!(said, known);
}

#[sqlx::test(migrator = "celeriac_migrations::MIGRATOR")]
async fn values_of_an_older_key_are_counted_then_encrypted_anew_and_the_old_key_can_go(pool: PgPool) {
    let (old, new) = (FieldKeys::new(&[OLD_KEY]).unwrap(), FieldKeys::new(&[NEW_KEY]).unwrap());
    // More than one batch.
    for number in 0..230 {
        insert(&pool, &old.encrypt(&format!("analysis {number}"))).await;
    }
    let newest = new.encrypt("analysis 230");
    insert(&pool, &newest).await;
    sqlx::query(
        "insert into celeriac.paid_calls (subject_kind, subject_id, step, prompt_version, model, request_hash, job_id, state, answer,
                input_tokens, output_tokens, settled_at)
         values ('document', 1, 'analyze', '1', 'a-model', 'x', 'a', 'answered', $1, 1, 1, now())",
    )
    .bind(old.encrypt("an answer"))
    .execute(&pool)
    .await
    .unwrap();
    let here = rotating(pool).await;
    let before = tokens(&here.pool).await;

    let dry = here.run(&["keys", "rotate", "--dry-run"]).await;
    assert_eq!((&documents(&dry)["by_key"], &documents(&dry)["rotated"], dry.exit_code), (&json!([1, 230]), &json!(0), 0));
    assert_eq!(tokens(&here.pool).await, before, "a dry run changed something");

    let done = here.run(&["keys", "rotate"]).await;
    assert_eq!((&documents(&done)["rotated"], done.exit_code), (&json!(230), 0));
    let after = tokens(&here.pool).await;
    assert_eq!(after[230], newest, "a value of the newest key was written anew");
    for (number, token) in after.iter().enumerate() {
        assert_eq!(new.decrypt(token).unwrap(), format!("analysis {number}"));
    }
    let answer: String = sqlx::query_scalar("select answer from celeriac.paid_calls").fetch_one(&here.pool).await.unwrap();
    assert_eq!(new.decrypt(&answer).unwrap(), "an answer");

    let again = here.run(&["keys", "rotate"]).await;
    assert_eq!((&documents(&again)["by_key"], &documents(&again)["rotated"]), (&json!([231, 0]), &json!(0)));
    assert!(here.text(&["keys", "rotate"]).await.contains("the older ones can go"));
    let audited: Vec<(String, serde_json::Value)> =
        sqlx::query_as("select target, detail from celeriac.audit_log where action = 'keys rotate' order by id")
            .fetch_all(&here.pool)
            .await
            .unwrap();
    let rows = [("documents.ai_summary", 230), ("paid_calls.answer", 1)];
    assert_eq!(audited, rows.map(|(target, values)| (target.to_owned(), json!({ "values": values }))));
}

#[sqlx::test(migrator = "celeriac_migrations::MIGRATOR")]
async fn a_value_that_no_key_opens_is_named_left_alone_and_ends_with_code_1(pool: PgPool) {
    let lost = FieldKeys::new(&[LOST_KEY]).unwrap().encrypt("nobody knows");
    let (first, noise) = (insert(&pool, &lost).await, insert(&pool, "no token").await);
    insert(&pool, &FieldKeys::new(&[OLD_KEY]).unwrap().encrypt("an analysis")).await;
    let here = rotating(pool).await;
    let done = here.run(&["keys", "rotate"]).await;
    assert_eq!((&documents(&done)["unreadable"], &documents(&done)["rotated"], done.exit_code), (&json!(2), &json!(1), 1));
    assert_eq!(documents(&done)["unreadable_rows"], json!([first.to_string(), noise.to_string()]));
    assert_eq!(tokens(&here.pool).await[..2], [lost, "no token".to_owned()]);
    let text = here.text(&["keys", "rotate"]).await;
    assert!(text.contains(&format!("Rows: {first}, {noise}")) && !text.contains("can go"), "{text}");
}

#[sqlx::test(migrator = "celeriac_migrations::MIGRATOR")]
async fn a_row_that_a_worker_holds_is_neither_waited_for_nor_overwritten(pool: PgPool) {
    let (old, new) = (FieldKeys::new(&[OLD_KEY]).unwrap(), FieldKeys::new(&[NEW_KEY]).unwrap());
    let held = insert(&pool, &old.encrypt("before")).await;
    insert(&pool, &old.encrypt("free")).await;
    let here = rotating(pool).await;
    let mut worker = here.pool.acquire().await.unwrap();
    let mut transaction = worker.begin().await.unwrap();
    let written = new.encrypt("after");
    let update = sqlx::query("update celeriac.documents set ai_summary = $2 where id = $1").bind(held).bind(&written);
    update.execute(&mut *transaction).await.unwrap();

    let done = here.run(&["keys", "rotate"]).await;
    assert_eq!((&documents(&done)["rotated"], &documents(&done)["in_use"], done.exit_code), (&json!(1), &json!(1), 1));
    transaction.commit().await.unwrap();
    let done = here.run(&["keys", "rotate"]).await;
    assert_eq!((&documents(&done)["in_use"], done.exit_code), (&json!(0), 0));
    assert_eq!(tokens(&here.pool).await[0], written, "what the worker wrote was overwritten");
}

#[sqlx::test(migrator = "celeriac_migrations::MIGRATOR")]
async fn without_keys_it_says_what_is_missing(pool: PgPool) {
    let here = Installation::new(pool).await;
    assert!(here.refusal(&["keys", "rotate"]).await.contains("FIELD_ENCRYPTION_KEYS is not set"));
}

#[sqlx::test(migrator = "celeriac_migrations::MIGRATOR")]
async fn rows_with_a_key_of_several_columns_are_all_gone_through_in_their_order(pool: PgPool) {
    let (old, new) = (FieldKeys::new(&[OLD_KEY]).unwrap(), FieldKeys::new(&[NEW_KEY]).unwrap());
    let documents = [insert(&pool, &new.encrypt("a")).await, insert(&pool, &new.encrypt("b")).await];
    // More than one batch, and numbers whose order is not that of their texts.
    for (document, page) in documents.iter().flat_map(|document| (1..=120).map(move |page| (document, page))) {
        let page_of = sqlx::query(
            "insert into celeriac.document_pages (subject_kind, document_id, page, file_version, source, text)
             values ('document', $1, $2, 'a', 'vision', $3)",
        );
        page_of.bind(document).bind(page).bind(old.encrypt(&format!("page {page}"))).execute(&pool).await.unwrap();
    }
    let here = rotating(pool).await;
    let done = here.run(&["keys", "rotate"]).await;
    let pages = done.json["columns"].as_array().unwrap().iter().find(|column| column["table"] == "document_pages").unwrap();
    assert_eq!((&pages["by_key"], &pages["rotated"]), (&json!([0, 240]), &json!(240)));
    let kept: Vec<(i32, String)> = sqlx::query_as("select page, text from celeriac.document_pages").fetch_all(&here.pool).await.unwrap();
    assert!(kept.iter().all(|(page, token)| new.decrypt(token).unwrap() == format!("page {page}")));
}
