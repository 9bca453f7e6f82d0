//! From waiting questions to batches, one model each, within what the provider takes and the budgets allow.

use sqlx::PgPool;

use crate::admission::{Admission, Offer};

/// What the provider takes.
const LINES_MAX: i64 = 50_000;
/// Half of what the provider takes: names and signs of the lines come on top.
const BYTES_MAX: i64 = 100_000_000;

/// Puts every waiting question whose time has not come near into a batch, the oldest first, as long as a budget can pay for it. Returns how
/// many it could not.
pub(super) async fn gather(pool: &PgPool, admission: &Admission) -> anyhow::Result<u64> {
    let models =
        sqlx::query_scalar!("select distinct model from celeriac.batched_questions where state = 'waiting' and ask_directly_at > now()")
            .fetch_all(pool)
            .await?;
    let mut unaffordable = 0;
    for model in models {
        let mut after = 0;
        loop {
            let waiting = as_many_as_fit(pool, &model, after).await?;
            let Some(last) = waiting.last() else { break };
            after = last.id;
            let offers: Vec<Offer> =
                waiting.iter().map(|one| Offer { user_id: one.user_id, micro_usd: one.micro_usd.unsigned_abs() }).collect();
            let affordable = admission.promise(&offers).await?;
            let chosen: Vec<i64> = waiting.iter().zip(affordable).filter_map(|(one, pays)| pays.then_some(one.id)).collect();
            unaffordable += (waiting.len() - chosen.len()) as u64;
            if !chosen.is_empty() {
                make_one(pool, &model, &chosen).await?;
                admission.forget().await;
            }
        }
    }
    if unaffordable > 0 {
        tracing::warn!(questions = unaffordable, "questions wait for a batch that no budget can pay for now");
    }
    Ok(unaffordable)
}

struct Waiting {
    id: i64,
    user_id: Option<i64>,
    micro_usd: i64,
}

async fn as_many_as_fit(pool: &PgPool, model: &str, after: i64) -> sqlx::Result<Vec<Waiting>> {
    sqlx::query_as!(
        Waiting,
        r#"with first as (
             select id, call_id, request_bytes, may_cost_usd from celeriac.batched_questions
             where state = 'waiting' and model = $1 and ask_directly_at > now() and id > $4 order by id limit $2),
           placed as (select *, sum(request_bytes) over (order by id) as total, row_number() over (order by id) as place from first)
           select p.id, c.user_id, ceil(coalesce(p.may_cost_usd, 0) * 1000000)::bigint as "micro_usd!"
           from placed p join celeriac.paid_calls c on c.id = p.call_id where p.total <= $3 or p.place = 1 order by p.id"#,
        model,
        LINES_MAX,
        BYTES_MAX,
        after
    )
    .fetch_all(pool)
    .await
}

/// Of those that still wait.
async fn make_one(pool: &PgPool, model: &str, chosen: &[i64]) -> sqlx::Result<()> {
    sqlx::query!(
        "with still as (select id from celeriac.batched_questions where id = any($2) and state = 'waiting' for update),
         batch as (
           insert into celeriac.openai_batches (model, lines) select $1, count(*) from still having count(*) > 0 returning id)
         update celeriac.batched_questions set state = 'sent', batch_id = batch.id from batch
         where batched_questions.id in (select id from still)",
        model,
        chosen
    )
    .execute(pool)
    .await?;
    Ok(())
}
