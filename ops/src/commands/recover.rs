//! `celeriac recover`: after a loss, enqueue what PostgreSQL says is unfinished and nothing will finish.
//!
//! Rows of the outbox heal by themselves (the relay enqueues again what Redis forgot). What remains are documents that never went through
//! the outbox, or whose outbox row has ended while they have not.

use clap::Args;
use serde::Serialize;
use serde_json::json;

use crate::audit::{self, Actor};
use crate::human::plural;
use crate::reply::Reply;
use crate::stores::Stores;

#[derive(Debug, Args)]
pub(crate) struct Recover {
    /// Only list what would be enqueued.
    #[arg(long)]
    dry_run: bool,
}

#[derive(Debug, Serialize)]
struct Recovered {
    document_id: i64,
    /// The one that would finish it.
    job: String,
    status: String,
    /// Absent in a dry run.
    job_id: Option<String>,
}

impl Recover {
    pub(crate) async fn run(self, stores: &Stores, actor: &Actor) -> anyhow::Result<Reply> {
        let mut transaction = stores.postgres().await?.begin().await?;
        // One at a time: a second run waits, then finds the first one's rows and adds nothing.
        sqlx::query!("select pg_advisory_xact_lock(hashtext('celeriac recover'))").fetch_one(&mut *transaction).await?;
        let stranded = sqlx::query!(
            r#"with unfinished as (
                   select 'process_document' as job, id, status from celeriac.documents
                   where status in ('uploading', 'processing', 'analyzing') and deleted_at is null
                   union all
                   select 'decode_denial_letter', l.document_id, l.status
                   from celeriac.denial_letters l join celeriac.documents d on d.id = l.document_id
                   where l.status in ('waiting', 'processing', 'analyzing') and d.deleted_at is null
               )
               select job as "job!", id as "id!", status as "status!" from unfinished
               where not exists (select 1 from celeriac.outbox o where o.done_at is null and o.job = unfinished.job
                                 and o.args->>'document_id' = unfinished.id::text)
               order by id, job"#
        );
        let mut recovered = Vec::new();
        for document in stranded.fetch_all(&mut *transaction).await? {
            let job_id = match self.dry_run {
                true => None,
                false => {
                    let args = json!({ "document_id": document.id });
                    let enqueued =
                        sqlx::query_scalar!(r#"select celeriac.enqueue($1, $2, origin => 'recover') as "id!""#, document.job, args);
                    Some(enqueued.fetch_one(&mut *transaction).await?)
                }
            };
            recovered.push(Recovered { document_id: document.id, job: document.job, status: document.status, job_id });
        }
        if !self.dry_run && !recovered.is_empty() {
            let ids: Vec<i64> = recovered.iter().map(|row| row.document_id).collect();
            audit::record(&mut *transaction, actor, "recover", "documents", json!({ "ids": ids })).await?;
        }
        transaction.commit().await?;
        let count = plural(recovered.len() as u64, "document", "documents");
        let line = match (recovered.is_empty(), self.dry_run) {
            (true, _) => "Nothing is stranded: every unfinished document has a job on its way.".to_owned(),
            (false, true) => format!("{count} would be enqueued again."),
            (false, false) => format!("{count} enqueued again, through the outbox."),
        };
        Ok(Reply::of(&json!({ "dry_run": self.dry_run, "documents": recovered })).line(line))
    }
}
