//! What the jobs that study a document differ in; everything else they share (see [`super::run`]).

use std::fmt::Debug;

use celeriac_queue::JobContext;
use chrono::{DateTime, Utc};
use serde::Serialize;
use serde::de::DeserializeOwned;
use sqlx::{PgConnection, PgPool};

use super::kept::{Kept, Strategy};
use super::prompts::Prompt;
use crate::crypt::FieldKeys;
use crate::fault::Fault;
use crate::ledger::Caller;

/// One kind of job over documents: its questions, the form of its answers, and the row that carries its state and result.
///
/// Every write of a run carries the run's fence and does nothing when a newer run has begun.
pub(crate) trait Study: Debug + Send + Sync + 'static {
    /// Wire name of the job.
    const JOB: &'static str;
    /// What its ledger and its pages are kept under.
    const SUBJECT: &'static str;
    /// Whether it is what a document is uploaded for: then it counts to its user's month, and its result is announced.
    const IS_MAIN: bool;
    /// What the model answers.
    type Finding: Debug + Clone + Serialize + DeserializeOwned + Send + Sync;

    /// For a document, or a part of one.
    fn ask() -> &'static Prompt;

    /// For the findings of a document's parts.
    fn combine() -> &'static Prompt;

    /// Checks an answer; the error quotes nothing of it.
    fn read(answer: &str) -> anyhow::Result<Self::Finding>;

    /// Takes the document for a new run: older runs can no longer write.
    fn begin(pool: &PgPool, document_id: i64) -> impl Future<Output = sqlx::Result<Begun>> + Send;

    /// The pages are read; the model is asked now.
    fn analyzing(pool: &PgPool, run: &Run) -> impl Future<Output = Result<(), Fault>> + Send;

    /// Holds the row until the transaction ends; false when a newer run has begun or the job has ended.
    fn hold(transaction: &mut PgConnection, run: &Run) -> impl Future<Output = sqlx::Result<bool>> + Send;

    /// What another document of the same user with the same content was found to be, by the same instructions and model.
    fn recall(
        pool: &PgPool,
        run: &Run,
        same: &Sameness<'_>,
        keys: &FieldKeys,
    ) -> impl Future<Output = anyhow::Result<Option<Recalled<Self::Finding>>>> + Send;

    /// Saves the result and marks the row completed, inside the transaction; false when a newer run has the document.
    fn complete(
        transaction: &mut PgConnection,
        run: &Run,
        result: &Completion<Self::Finding>,
        tokens: i32,
        keys: &FieldKeys,
    ) -> impl Future<Output = anyhow::Result<bool>> + Send;

    /// Tells the user why this attempt failed; whether it was the last one is not for a run to say.
    fn explain(pool: &PgPool, run: &Run, sentence: &str) -> impl Future<Output = sqlx::Result<()>> + Send;

    /// The job has ended without completing: failed, with what the last attempt said when that is to be kept, or else with `sentence`. A run
    /// that still sleeps somewhere can write no more. Doing it again changes nothing.
    fn fail(
        transaction: &mut PgConnection,
        document_id: i64,
        sentence: &str,
        keep_message: bool,
    ) -> impl Future<Output = sqlx::Result<()>> + Send;
}

/// A run that has the document.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Run {
    pub(crate) document_id: i64,
    pub(crate) user_id: i64,
    pub(crate) file_path: String,
    pub(crate) fence: i64,
    /// By the database's clock.
    pub(crate) began_at: DateTime<Utc>,
}

impl Run {
    /// As the ledger of paid calls knows it.
    pub(crate) fn caller<'a, S: Study>(&self, ctx: &'a JobContext) -> Caller<'a> {
        Caller { job_id: ctx.id().as_str(), job: S::JOB, user_id: Some(self.user_id), since: self.began_at }
    }
}

/// What a run finds when it begins.
#[derive(Debug)]
pub(crate) enum Begun {
    Run(Run),
    /// An earlier run has completed it: nothing to do, nobody to call.
    Completed,
    Deleted,
    Missing,
}

/// What makes two documents' findings the same.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Sameness<'a> {
    /// Of the file, in hexadecimal.
    pub(crate) content_sha256: &'a str,
    pub(crate) prompt_version: &'a str,
    pub(crate) model_asked: &'a str,
}

/// A finding that was paid for under another document; of the whole document, every page read.
#[derive(Debug, Clone, PartialEq)]
pub(crate) struct Recalled<F> {
    pub(crate) finding: F,
    /// The one that answered.
    pub(crate) model: String,
    pub(crate) page_count: i32,
    pub(crate) text_length: i32,
    pub(crate) ocr_confidence: Option<f32>,
}

/// What is saved of a completed run.
#[derive(Debug, Clone)]
pub(crate) struct Completion<F> {
    pub(crate) kept: Kept<F>,
    pub(crate) strategy: Strategy,
    pub(crate) prompt_version: &'static str,
    pub(crate) content_sha256: String,
    pub(crate) model_asked: String,
    /// The one that answered.
    pub(crate) model: String,
    pub(crate) page_count: i32,
    pub(crate) text_length: i32,
    /// Percent.
    pub(crate) ocr_confidence: Option<f32>,
    pub(crate) processing_ms: i64,
    /// Milliseconds by stage.
    pub(crate) stage_ms: serde_json::Value,
}

impl<F> Completion<F> {
    pub(crate) fn pages_missing(&self) -> i32 {
        i32::try_from(self.kept.pages_missing.len()).unwrap_or(i32::MAX)
    }
}
