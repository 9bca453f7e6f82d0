//! `celeriac document` and `celeriac recover`.

use celeriac_jobs::crypt::FieldKeys;
use serde_json::json;
use sqlx::PgPool;

use crate::support::Installation;

const OLD_KEY: &str = "Y2VsZXJpYWMtZXhhbXBsZS1rZXktMzItYnl0ZXMhISE=";
const NEW_KEY: &str = "YW5vdGhlci1leGFtcGxlLWtleS1vZi0zMi1ieXRlcyE=";

#[sqlx::test(migrator = "celeriac_migrations::MIGRATOR")]
async fn an_added_document_is_a_file_a_row_and_a_job_together(pool: PgPool) {
    let media = tempfile::tempdir().unwrap();
    let upload = tempfile::Builder::new().suffix(".PDF").tempfile().unwrap();
    let content: Vec<u8> = (0..3_000_000_u32).map(|n| (n % 251) as u8).collect();
    std::fs::write(upload.path(), &content).unwrap();
    let here = Installation::with(pool, &[("MEDIA_ROOT", media.path().to_str().unwrap())]).await;

    let added = here.run(&["document", "add", upload.path().to_str().unwrap(), "--user", "7", "--consent"]).await.json;
    let file_path = added["file_path"].as_str().unwrap();
    assert!(file_path.starts_with("documents/user_7/") && file_path.ends_with(".pdf"), "{file_path}");
    assert!(std::fs::read(media.path().join(file_path)).unwrap() == content, "the stored file differs");
    let row: (i64, String, String, serde_json::Value) = sqlx::query_as(
        "select d.user_id, d.status, o.job, o.args from celeriac.documents d, celeriac.outbox o where d.id = $1 and o.id = $2",
    )
    .bind(added["document_id"].as_i64())
    .bind(added["job_id"].as_str())
    .fetch_one(&here.pool)
    .await
    .unwrap();
    assert_eq!(row, (7, "uploading".into(), "process_document".into(), json!({ "document_id": added["document_id"] })));
    let consents: i64 = sqlx::query_scalar("select count(*) from celeriac.consents where user_id = 7").fetch_one(&here.pool).await.unwrap();
    assert_eq!(consents, 1);
    here.run(&["document", "add", upload.path().to_str().unwrap(), "--user", "7", "--consent"]).await;
}

#[sqlx::test(migrator = "celeriac_migrations::MIGRATOR")]
async fn a_document_whose_job_cannot_be_enqueued_leaves_no_row_and_no_file(pool: PgPool) {
    let media = tempfile::tempdir().unwrap();
    let upload = tempfile::NamedTempFile::new().unwrap();
    std::fs::write(upload.path(), "x").unwrap();
    let here = Installation::with(pool, &[("MEDIA_ROOT", media.path().to_str().unwrap())]).await;
    sqlx::query("drop table celeriac.outbox").execute(&here.pool).await.unwrap();
    here.refusal(&["document", "add", upload.path().to_str().unwrap(), "--user", "7", "--consent"]).await;
    let rows: i64 = sqlx::query_scalar("select (select count(*) from celeriac.documents) + (select count(*) from celeriac.consents)")
        .fetch_one(&here.pool)
        .await
        .unwrap();
    assert_eq!(rows, 0);
    let folder = media.path().join("documents/user_7");
    assert_eq!(std::fs::read_dir(folder).map_or(0, |entries| entries.count()), 0, "a file was left behind");
}

#[sqlx::test(migrator = "celeriac_migrations::MIGRATOR")]
async fn an_analysis_is_shown_decrypted_by_an_older_key_of_the_ring(pool: PgPool) {
    let token = FieldKeys::new(&[OLD_KEY]).unwrap().encrypt(&json!({ "summary": "a letter" }).to_string());
    let id: i64 = sqlx::query_scalar(
        "insert into celeriac.documents (user_id, file_path, status, ai_summary, ai_model_used, ai_tokens_used, page_count, text_length,
                processing_ms, completed_at)
         values (1, 'documents/user_1/a.pdf', 'completed', $1, 'a-model', 10, 1, 2, 3, now()) returning id",
    )
    .bind(&token)
    .fetch_one(&pool)
    .await
    .unwrap();
    let id = id.to_string();
    let ring = format!("{NEW_KEY},{OLD_KEY}");
    let here = Installation::with(pool.clone(), &[("FIELD_ENCRYPTION_KEYS", &ring)]).await;
    let shown = here.run(&["document", "show", &id]).await;
    assert_eq!(shown.json["analysis"], json!({ "summary": "a letter" }));
    assert!(!shown.json.to_string().contains(&token), "the encrypted column was shown too");

    let stranger = Installation::with(pool, &[("FIELD_ENCRYPTION_KEYS", NEW_KEY)]).await;
    assert!(stranger.refusal(&["document", "show", &id]).await.contains("FIELD_ENCRYPTION_KEYS"));
    assert!(stranger.refusal(&["document", "show", "999999"]).await.contains("there is no document 999999"));
}

#[sqlx::test(migrator = "celeriac_migrations::MIGRATOR")]
async fn a_list_has_what_is_in_motion_first_and_leaves_out_what_is_deleted_or_ended_long_ago(pool: PgPool) {
    let rows: Vec<(String, i64)> = sqlx::query_as(
        "insert into celeriac.documents (user_id, file_path, file_name, status, error_message, ai_summary, ai_model_used, ai_tokens_used,
                page_count, pages_missing, text_length, processing_ms, created_at, completed_at, deleted_at)
         select user_id, 'documents/user_1/' || name, 'name of ' || name, status, problem,
                case when status = 'completed' then 'token' end, case when status = 'completed' then 'a-model' end, 10, 4, missing, 2, 3,
                now() - interval '1 day' - added * interval '1 minute', now() - ended * interval '1 minute',
                case when name = 'deleted' then now() end
         from (values ('waits', 1, 'uploading', 2, null, 0, null), ('asks', 2, 'analyzing', 1, null, 0, null),
                      ('partial', 1, 'completed', 3, 10, 1, null), ('failed', 2, 'failed', 4, 5, 0, 'The file is empty.'),
                      ('old', 1, 'completed', 9, 3000, 0, null), ('deleted', 1, 'completed', 3, 1, 0, null))
              as of (name, user_id, status, added, ended, missing, problem)
         returning substring(file_path from '[a-z]+$'), id",
    )
    .fetch_all(&pool)
    .await
    .unwrap();
    let id = |name: &str| rows.iter().find(|(row, _)| row == name).map(|(_, id)| json!(id)).unwrap();
    let here = Installation::new(pool).await;
    let ids = async |more: &[&str]| -> Vec<serde_json::Value> {
        let listed = here.run(&[&["document", "list"], more].concat()).await.json;
        listed.as_array().unwrap().iter().map(|row| row["id"].clone()).collect()
    };
    assert_eq!(ids(&[]).await, [id("asks"), id("waits"), id("failed"), id("partial")]);
    assert_eq!(ids(&["--since", "3d"]).await, [id("asks"), id("waits"), id("failed"), id("partial"), id("old")]);
    assert_eq!(ids(&["--user", "1"]).await, [id("waits"), id("partial")]);
    assert_eq!(ids(&["--status", "failed"]).await, [id("failed")]);
    assert_eq!(ids(&["--limit", "1"]).await, [id("asks")]);
    let told = here.text(&["document", "list"]).await;
    assert!(told.contains("4, 1 not read") && told.contains("The file is empty."), "{told}");
    assert!(!told.contains("name of"), "a name that a user gave is shown:\n{told}");
    let page = crate::support::get(&here.router(), "/").await.text;
    assert!(page.contains("4, 1 not read") && page.contains("The file is empty.") && !page.contains("name of"), "{page}");
}

#[sqlx::test(migrator = "celeriac_migrations::MIGRATOR")]
async fn recover_enqueues_each_stranded_document_once(pool: PgPool) {
    let here = Installation::new(pool).await;
    for (path, status) in [("stranded", "analyzing"), ("queued", "uploading"), ("ended", "failed")] {
        sqlx::query("insert into celeriac.documents (user_id, file_path, status, error_message) values (1, $1, $2, 'x')")
            .bind(path)
            .bind(status)
            .execute(&here.pool)
            .await
            .unwrap();
    }
    sqlx::query("select celeriac.enqueue('process_document', jsonb_build_object('document_id', id)) from celeriac.documents where file_path = 'queued'")
        .execute(&here.pool)
        .await
        .unwrap();
    let stranded: i64 =
        sqlx::query_scalar("select id from celeriac.documents where file_path = 'stranded'").fetch_one(&here.pool).await.unwrap();

    let dry = here.run(&["recover", "--dry-run"]).await.json;
    assert_eq!((dry["documents"][0]["document_id"].as_i64(), dry["documents"].as_array().unwrap().len()), (Some(stranded), 1));
    let done = here.run(&["recover"]).await.json;
    assert_eq!(done["documents"].as_array().unwrap().len(), 1, "{done}");
    assert_eq!(here.run(&["recover"]).await.json["documents"], json!([]), "a second run enqueued it again");
    let rows: i64 = sqlx::query_scalar("select count(*) from celeriac.outbox").fetch_one(&here.pool).await.unwrap();
    assert_eq!(rows, 2);
}

#[sqlx::test(migrator = "celeriac_migrations::MIGRATOR")]
async fn a_deleted_document_is_fenced_off_and_its_open_jobs_are_cancelled(pool: PgPool) {
    let media = tempfile::tempdir().unwrap();
    let upload = tempfile::NamedTempFile::new().unwrap();
    std::fs::write(upload.path(), "x").unwrap();
    let here = Installation::with(pool, &[("MEDIA_ROOT", media.path().to_str().unwrap())]).await;
    let mut added = Vec::new();
    for _ in 0..2 {
        added.push(here.run(&["document", "add", upload.path().to_str().unwrap(), "--user", "7"]).await.json);
    }
    let (id, job) = (added[0]["document_id"].as_i64().unwrap(), &added[0]["job_id"]);
    let deleted = here.run(&["document", "delete", &id.to_string()]).await.json;
    assert_eq!(deleted, json!({ "document_id": id, "fresh": true, "cancelled": [job] }));
    let again = here.run(&["document", "delete", &id.to_string()]).await.json;
    assert_eq!(again, json!({ "document_id": id, "fresh": false, "cancelled": [] }));
    let fences: Vec<(i64, bool)> =
        sqlx::query_as("select fence, deleted_at is not null from celeriac.documents order by id").fetch_all(&here.pool).await.unwrap();
    assert_eq!(fences, [(1, true), (0, false)]);
    let outcomes: Vec<Option<String>> =
        sqlx::query_scalar("select outcome from celeriac.outbox order by created_at").fetch_all(&here.pool).await.unwrap();
    assert_eq!(outcomes, [Some("cancelled".to_owned()), None]);
    assert!(media.path().join(added[0]["file_path"].as_str().unwrap()).exists(), "the file goes with the purge");
    assert!(here.refusal(&["document", "delete", "4711"]).await.contains("there is no document 4711"));
}

#[sqlx::test(migrator = "celeriac_migrations::MIGRATOR")]
async fn health_and_metrics_tell_of_a_purge_that_does_not_come_and_of_unknown_mails(pool: PgPool) {
    let here = Installation::new(pool).await;
    sqlx::raw_sql(
        "insert into celeriac.documents (user_id, file_path, deleted_at)
         values (1, 'a', now() - interval '93 days'), (1, 'b', now() - interval '89 days');
         insert into celeriac.sent_mails (kind, subject_id, user_id, state, job_id, settled_at)
         values ('document_ready', 1, 1, 'unknown', 'j', now()), ('document_ready', 2, 1, 'sent', 'j', now())",
    )
    .execute(&here.pool)
    .await
    .unwrap();
    let checks = crate::support::get(&here.router(), "/health/?full=1").await.json()["checks"].clone();
    assert_eq!(
        (&checks["deleted_documents"]["status"], &checks["deleted_documents"]["overdue"]),
        (&json!("degraded"), &json!(1)),
        "{checks}"
    );
    assert_eq!((&checks["mail"]["sent_24h"], &checks["mail"]["unknown_24h"]), (&json!(1), &json!(1)), "{checks}");
    let metrics = crate::support::get(&here.router(), "/metrics").await.text;
    for line in [
        "celeriac_documents_deleted{stage=\"overdue\"} 1",
        "celeriac_documents_deleted{stage=\"waiting\"} 1",
        "celeriac_mails_today{outcome=\"unknown\"} 1",
    ] {
        assert!(metrics.contains(line), "{line} is missing in:\n{metrics}");
    }
}
