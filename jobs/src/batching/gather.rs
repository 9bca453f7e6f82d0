//! From waiting questions to batches, one model each, within what the provider takes.

use sqlx::PgPool;

/// What the provider takes.
const LINES_MAX: i64 = 50_000;
/// Half of what the provider takes: names and signs of the lines come on top.
const BYTES_MAX: i64 = 100_000_000;

/// Puts every waiting question whose time has not come near into a batch.
pub(super) async fn gather(pool: &PgPool) -> sqlx::Result<()> {
    let models =
        sqlx::query_scalar!("select distinct model from celeriac.batched_questions where state = 'waiting' and ask_directly_at > now()")
            .fetch_all(pool)
            .await?;
    for model in models {
        while fill_one(pool, &model).await? {}
    }
    Ok(())
}

/// False: nothing of that model waits any more.
async fn fill_one(pool: &PgPool, model: &str) -> sqlx::Result<bool> {
    let filled = sqlx::query!(
        "with first as (
           select id, request_bytes from celeriac.batched_questions
           where state = 'waiting' and model = $1 and ask_directly_at > now() order by id limit $2 for update),
         chosen as (
           select id from (select id, sum(request_bytes) over (order by id) as total, row_number() over (order by id) as place from first) f
           where total <= $3 or place = 1),
         batch as (
           insert into celeriac.openai_batches (model, lines) select $1, count(*) from chosen having count(*) > 0 returning id)
         update celeriac.batched_questions set state = 'sent', batch_id = batch.id from batch
         where batched_questions.id in (select id from chosen)",
        model,
        LINES_MAX,
        BYTES_MAX
    )
    .execute(pool)
    .await?;
    Ok(filled.rows_affected() > 0)
}
