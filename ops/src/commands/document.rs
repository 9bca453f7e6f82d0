//! `celeriac document`: add a document as the web app would, list them, show one with its analysis, delete one.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use std::time::Duration;

use anyhow::Context;
use celeriac_jobs::storage::Storage;
use chrono::{DateTime, Utc};
use clap::Subcommand;
use serde::Serialize;

use crate::audit::Actor;
use crate::documents::{self, Upload};
use crate::human::{clock, parse_duration, plural, relative, took};
use crate::reply::{Cell, Reply, Table, Tone};
use crate::stores::Stores;
use crate::views::documents::{ListedDocument, PageRow, STATUSES, Which, cost_usd, list as listed, pages as pages_of};

#[derive(Debug, Subcommand)]
pub(crate) enum Document {
    /// Store a file where uploads lie, insert its row and enqueue process_document, in one transaction.
    Add {
        file: PathBuf,
        /// The web app's user it belongs to.
        #[arg(long)]
        user: i64,
        /// Also record that this user consents to AI processing.
        #[arg(long)]
        consent: bool,
    },
    /// List documents: those in motion, then those that ended of late.
    List {
        #[arg(long, value_parser = STATUSES)]
        status: Option<String>,
        /// Only this user's.
        #[arg(long)]
        user: Option<i64>,
        /// Of those that ended, only the ones of so long (30m, 24h, 7d).
        #[arg(long, default_value = "24h", value_parser = parse_duration)]
        since: Duration,
        #[arg(long, default_value_t = 50, value_parser = clap::value_parser!(i64).range(1..=1_000))]
        limit: i64,
    },
    /// Show a document; its analysis is decrypted with FIELD_ENCRYPTION_KEYS.
    Show { id: i64 },
    /// Delete a document as its user would: its jobs are cancelled, no run completes it, and purge_documents deletes row and file later.
    Delete { id: i64 },
}

#[derive(Debug, Serialize)]
struct Shown {
    #[serde(flatten)]
    document: documents::DocumentRow,
    /// Absent when nothing was paid.
    cost_usd: Option<f64>,
    /// Those that were read so far.
    pages: Vec<PageRow>,
    /// The decrypted analysis.
    analysis: Option<serde_json::Value>,
}

impl Document {
    pub(crate) async fn run(self, stores: &Stores, actor: &Actor) -> anyhow::Result<Reply> {
        match self {
            Self::Add { file, user, consent } => add(stores, &file, user, consent).await,
            Self::List { status, user, since, limit } => {
                let now = Utc::now();
                let which = Which { status, user_id: user, since: now - since, limit };
                list(stores, &which, now).await
            }
            Self::Show { id } => show(stores, id).await,
            Self::Delete { id } => delete(stores, actor, id).await,
        }
    }
}

async fn add(stores: &Stores, file: &Path, user: i64, consent: bool) -> anyhow::Result<Reply> {
    let storage = Storage::from_settings(stores.settings())?;
    let pool = stores.postgres().await?;
    let added = documents::add(&pool, &storage, Upload { file, user_id: user, consent }).await?;
    let line = format!(
        "Document {} is stored as {} and its job {} is in the outbox.\nFollow it with: celeriac document show {}",
        added.document_id, added.file_path, added.job_id, added.document_id
    );
    Ok(Reply::of(&added).line(line))
}

async fn list(stores: &Stores, which: &Which, now: DateTime<Utc>) -> anyhow::Result<Reply> {
    let rows = listed(&stores.postgres().await?, which).await?;
    let header = &["DOCUMENT", "USER", "STATUS", "PAGES", "ASKED", "TOKENS", "TOOK", "ADDED", "ENDED", "ERROR"];
    let mut table = Table::new(header, "No document is in motion, and none ended of late: look further back with --since.");
    for row in &rows {
        table.push(vec![
            row.id.into(),
            row.user_id.into(),
            status(row),
            Cell::maybe(row.pages_text()),
            Cell::maybe(row.strategy.clone()),
            Cell::maybe(row.ai_tokens_used.map(|count| count.to_string())),
            Cell::maybe(row.processing_ms.map(|ms| took(ms.unsigned_abs()))),
            relative(row.created_at, now).into(),
            Cell::maybe(row.completed_at.map(|at| relative(at, now))),
            Cell::maybe(row.error_message.clone()),
        ]);
    }
    Ok(Reply::of(&rows).table(table))
}

fn status(row: &ListedDocument) -> Cell {
    let tone = match row.status.as_str() {
        "completed" if row.pages_missing > 0 => Tone::Warning,
        "completed" => Tone::Good,
        "failed" => Tone::Bad,
        _ => Tone::Plain,
    };
    Cell::toned(&row.status, tone)
}

async fn delete(stores: &Stores, actor: &Actor, id: i64) -> anyhow::Result<Reply> {
    let deleted = documents::delete(stores, actor, id).await?;
    let jobs = plural(deleted.cancelled.len() as u64, "job was cancelled", "jobs were cancelled");
    let line = match deleted.fresh {
        true => format!("Document {id} is deleted; {jobs}. Until purge_documents deletes it for good, its row and file are kept."),
        false => format!("Document {id} had been deleted before."),
    };
    Ok(Reply::of(&deleted).line(line))
}

async fn show(stores: &Stores, id: i64) -> anyhow::Result<Reply> {
    let pool = stores.postgres().await?;
    let document = documents::find(&pool, id).await?.with_context(|| format!("there is no document {id}"))?;
    let (analysis, remark) = match (&document.ai_summary, stores.settings().maybe("FIELD_ENCRYPTION_KEYS")) {
        (None, _) => (None, None),
        (Some(_), None) => (None, Some("the analysis cannot be shown: FIELD_ENCRYPTION_KEYS is not set".to_owned())),
        (Some(token), Some(_)) => (Some(documents::decrypt(token, &stores.settings().list("FIELD_ENCRYPTION_KEYS"))?), None),
    };
    let (pages, cost_usd) = (pages_of(&pool, id).await?, cost_usd(&pool, id).await?);
    let mut reply_pairs = pairs(&document, &pages, cost_usd);
    if let Some(analysis) = &analysis {
        reply_pairs.push(("analysis", format!("{analysis:#}")));
    }
    Ok(Reply::of(&Shown { document, cost_usd, pages, analysis }).pairs(reply_pairs).note(remark))
}

fn pairs(document: &documents::DocumentRow, pages: &[PageRow], cost_usd: Option<f64>) -> Vec<(&'static str, String)> {
    let mut pairs = vec![
        ("document", document.id.to_string()),
        ("user", document.user_id.to_string()),
        ("file", document.file_path.clone()),
        ("status", document.status.clone()),
    ];
    let mut add = |name, value: Option<String>| pairs.extend(value.map(|value| (name, value)));
    add("name", Some(document.file_name.clone()).filter(|name| !name.is_empty()));
    add("error", document.error_message.clone());
    add("added", Some(clock(document.created_at)));
    add("started", document.started_at.map(clock));
    add("ended", document.completed_at.map(clock));
    add("deleted", document.deleted_at.map(clock));
    add("took", document.processing_ms.map(|ms| took(ms.unsigned_abs())));
    add("of it", document.stage_ms.as_ref().map(stages));
    add("pages", document.page_count.map(|count| count.to_string()));
    add("read", (!pages.is_empty()).then(|| sources(pages)));
    add("not read", problems(pages));
    add("asked", document.strategy.clone());
    add("text", document.text_length.map(|count| format!("{count} characters")));
    add("OCR confidence", document.ocr_confidence.map(|percent| format!("{percent:.0} %")));
    add("model", document.ai_model_used.clone());
    add("tokens", document.ai_tokens_used.map(|count| count.to_string()));
    add("paid", cost_usd.map(|usd| format!("{usd:.4} USD")));
    pairs
}

/// As in `opening 12 ms, reading 40 ms`.
fn stages(stages: &serde_json::Value) -> String {
    let times = stages.as_object().into_iter().flatten().filter_map(|(stage, ms)| Some((stage, ms.as_u64()?)));
    times.map(|(stage, ms)| format!("{stage} {}", took(ms))).collect::<Vec<_>>().join(", ")
}

/// As in `2 native, 1 tesseract`.
fn sources(pages: &[PageRow]) -> String {
    let mut counts: BTreeMap<&str, u32> = BTreeMap::new();
    for page in pages {
        *counts.entry(&page.source).or_default() += 1;
    }
    counts.iter().map(|(source, count)| format!("{count} {}", source.replace('_', " "))).collect::<Vec<_>>().join(", ")
}

/// A line for each page that has one.
fn problems(pages: &[PageRow]) -> Option<String> {
    let with = pages.iter().filter_map(|page| Some(format!("page {}: {}", page.page, page.problem.as_ref()?)));
    Some(with.collect::<Vec<_>>().join("\n")).filter(|lines| !lines.is_empty())
}
