//! The body of `expire_licenses`.

use celeriac_queue::{Job, JobContext, JobResult, Policy};
use sqlx::PgPool;

use super::{ExpireLicenses, Expired, LISTED_MAX, NAME, policy};

/// Licences one transaction expires, so that none holds many rows locked. The web app reads them at every request.
const BATCH: i64 = 500;

/// What the job needs.
#[derive(Debug, Clone)]
pub struct Licensing {
    pub pool: PgPool,
}

impl Job for ExpireLicenses {
    const NAME: &'static str = NAME;
    type State = Licensing;
    type Output = Expired;

    fn policy() -> Policy {
        policy()
    }

    async fn run(self, state: Licensing, _ctx: JobContext) -> JobResult<Expired> {
        Ok(expire(&state.pool, self.dry_run).await?)
    }
}

/// Expires every licence whose time is up, in bounded batches; with `dry_run` only lists them.
///
/// # Errors
/// When PostgreSQL does not answer. The batches committed before stay expired.
pub async fn expire(pool: &PgPool, dry_run: bool) -> sqlx::Result<Expired> {
    if dry_run {
        return list(pool).await;
    }
    let mut report = Expired::default();
    loop {
        let batch = expire_batch(pool).await?;
        if batch.is_empty() {
            break;
        }
        report.expired += batch.len() as u64;
        let room = LISTED_MAX - report.licenses.len();
        report.licenses.extend(batch.into_iter().take(room));
    }
    if report.expired > 0 {
        tracing::info!(expired = report.expired, "licences have expired");
    }
    Ok(report)
}

/// A row that the web app holds locked (it may be extending that licence just now) is passed over until the next run.
async fn expire_batch(pool: &PgPool) -> sqlx::Result<Vec<i64>> {
    sqlx::query_scalar!(
        r#"update celeriac.licenses set status = 'expired', expired_at = now()
           where id in (
               select id from celeriac.licenses
               where status = 'active'
                 and case plan when 'trial' then trial_expires_at when 'perpetual' then null else plan_expires_at end <= now()
               order by id limit $1
               for update skip locked)
           returning id"#,
        BATCH
    )
    .fetch_all(pool)
    .await
}

async fn list(pool: &PgPool) -> sqlx::Result<Expired> {
    let row = sqlx::query!(
        r#"with due as (
               select id from celeriac.licenses
               where status = 'active'
                 and case plan when 'trial' then trial_expires_at when 'perpetual' then null else plan_expires_at end <= now())
           select (select count(*) from due) as "count!",
                  array(select id from due order by id limit $1) as "ids!""#,
        LISTED_MAX as i64
    )
    .fetch_one(pool)
    .await?;
    Ok(Expired { dry_run: true, expired: row.count.unsigned_abs(), licenses: row.ids })
}
