//! Rows per table: what a restored database is compared by.

use std::collections::BTreeMap;

use sqlx::{AssertSqlSafe, PgConnection};

/// `schema.table` → rows.
pub(super) type RowCounts = BTreeMap<String, i64>;

/// Counts every table that pg_dump dumps with its rows: ordinary ones and partitions. Not those of extensions (they come with the
/// extension), and not temporary ones.
pub(super) async fn row_counts(connection: &mut PgConnection) -> sqlx::Result<RowCounts> {
    let tables = sqlx::query!(
        r#"select n.nspname || '.' || c.relname as "name!", format('%I.%I', n.nspname, c.relname) as "quoted!"
           from pg_class c join pg_namespace n on n.oid = c.relnamespace
           where c.relkind = 'r' and c.relpersistence <> 't' and n.nspname !~ '^pg_' and n.nspname <> 'information_schema'
             and not exists (select from pg_depend d where d.classid = 'pg_class'::regclass and d.objid = c.oid and d.deptype = 'e')
           order by 1"#
    )
    .fetch_all(&mut *connection)
    .await?;
    let mut counts = RowCounts::new();
    for table in tables {
        let count = sqlx::query_scalar::<_, i64>(AssertSqlSafe(format!("select count(*) from only {}", table.quoted)));
        counts.insert(table.name, count.fetch_one(&mut *connection).await?);
    }
    Ok(counts)
}

/// What differs, in one sentence; `None` when nothing does.
pub(super) fn difference(expected: &RowCounts, restored: &RowCounts) -> Option<String> {
    let mut differing = expected
        .keys()
        .chain(restored.keys().filter(|name| !expected.contains_key(*name)))
        .filter(|name| expected.get(*name) != restored.get(*name));
    let first = differing.next()?;
    let spelled = |counts: &RowCounts| counts.get(first).map_or("no such table".to_owned(), |rows| format!("{rows} rows"));
    let others = match differing.count() {
        0 => String::new(),
        1 => ", and 1 more table differs".to_owned(),
        more => format!(", and {more} more tables differ"),
    };
    Some(format!("{first}: {} when it was backed up, {} restored{others}", spelled(expected), spelled(restored)))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn counts(rows: &[(&str, i64)]) -> RowCounts {
        rows.iter().map(|(name, rows)| ((*name).to_owned(), *rows)).collect()
    }

    #[test]
    fn a_lost_row_and_a_lost_table_are_both_differences() {
        let expected = counts(&[("app.orders", 2), ("app.users", 5)]);
        assert_eq!(difference(&expected, &expected), None);
        let lost_rows = difference(&expected, &counts(&[("app.orders", 2), ("app.users", 3)]));
        assert_eq!(lost_rows.unwrap(), "app.users: 5 rows when it was backed up, 3 rows restored");
        let lost_table = difference(&expected, &counts(&[("app.users", 4), ("app.new", 0)]));
        let expected_words = "app.orders: 2 rows when it was backed up, no such table restored, and 2 more tables differ";
        assert_eq!(lost_table.unwrap(), expected_words);
    }
}
