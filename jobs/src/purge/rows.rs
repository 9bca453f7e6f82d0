//! The statements of `purge_documents`.

use std::time::Duration;

use sqlx::PgPool;

/// A document that was taken for purging.
#[derive(Debug)]
pub(super) struct Taken {
    pub(super) id: i64,
    pub(super) file_path: String,
    /// Another document that stays has the same file.
    pub(super) file_is_shared: bool,
}

/// Takes the next documents, by id, that were deleted longer ago than that; also those that an earlier run left half-way. From here on
/// nobody can take them back.
pub(super) async fn take(pool: &PgPool, deleted_for: Duration, beyond_id: i64, limit: i64) -> sqlx::Result<Vec<Taken>> {
    let mut taken = sqlx::query_as!(
        Taken,
        r#"with taken as (
               update celeriac.documents set purge_begun_at = coalesce(purge_begun_at, now()), fence = fence + 1
               where id in (
                   select id from celeriac.documents
                   where deleted_at < now() - make_interval(secs => $1) and id > $2
                   order by id limit $3 for update skip locked)
               returning id, file_path)
           select id as "id!", file_path as "file_path!",
                  exists (select 1 from celeriac.documents as other
                          where other.file_path = taken.file_path and other.purge_begun_at is null
                            and other.id not in (select id from taken)) as "file_is_shared!"
           from taken"#,
        deleted_for.as_secs_f64(),
        beyond_id,
        limit
    )
    .fetch_all(pool)
    .await?;
    taken.sort_by_key(|document| document.id);
    Ok(taken)
}

/// Deletes the rows of documents whose files are gone, and all that repeats their text. The costs of their calls stay.
pub(super) async fn erase(pool: &PgPool, ids: &[i64]) -> sqlx::Result<()> {
    let mut transaction = pool.begin().await?;
    sqlx::query!(
        "update celeriac.paid_calls set answer = null, answer_deleted_at = now()
         where subject_kind in ('document', 'denial_letter') and subject_id = any($1) and answer is not null",
        ids
    )
    .execute(&mut *transaction)
    .await?;
    sqlx::query!("delete from celeriac.sent_mails where kind = 'document_ready' and subject_id = any($1)", ids)
        .execute(&mut *transaction)
        .await?;
    sqlx::query!("delete from celeriac.documents where id = any($1) and purge_begun_at is not null", ids)
        .execute(&mut *transaction)
        .await?;
    transaction.commit().await
}

/// Deletes the oldest analyses past their time, and the answers they came from. Returns how many documents had one.
pub(super) async fn delete_analyses(pool: &PgPool, keep: Duration, limit: i64) -> sqlx::Result<u64> {
    let mut transaction = pool.begin().await?;
    let ids = sqlx::query_scalar!(
        "update celeriac.documents set ai_summary = null, summary_purged_at = now()
         where id in (
             select id from celeriac.documents
             where status = 'completed' and ai_summary is not null and completed_at < now() - make_interval(secs => $1)
             order by completed_at limit $2 for update skip locked)
         returning id",
        keep.as_secs_f64(),
        limit
    )
    .fetch_all(&mut *transaction)
    .await?;
    sqlx::query!(
        "update celeriac.paid_calls set answer = null, answer_deleted_at = now()
         where subject_kind = 'document' and subject_id = any($1) and answer is not null",
        &ids
    )
    .execute(&mut *transaction)
    .await?;
    transaction.commit().await?;
    Ok(ids.len() as u64)
}

/// Deletes recognized text of documents whose job has ended, and what it gave up. The end of a job deletes it; a run that slept through that end may have left some.
pub(super) async fn forget_stray_text(pool: &PgPool) -> sqlx::Result<()> {
    sqlx::query!(
        "with ended as (
             select 'document' as kind, id from celeriac.documents where status in ('completed', 'failed')
             union all
             select 'denial_letter', document_id from celeriac.denial_letters where status in ('completed', 'failed')
         ), pages as (
             update celeriac.document_pages page set text = null, given_up = false
             where (text is not null or given_up) and read_at < now() - interval '1 hour'
               and exists (select 1 from ended where kind = page.subject_kind and id = page.document_id)
         )
         update celeriac.paid_calls call set answer = null, answer_deleted_at = now()
         where step = 'read_page' and answer is not null and settled_at < now() - interval '1 hour'
           and exists (select 1 from ended where kind = call.subject_kind and id = call.subject_id)"
    )
    .execute(pool)
    .await?;
    Ok(())
}

/// How many documents would be purged, and the first of them.
pub(super) async fn list(pool: &PgPool, deleted_for: Duration, listed_max: i64) -> sqlx::Result<(u64, Vec<i64>)> {
    let row = sqlx::query!(
        r#"with due as (select id from celeriac.documents where deleted_at < now() - make_interval(secs => $1))
           select (select count(*) from due) as "count!", array(select id from due order by id limit $2) as "ids!""#,
        deleted_for.as_secs_f64(),
        listed_max
    )
    .fetch_one(pool)
    .await?;
    Ok((row.count.unsigned_abs(), row.ids))
}

/// How many analyses would be deleted.
pub(super) async fn count_analyses(pool: &PgPool, keep: Duration) -> sqlx::Result<u64> {
    let count = sqlx::query_scalar!(
        r#"select count(*) as "count!" from celeriac.documents
           where status = 'completed' and ai_summary is not null and completed_at < now() - make_interval(secs => $1)"#,
        keep.as_secs_f64()
    );
    Ok(count.fetch_one(pool).await?.unsigned_abs())
}
