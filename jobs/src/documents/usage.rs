//! Monthly use per user: a document is counted when its first run begins and given back when it fails, so that a limit holds however many
//! documents are under way at once. Months are those of UTC.

use chrono::{Datelike, Months, NaiveDate};
use sqlx::{PgConnection, PgPool};

use crate::fault::Fault;

/// Counts the document to its user's month, once, unless the user's limit is reached. `default_limit` is for users without one of their own.
pub(super) async fn count(pool: &PgPool, document_id: i64, default_limit: Option<i64>) -> Result<(), Fault> {
    let mut transaction = pool.begin().await?;
    let document = sqlx::query!(
        r#"select d.user_id, d.counted_month, date_trunc('month', now() at time zone 'UTC')::date as "month!",
                  l.user_id is not null as "has_own!", l.monthly as "own?"
           from celeriac.documents d
           left join celeriac.usage_limits l on l.user_id = d.user_id and l.kind = 'documents'
           where d.id = $1 for update of d"#,
        document_id
    )
    .fetch_one(&mut *transaction)
    .await?;
    if document.counted_month.is_some() {
        return Ok(());
    }
    let limit = if document.has_own { document.own } else { default_limit };
    // The row is locked by the insert, so two documents at once cannot both take the last place.
    let counted = sqlx::query!(
        "insert into celeriac.usage_counters as counter (user_id, month, kind, used)
         select $1, $2, 'documents', 1 where $3::bigint is null or $3 > 0
         on conflict (user_id, month, kind) do update set used = counter.used + 1 where $3::bigint is null or counter.used < $3",
        document.user_id,
        document.month,
        limit
    )
    .execute(&mut *transaction)
    .await?;
    if counted.rows_affected() == 0 {
        return Err(Fault::never(used_up(limit.unwrap_or_default(), document.month)));
    }
    sqlx::query!("update celeriac.documents set counted_month = $2 where id = $1", document_id, document.month)
        .execute(&mut *transaction)
        .await?;
    transaction.commit().await?;
    Ok(())
}

/// Takes back the count of a document that failed. Doing it again changes nothing.
pub(super) async fn give_back(transaction: &mut PgConnection, document_id: i64) -> sqlx::Result<()> {
    sqlx::query!(
        "with given as (
             select id, user_id, counted_month from celeriac.documents
             where id = $1 and status = 'failed' and counted_month is not null for update
         ), counted as (
             update celeriac.usage_counters counter set used = greatest(counter.used - 1, 0) from given
             where counter.user_id = given.user_id and counter.month = given.counted_month and counter.kind = 'documents'
         )
         update celeriac.documents set counted_month = null from given where documents.id = given.id",
        document_id
    )
    .execute(transaction)
    .await?;
    Ok(())
}

/// Raises the tokens of the user's month, in the transaction that completes a run.
pub(super) async fn raise_tokens(transaction: &mut PgConnection, user_id: i64, tokens: i32) -> sqlx::Result<()> {
    sqlx::query!(
        "insert into celeriac.usage_counters as counter (user_id, month, kind, used)
         values ($1, date_trunc('month', now() at time zone 'UTC')::date, 'tokens', $2)
         on conflict (user_id, month, kind) do update set used = counter.used + excluded.used",
        user_id,
        i64::from(tokens)
    )
    .execute(transaction)
    .await?;
    Ok(())
}

fn used_up(limit: i64, month: NaiveDate) -> String {
    let next = month + Months::new(1);
    let noun = if limit == 1 { "document" } else { "documents" };
    format!(
        "The limit of {limit} {noun} a month is reached for {}; the next one can be processed from {} {} on.",
        month.format("%B %Y"),
        next.day(),
        next.format("%B")
    )
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_sentence_names_the_limit_and_the_day_it_ends() {
        let december = NaiveDate::from_ymd_opt(2026, 12, 1).unwrap();
        assert_eq!(
            used_up(20, december),
            "The limit of 20 documents a month is reached for December 2026; the next one can be processed from 1 January on."
        );
    }
}
