//! Shows the documents on their way, a line whenever one moves on.

use std::collections::BTreeMap;
use std::time::{Duration, Instant};

use crate::demo::Stack;
use crate::out::announce;

/// Returns when every document has ended.
pub(super) async fn watch(stack: &Stack) -> anyhow::Result<()> {
    let begun = Instant::now();
    let mut seen: BTreeMap<i64, String> = BTreeMap::new();
    loop {
        let rows = sqlx::query!("select id, file_name, status from celeriac.documents order by id").fetch_all(&stack.pool).await?;
        for row in &rows {
            if seen.get(&row.id) != Some(&row.status) {
                announce(&format!("  {:5.2} s  {:20} {}", begun.elapsed().as_secs_f64(), row.file_name, row.status));
                seen.insert(row.id, row.status.clone());
            }
        }
        if rows.iter().all(|row| row.status == "completed" || row.status == "failed") {
            return Ok(());
        }
        tokio::time::sleep(Duration::from_millis(20)).await;
    }
}
