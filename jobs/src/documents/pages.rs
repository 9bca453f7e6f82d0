//! All pages of a document: its own text where a page has some, recognized text where it is a picture, a few pages at once.

use std::collections::BTreeMap;
use std::time::{Duration, Instant};

use anyhow::Context;
use celeriac_queue::JobContext;
use futures::StreamExt;
use futures::future::BoxFuture;
use futures::stream::FuturesUnordered;

use super::Documents;
use super::page::{self, Page, Source};
use super::reader::{Content, PageStream, Picture, ReadPage};
use super::recognize::recognize;
use super::settings::Partial;
use super::study::{Run, Study};
use crate::checkpoint::checkpoint;
use crate::fault::Fault;

/// Share of the job's progress at which reading begins and ends.
const PERCENT: (f32, f32) = (10.0, 50.0);

/// Where a run's pages are kept.
#[derive(Clone, Copy)]
pub(super) struct Desk<'a> {
    pub(super) run: &'a Run,
    pub(super) documents: &'a Documents,
    pub(super) ctx: &'a JobContext,
    pub(super) file_version: &'a str,
}

/// What was read, and how long recognizing took of it, in all pages together.
pub(super) struct Pages {
    /// In their order.
    pub(super) pages: Vec<Page>,
    pub(super) recognizing: Duration,
}

/// Reads every page that `earlier` does not have. Recognized pages are stored one by one, so that a retry goes on where this one stopped.
///
/// After a page that failed no further one is begun, but those under way are waited for: a paid call that is dropped has an unknown outcome.
pub(super) async fn read<S: Study>(file: PageStream, mut earlier: BTreeMap<u32, Page>, desk: Desk<'_>) -> Result<Pages, Fault> {
    let count = file.page_count() as usize;
    let mut pages: Vec<Page> = Vec::with_capacity(count);
    let mut recognizing_took = Duration::ZERO;
    let mut failed = None;
    let mut reading = FuturesUnordered::from_iter([next_of(file)]);
    let mut recognizing = FuturesUnordered::new();
    loop {
        tokio::select! {
            Some((file, told)) = reading.next(), if recognizing.len() < desk.documents.limits.pages_parallel => match told {
                _ if failed.is_some() => {}
                Err(fault) => failed = Some(fault),
                Ok(None) => {}
                Ok(Some(ReadPage { number, content })) => {
                    reading.push(next_of(file));
                    match at_once(number, content, &mut earlier, desk.documents.limits.partial) {
                        Ok(Told::Page(page)) => pages.push(page),
                        Ok(Told::Picture(picture)) => recognizing.push(recognized::<S>(number, picture, desk)),
                        Err(fault) => failed = Some(fault),
                    }
                }
            },
            Some(result) = recognizing.next() => match result {
                Ok((page, took)) => {
                    recognizing_took += took;
                    pages.push(page);
                    let percent = PERCENT.0 + (PERCENT.1 - PERCENT.0) * pages.len() as f32 / count.max(1) as f32;
                    desk.ctx.progress_of("reading", percent, &format!("read {} of {count} pages", pages.len())).await;
                }
                Err(fault) => failed = failed.or(Some(fault)),
            },
            else => break,
        }
    }
    if let Some(fault) = failed {
        return Err(fault);
    }
    pages.sort_by_key(|page| page.number);
    let rest: Vec<Page> = pages.iter().filter(|page| !page.source.is_recognized()).cloned().collect();
    page::store::<S>(&desk.documents.pool, desk.run, desk.file_version, &rest, &desk.documents.keys).await?;
    Ok(Pages { pages, recognizing: recognizing_took })
}

/// The next page, with the stream to ask for the one after it.
fn next_of<'a>(mut file: PageStream) -> BoxFuture<'a, (PageStream, Result<Option<ReadPage>, Fault>)> {
    Box::pin(async move {
        let told = file.next().await;
        (file, told)
    })
}

enum Told {
    Page(Page),
    Picture(Picture),
}

/// What needs no recognizing.
fn at_once(number: u32, content: Content, earlier: &mut BTreeMap<u32, Page>, partial: Partial) -> Result<Told, Fault> {
    let plain = |source, text, problem| Page { number, source, text, confidence: None, problem };
    Ok(Told::Page(match content {
        Content::Text(text) => plain(Source::Native, text, None),
        Content::Blank => plain(Source::Blank, String::new(), None),
        Content::LeftOut => plain(Source::LeftOut, String::new(), Some("The document is too long.".to_owned())),
        Content::Failed(reason) if partial == Partial::Refuse => {
            return Err(Fault::never(format!("Page {number} could not be read. {reason}")));
        }
        Content::Failed(reason) => plain(Source::Failed, String::new(), Some(reason)),
        Content::Done => earlier.remove(&number).context("the reading process left out a page that nobody has read")?,
        Content::Picture(picture) => return Ok(Told::Picture(picture)),
    }))
}

/// The page with its text, stored, and how long it took.
fn recognized<'a, S: Study>(number: u32, picture: Picture, desk: Desk<'a>) -> BoxFuture<'a, Result<(Page, Duration), Fault>> {
    let Desk { run, documents, ctx, file_version } = desk;
    Box::pin(async move {
        let started = Instant::now();
        let page = recognize::<S>(number, picture, run, documents, ctx).await?;
        let took = started.elapsed();
        checkpoint("documents.page_recognized").await;
        page::store::<S>(&documents.pool, run, file_version, std::slice::from_ref(&page), &documents.keys).await?;
        checkpoint("documents.page_stored").await;
        Ok((page, took))
    })
}
