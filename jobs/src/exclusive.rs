//! One run at a time: a lock in PostgreSQL that a dead holder cannot keep.

use sqlx::PgPool;

/// First half of every key, so that the locks of a web app in the same database do not meet ours. ("cele")
const OURS: i32 = 0x63_65_6c_65;

/// What only one run may do at a time in one database.
#[derive(Debug, Clone, Copy)]
pub(crate) enum Duty {
    Renewals = 1,
    Backup = 2,
    VerifyBackup = 3,
    Purge = 4,
    Batches = 5,
}

/// Does the work while nobody else does that duty; `None`, and nothing is done, when somebody else is at it. The lock goes with the end of
/// the work, with the drop of its future, and with the death of its process or connection.
///
/// A transaction's lock and not a session's: it also holds through a transaction pooler. The transaction does nothing else, so it keeps no
/// rows locked and no dead rows alive. It occupies one connection of the pool.
///
/// # Errors
/// When PostgreSQL does not answer.
pub(crate) async fn exclusively<T>(pool: &PgPool, duty: Duty, work: impl Future<Output = T>) -> sqlx::Result<Option<T>> {
    let mut lock = pool.begin().await?;
    // The server's own limit on idle transactions would cut a long run's lock.
    sqlx::query!("select set_config('idle_in_transaction_session_timeout', '0', true)").fetch_one(&mut *lock).await?;
    let taken =
        sqlx::query_scalar!(r#"select pg_try_advisory_xact_lock($1, $2) as "taken!""#, OURS, duty as i32).fetch_one(&mut *lock).await?;
    let done = if taken { Some(work.await) } else { None };
    // Waited for, so that whoever follows at once finds it free. Where it fails the connection is gone, and the lock with it.
    let _ = lock.rollback().await;
    Ok(done)
}
