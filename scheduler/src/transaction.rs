//! Transactions that hold row locks which other schedulers pass over.

use sqlx::{PgPool, PgTransaction};

/// Begins a transaction that PostgreSQL ends when this process falls silent in it for 20 s: a scheduler that freezes in mid-pass must
/// not keep its rows from the others. The longest wait in such a transaction is for Redis, some seconds.
pub(crate) async fn begin(pool: &PgPool) -> sqlx::Result<PgTransaction<'static>> {
    let mut transaction = pool.begin().await?;
    sqlx::query!("select set_config('idle_in_transaction_session_timeout', '20s', true)").fetch_one(&mut *transaction).await?;
    Ok(transaction)
}
