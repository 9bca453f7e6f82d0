//! One moment of the database, seen by the row counts and by pg_dump alike.

use sqlx::{PgPool, Postgres, Transaction};

use super::tables::{RowCounts, row_counts};

/// An open transaction whose view of the database other sessions can share.
pub(super) struct Snapshot {
    transaction: Transaction<'static, Postgres>,
    /// For `pg_dump --snapshot`.
    pub(super) id: String,
    row_counts: RowCounts,
}

impl Snapshot {
    pub(super) async fn take(pool: &PgPool) -> sqlx::Result<Self> {
        let mut transaction = pool.begin().await?;
        // It must outlive the dump however long that takes, and count all rows or fail, as pg_dump does.
        let setup = "set transaction isolation level repeatable read, read only;
                     set local idle_in_transaction_session_timeout = 0;
                     set local statement_timeout = 0;
                     set local row_security = off";
        sqlx::raw_sql(setup).execute(&mut *transaction).await?;
        let id = sqlx::query_scalar!(r#"select pg_export_snapshot() as "id!""#).fetch_one(&mut *transaction).await?;
        let row_counts = row_counts(&mut transaction).await?;
        Ok(Self { transaction, id, row_counts })
    }

    /// Ends it, which gives its connection back to the pool, and returns the rows it counted.
    pub(super) async fn close(self) -> sqlx::Result<RowCounts> {
        self.transaction.rollback().await?;
        Ok(self.row_counts)
    }
}
