//! Asks the model about a document: at once when it fits into one question, otherwise in parts whose answers are combined, or about its
//! beginning only. Each question is a call of its own in the ledger, so that a retry asks only what was not answered yet.

use std::borrow::Cow;

use celeriac_queue::JobContext;
use chrono::{DateTime, Utc};
use futures::{StreamExt, stream};

use super::Documents;
use super::kept::Strategy;
use super::material::{self, Excerpt};
use super::page::Page;
use super::prompts::Prompt;
use super::settings::LongDocuments;
use super::study::{Run, Study};
use crate::batching::Asker;
use crate::fault::{Fault, Next};
use crate::gateway::{Inquiry, Told};
use crate::ledger::{CallKey, Subject};
use crate::openai::{Part, Question};

/// Calls about one document at once.
const CALLS_AT_ONCE: usize = 4;
/// Bytes of findings in one question, from the limit of tokens as for documents.
const BYTES_PER_TOKEN: usize = 3;
/// Combining is numbered by level and place; no document reaches either bound.
const PLACES_PER_LEVEL: usize = 1_000;
/// Share of the job's progress at which asking begins and ends.
const PERCENT: (f32, f32) = (50.0, 95.0);

/// The model's finding about the whole document.
#[derive(Debug)]
pub(super) struct Asked<F> {
    pub(super) finding: F,
    pub(super) strategy: Strategy,
    pub(super) model: String,
}

/// From the ledger as far as it was paid for before, from the model otherwise.
pub(super) async fn ask<S: Study>(
    pages: &[Page],
    run: &Run,
    deadline: Option<DateTime<Utc>>,
    documents: &Documents,
    ctx: &JobContext,
) -> Result<Asked<S::Finding>, Fault> {
    let asking = Asking { run, deadline, documents, ctx };
    let mut excerpts = material::excerpts(pages, documents.limits.input_tokens_max);
    let left_out = pages.iter().any(|page| page.source == super::page::Source::LeftOut);
    if excerpts.len() > 1 && documents.limits.long_documents == LongDocuments::MapReduce {
        return asking.map_reduce::<S>(&excerpts).await;
    }
    let strategy = if excerpts.len() > 1 || left_out { Strategy::Truncated } else { Strategy::Whole };
    excerpts.truncate(1);
    let Some(excerpt) = excerpts.first() else {
        return Err(Fault::from(anyhow::anyhow!("a document without pages was to be asked about")));
    };
    ctx.progress_of("asking", PERCENT.0, &asking_about(pages.len())).await;
    let told = asking.ask::<S>(S::ask(), "analyze", 0, None, excerpt.parts()).await?;
    Ok(Asked { finding: told.value, strategy, model: told.model })
}

#[derive(Clone, Copy)]
struct Asking<'a> {
    run: &'a Run,
    deadline: Option<DateTime<Utc>>,
    documents: &'a Documents,
    ctx: &'a JobContext,
}

impl Asking<'_> {
    /// Asks about each part, then combines the findings until one is left.
    async fn map_reduce<S: Study>(self, excerpts: &[Excerpt]) -> Result<Asked<S::Finding>, Fault> {
        let count = excerpts.len();
        let about_part = |(index, excerpt): (usize, &Excerpt)| {
            let (first, last) = excerpt.pages;
            let note =
                format!("This is part {} of {count} of the document: pages {first} to {last}. Other parts are read apart.", index + 1);
            let (place, parts) = (index + 1, excerpt.parts());
            async move { self.ask::<S>(S::ask(), "analyze_part", place, Some(note), parts).await }
        };
        self.ctx.progress_of("asking", PERCENT.0, &format!("asking the model about {count} parts")).await;
        let calls: Vec<_> = excerpts.iter().enumerate().map(about_part).collect();
        let mut told = all(calls).await?;
        for level in 1.. {
            if told.len() <= 1 {
                break;
            }
            let percent = PERCENT.1 - (PERCENT.1 - PERCENT.0) / 2.0 / level as f32;
            self.ctx.progress_of("asking", percent, &format!("combining {} findings", told.len())).await;
            let groups = grouped::<S>(&told, self.documents.limits.input_tokens_max as usize * BYTES_PER_TOKEN)?;
            let calls = groups.into_iter().enumerate().map(|(index, json)| async move {
                let parts = material::findings(&json);
                self.ask::<S>(S::combine(), "combine", level * PLACES_PER_LEVEL + index, None, parts).await
            });
            told = all(calls.collect::<Vec<_>>()).await?;
        }
        match told.pop() {
            Some(last) => Ok(Asked { finding: last.value, strategy: Strategy::MapReduce, model: last.model }),
            None => Err(Fault::from(anyhow::anyhow!("no part of the document was asked about"))),
        }
    }

    async fn ask<S: Study>(
        self,
        prompt: &'static Prompt,
        step: &'static str,
        place: usize,
        note: Option<String>,
        parts: Vec<Part>,
    ) -> Result<Told<S::Finding>, Fault> {
        let Self { run, deadline, documents, ctx } = self;
        let instructions = match note {
            None => Cow::Borrowed(prompt.instructions),
            Some(note) => Cow::Owned(format!("{}\n{note}\n", prompt.instructions)),
        };
        let question = Question {
            instructions,
            parts,
            schema_name: prompt.schema_name,
            schema: prompt.schema.clone(),
            output_tokens_max: documents.limits.output_tokens_max,
        };
        let key = CallKey {
            subject: Subject { kind: S::SUBJECT, id: run.document_id },
            step,
            page: i32::try_from(place).unwrap_or(i32::MAX),
            prompt_version: &prompt.version,
            model: documents.gateway.model().to_owned(),
        };
        let asker = deadline.map(|deadline| Asker { deadline, queue: ctx.queue().as_str() });
        let inquiry = Inquiry { key, question: &question, caller: run.caller::<S>(ctx), asker };
        let told = documents.gateway.ask(inquiry, S::read).await?;
        if !told.fresh {
            tracing::info!(document.id = run.document_id, step, place, "answered in the ledger: nobody was asked or paid again");
        }
        Ok(told)
    }
}

/// Makes the calls, a few at once, in their order. After a failure no further one is begun, and those under way are waited for: dropped,
/// their outcome would be unknown. One that has to wait keeps none from being begun: they may all go into the same batch.
async fn all<T>(calls: Vec<impl Future<Output = Result<T, Fault>>>) -> Result<Vec<T>, Fault> {
    let failed = std::sync::atomic::AtomicBool::new(false);
    let failed = &failed;
    let guarded = calls.into_iter().map(|call| async move {
        if failed.load(std::sync::atomic::Ordering::Relaxed) {
            return None;
        }
        let told = call.await;
        let is_failure = told.as_ref().is_err_and(|fault| !matches!(fault.next, Next::Later(_)));
        failed.fetch_or(is_failure, std::sync::atomic::Ordering::Relaxed);
        Some(told)
    });
    let told: Vec<_> = stream::iter(guarded).buffered(CALLS_AT_ONCE).collect().await;
    let mut values = Vec::with_capacity(told.len());
    let mut skipped = false;
    for one in told {
        match one {
            Some(told) => values.push(told?),
            None => skipped = true,
        }
    }
    if skipped { Err(Fault::from(anyhow::anyhow!("a call was left out although none had failed"))) } else { Ok(values) }
}

/// The findings as JSON arrays of at most that many bytes, two at least in each so that every level has fewer.
fn grouped<S: Study>(told: &[Told<S::Finding>], bytes_max: usize) -> Result<Vec<String>, Fault> {
    let mut groups: Vec<Vec<String>> = Vec::new();
    for one in told {
        let json = serde_json::to_string(&one.value)?;
        match groups.last_mut() {
            Some(group) if group.len() < 2 || group.iter().map(String::len).sum::<usize>() + json.len() <= bytes_max => group.push(json),
            _ => groups.push(vec![json]),
        }
    }
    // One left over joins the group before it: by itself it would be asked about for nothing.
    if groups.last().is_some_and(|group| group.len() == 1) && groups.len() > 1 {
        let last = groups.pop().unwrap_or_default();
        groups.last_mut().into_iter().for_each(|group| group.extend(last.iter().cloned()));
    }
    Ok(groups.into_iter().map(|group| format!("[{}]", group.join(",\n"))).collect())
}

fn asking_about(pages: usize) -> String {
    format!("asking the model about {pages} {}", if pages == 1 { "page" } else { "pages" })
}
