//! What the demo shows in the end, read back from PostgreSQL.

use anyhow::{Context, ensure};
use celeriac_jobs::crypt::FieldKeys;

use crate::demo::Stack;
use crate::out::announce;

pub(super) async fn results(stack: &Stack) -> anyhow::Result<()> {
    let keys = FieldKeys::new(&[stack.field_keys()])?;
    let rows = sqlx::query!(
        r#"select file_name, ai_summary as "summary!", ai_model_used as "model!", ai_tokens_used as "tokens!", page_count as "pages!",
                  text_length as "characters!", processing_ms as "ms!"
           from celeriac.documents where status = 'completed' order by id"#
    )
    .fetch_all(&stack.pool)
    .await?;
    ensure!(!rows.is_empty(), "no document was completed");
    for row in rows {
        let analysis: serde_json::Value = serde_json::from_str(&keys.decrypt(&row.summary)?).context("an analysis is JSON")?;
        announce(&format!(
            "  {:20} {} {}, {} characters of text, {} tokens by {}, {} ms",
            row.file_name,
            row.pages,
            if row.pages == 1 { "page" } else { "pages" },
            row.characters,
            row.tokens,
            row.model,
            row.ms
        ));
        let summary: String = analysis["summary"].as_str().unwrap_or_default().chars().take(240).collect();
        announce(&format!("    [{}] {summary}", analysis["document_type"].as_str().unwrap_or("?")));
    }
    Ok(())
}

pub(super) async fn failures(stack: &Stack) -> anyhow::Result<()> {
    let rows = sqlx::query!(r#"select file_name, error_message as "message!" from celeriac.documents where status = 'failed' order by id"#)
        .fetch_all(&stack.pool)
        .await?;
    for row in rows {
        announce(&format!("  {:20} {}", row.file_name, row.message));
    }
    Ok(())
}

/// Waits for the mail of every completed document.
pub(super) async fn mails(stack: &Stack) -> anyhow::Result<()> {
    let completed = sqlx::query_scalar!(r#"select count(*) as "count!" from celeriac.documents where status = 'completed'"#);
    let completed = completed.fetch_one(&stack.pool).await?;
    while (stack.mails().len() as i64) < completed {
        tokio::time::sleep(std::time::Duration::from_millis(20)).await;
    }
    for mail in stack.mails() {
        let subject = mail.text.lines().find_map(|line| line.strip_prefix("Subject: ")).unwrap_or("?");
        announce(&format!("  to {}: {subject}", mail.to));
    }
    Ok(())
}

pub(super) async fn backup(stack: &Stack) -> anyhow::Result<()> {
    let row = sqlx::query!(
        r#"select object_key, bytes as "bytes!", sha256 as "sha256!", row_counts as "rows!", verified_at, verify_ms, verify_error
           from celeriac.backups where state = 'stored' order by id desc limit 1"#
    )
    .fetch_one(&stack.pool)
    .await?;
    ensure!(row.verified_at.is_some(), "the backup was not proved: {}", row.verify_error.unwrap_or_default());
    let tables = row.rows.as_object().map_or(0, serde_json::Map::len);
    announce(&format!("  {} ({} bytes, encrypted, sha256 {}…)", row.object_key, row.bytes, &row.sha256[..12]));
    announce(&format!(
        "  restored into a scratch database in {} ms: {tables} tables compared, every row count equal",
        row.verify_ms.unwrap_or_default()
    ));
    Ok(())
}

pub(super) async fn cost(stack: &Stack) -> anyhow::Result<()> {
    let row = sqlx::query!(
        r#"select count(*) as "calls!", coalesce(sum(input_tokens + output_tokens), 0) as "tokens!", coalesce(sum(cost_usd), 0)::float8 as "usd!"
           from celeriac.paid_calls where state = 'answered'"#
    )
    .fetch_one(&stack.pool)
    .await?;
    announce(&format!(
        "\n{} paid calls, {} tokens, {:.4} USD by the price table, answered by {}",
        row.calls,
        row.tokens,
        row.usd,
        stack.model()
    ));
    Ok(())
}
