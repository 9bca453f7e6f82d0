//! Deleting what is past its time, and what dead runs have left.

use sqlx::PgPool;

use super::catalogue;
use super::store::Store;

/// Objects deleted by one run, at most; the next run goes on.
const DELETED_MAX: i64 = 1000;

/// Deletes backups past their time, object first: a row without an object is repaired by the next run, an object without a row by nobody.
pub(super) async fn delete_old(pool: &PgPool, store: &Store) -> anyhow::Result<Vec<i64>> {
    let mut deleted = Vec::new();
    for backup in catalogue::past_their_time(pool, DELETED_MAX).await? {
        store.remove(&backup.object_key).await?;
        catalogue::deleted(pool, backup.id).await?;
        deleted.push(backup.id);
    }
    Ok(deleted)
}

/// What [`delete_old`] would delete.
pub(super) async fn old(pool: &PgPool) -> anyhow::Result<Vec<i64>> {
    Ok(catalogue::past_their_time(pool, DELETED_MAX).await?.into_iter().map(|backup| backup.id).collect())
}

/// Calls the unfinished backups failed and removes what there is of them. Only for who holds the lock of the backup: then whoever made them
/// is dead. With a job's id only that job's.
pub(super) async fn sweep(pool: &PgPool, store: &Store, job_id: Option<&str>, sentence: &str) -> anyhow::Result<Vec<i64>> {
    let mut swept = Vec::new();
    for backup in catalogue::running(pool, job_id).await? {
        store.remove(&backup.object_key).await?;
        catalogue::fail(pool, backup.id, sentence).await?;
        swept.push(backup.id);
    }
    Ok(swept)
}
