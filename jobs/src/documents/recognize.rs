//! The text on the picture of a page: by tesseract on this machine, or by the vision model.

use std::borrow::Cow;

use celeriac_queue::JobContext;
use serde::Deserialize;

use super::ocr::{Ocr, OcrFault};
use super::page::{Page, Source};
use super::prompts::READ_PAGE;
use super::reader::Picture;
use super::settings::Partial;
use super::study::{Run, Study};
use super::summary::of_form;
use super::{Documents, ocr};
use crate::fault::{Fault, Next};
use crate::gateway::Inquiry;
use crate::ledger::{CallKey, Subject};
use crate::openai::{Part, Question};

/// Step of the ledger under which readings of pages are kept.
pub(super) const STEP: &str = "read_page";

/// What the vision model answers.
#[derive(Debug, Clone, Deserialize)]
struct Transcript {
    text: String,
    legible: bool,
}

/// The page with its text. A page that cannot be read is an answer too where partial results are kept; a failure that another attempt may
/// mend is one only in the last attempt.
pub(super) async fn recognize<S: Study>(
    number: u32,
    picture: Picture,
    run: &Run,
    documents: &Documents,
    ctx: &JobContext,
) -> Result<Page, Fault> {
    let read = match documents.limits.ocr {
        Ocr::Tesseract => tesseract(number, &picture, documents).await,
        Ocr::Vision => vision::<S>(number, picture, run, documents, ctx).await,
        Ocr::Off => Err(Fault::never("It is a picture, and reading pictures is switched off.")),
    };
    read.or_else(|fault| {
        let is_final = matches!(fault.next, Next::Never) || (matches!(fault.next, Next::Again(_)) && ctx.is_last_attempt());
        match documents.limits.partial {
            Partial::Keep if is_final => {
                tracing::warn!(document.id = run.document_id, page = number, detail = ?fault.detail, "the page could not be read");
                Ok(Page { number, source: Source::Failed, text: String::new(), confidence: None, problem: Some(fault.sentence) })
            }
            Partial::Refuse if matches!(fault.next, Next::Never) => {
                Err(Fault { sentence: format!("Page {number} could not be read. {}", fault.sentence), ..fault })
            }
            _ => Err(fault),
        }
    })
}

async fn tesseract(number: u32, picture: &Picture, documents: &Documents) -> Result<Page, Fault> {
    let read = ocr::tesseract(picture, &documents.limits).await.map_err(|fault| match fault {
        OcrFault::Page(sentence) => Fault::never(sentence),
        OcrFault::Machinery(error) => Fault::from(error),
    })?;
    let confidence = (!read.text.is_empty()).then_some(read.confidence);
    Ok(Page { number, source: Source::Tesseract, text: read.text, confidence, problem: None })
}

async fn vision<S: Study>(number: u32, picture: Picture, run: &Run, documents: &Documents, ctx: &JobContext) -> Result<Page, Fault> {
    let question = Question {
        instructions: Cow::Borrowed(READ_PAGE.instructions),
        parts: vec![Part::Picture { media_type: picture.media_type, bytes: picture.bytes }],
        schema_name: READ_PAGE.schema_name,
        schema: READ_PAGE.schema.clone(),
        output_tokens_max: documents.limits.output_tokens_max,
    };
    let key = CallKey {
        subject: Subject { kind: S::SUBJECT, id: run.document_id },
        step: STEP,
        page: i32::try_from(number).unwrap_or(i32::MAX),
        prompt_version: &READ_PAGE.version,
        model: documents.gateway.model().to_owned(),
    };
    // Asked at once whatever the deadline: what is asked about the document waits for every page.
    let inquiry = Inquiry { key, question: &question, caller: run.caller::<S>(ctx), asker: None };
    let told = documents.gateway.ask(inquiry, of_form::<Transcript>).await?;
    let Transcript { text, legible } = told.value;
    if !legible && text.trim().is_empty() {
        return Err(Fault::never("The text on it is not legible."));
    }
    Ok(Page { number, source: Source::Vision, text, confidence: None, problem: None })
}
