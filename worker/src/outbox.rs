//! The outbox in PostgreSQL, from the worker's side: jobs that came through it are confirmed there when they end.

use celeriac_queue::{JobId, State};
use sqlx::PgPool;

/// A cheap-to-clone handle.
#[derive(Clone)]
pub(crate) struct Outbox {
    pool: PgPool,
}

/// How a job of the outbox ended.
pub(crate) struct Ended {
    pub(crate) id: JobId,
    pub(crate) state: State,
    /// In words; absent for a finished job.
    pub(crate) error: Option<String>,
}

impl Outbox {
    pub(crate) fn new(pool: PgPool) -> Self {
        Self { pool }
    }

    /// Writes down the ends, in one statement. What was confirmed before is not changed, so it may be repeated.
    pub(crate) async fn confirm(&self, ended: &[Ended]) -> Result<(), sqlx::Error> {
        let ids: Vec<String> = ended.iter().map(|end| end.id.to_string()).collect();
        let outcomes: Vec<String> = ended.iter().map(|end| end.state.to_string()).collect();
        // PostgreSQL refuses the character NUL in a text, and an error may quote anything.
        let errors: Vec<Option<String>> = ended.iter().map(|end| end.error.as_ref().map(|error| error.replace('\0', ""))).collect();
        sqlx::query!("select celeriac.confirm($1, $2, $3)", &ids, &outcomes, &errors as &[Option<String>]).execute(&self.pool).await?;
        Ok(())
    }
}
