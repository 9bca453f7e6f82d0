//! One run at a time: a lock in PostgreSQL that a dead holder cannot keep.

use sqlx::{PgPool, Postgres, Transaction};

/// First half of every key, so that the locks of a web app in the same database do not meet ours. ("cele")
const OURS: i32 = 0x63_65_6c_65;

/// What only one run may do at a time in one database.
#[derive(Debug, Clone, Copy)]
pub(crate) enum Duty {
    Renewals = 1,
    Backup = 2,
    VerifyBackup = 3,
}

/// Held until dropped, or until its connection or process dies.
///
/// A transaction's lock and not a session's: it also holds through a transaction pooler. The transaction does nothing else, so it keeps no
/// rows locked and no dead rows alive. It occupies one connection of the pool.
pub(crate) struct Exclusive {
    _transaction: Transaction<'static, Postgres>,
}

impl Exclusive {
    /// `None` when another run has it.
    ///
    /// # Errors
    /// When PostgreSQL does not answer.
    pub(crate) async fn take(pool: &PgPool, duty: Duty) -> sqlx::Result<Option<Self>> {
        let mut transaction = pool.begin().await?;
        // The server's own limit on idle transactions would cut a long run's lock.
        sqlx::query!("select set_config('idle_in_transaction_session_timeout', '0', true)").fetch_one(&mut *transaction).await?;
        let taken = sqlx::query_scalar!(r#"select pg_try_advisory_xact_lock($1, $2) as "taken!""#, OURS, duty as i32)
            .fetch_one(&mut *transaction)
            .await?;
        Ok(taken.then_some(Self { _transaction: transaction }))
    }
}
