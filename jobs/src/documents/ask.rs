//! The step that costs money: what is asked of the model about a document.

use celeriac_queue::JobContext;
use chrono::{DateTime, Utc};

use super::ending::subject;
use super::material::Material;
use super::rows::Run;
use super::summary::{Analysis, SCHEMA_NAME, schema};
use super::{Documents, Limits, NAME};
use crate::batching::Asker;
use crate::fault::Fault;
use crate::gateway::{Inquiry, Told};
use crate::ledger::CallKey;
use crate::openai::Question;

const INSTRUCTIONS: &str = include_str!("../../prompts/analyze_document.md");

/// Raise it with every change to the instructions or the schema: answers to other questions are then not taken for answers to this one.
const PROMPT_VERSION: &str = "analyze_document/1";

/// From the ledger when it was paid for before, from the model otherwise.
pub(super) async fn ask(
    run: &Run,
    material: Material,
    deadline: Option<DateTime<Utc>>,
    documents: &Documents,
    ctx: &JobContext,
) -> Result<Told<Analysis>, Fault> {
    let truncated = material.truncated;
    let question = question(material, &documents.limits);
    let key = CallKey {
        subject: subject(run.document_id),
        step: "analyze",
        page: 0,
        prompt_version: PROMPT_VERSION,
        model: documents.gateway.model().to_owned(),
    };
    let asker = deadline.map(|deadline| Asker { deadline, queue: ctx.queue().as_str() });
    let inquiry = Inquiry { key, question: &question, job_id: ctx.id().as_str(), job: NAME, user_id: Some(run.user_id), asker };
    documents.gateway.ask(inquiry, |answer| Analysis::parse(answer, truncated)).await
}

fn question(material: Material, limits: &Limits) -> Question {
    Question {
        instructions: INSTRUCTIONS.into(),
        parts: material.parts,
        schema_name: SCHEMA_NAME,
        schema: schema(),
        output_tokens_max: limits.output_tokens_max,
    }
}
