//! What `process_document` is given besides its arguments.

use std::path::PathBuf;
use std::time::Duration;

use celeriac_process::Settings;
use celeriac_queue::Backoff;
use sqlx::PgPool;

use super::ocr::{self, Ocr};
use super::reader::ChildProgram;
use crate::Services;
use crate::crypt::FieldKeys;
use crate::gateway::Gateway;
use crate::mail::Announcing;
use crate::storage::Storage;

/// The services and limits of document processing. Cheap to clone.
#[derive(Debug, Clone)]
pub struct Documents {
    pub pool: PgPool,
    pub storage: Storage,
    pub keys: FieldKeys,
    pub gateway: Gateway,
    pub limits: Limits,
    pub backoff: Backoff,
    /// Whether users hear of completed documents.
    pub announcing: Announcing,
}

/// What a document may be, and what reading it may cost.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Limits {
    pub bytes_max: u64,
    pub pages_max: u32,
    pub pixels_max: u64,
    /// Of one stream of a PDF, bytes.
    pub unpacked_max: u64,
    /// Address space of the process that parses the file.
    pub child_memory_bytes: u64,
    pub child_timeout: Duration,
    pub child_program: ChildProgram,
    /// How pages without text of their own are recognized.
    pub ocr: Ocr,
    /// The program, when that is how.
    pub tesseract: PathBuf,
    /// Pages of one document recognized at once.
    pub pages_parallel: usize,
    /// Whether the rest of a document is of use when a page cannot be read.
    pub partial: Partial,
    /// What is done with a document longer than one question may be.
    pub long_documents: LongDocuments,
    /// Whether a file that was answered before for the same user is not paid for again.
    pub memo: bool,
    /// Documents of a user in a month, for users without a limit of their own; `None`: no limit.
    pub documents_per_month: Option<i64>,
    /// Tesseract's languages, as it wants them: `eng` or `eng+deu`.
    pub ocr_languages: String,
    /// Text given to the model, by the estimate that three bytes are at least a token.
    pub input_tokens_max: u32,
    /// Length of the model's answer.
    pub output_tokens_max: u32,
}

/// What becomes of a document of which some pages cannot be read.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Partial {
    /// The others are studied, and the result says which are missing.
    Keep,
    /// It fails.
    Refuse,
}

/// What becomes of a document that is longer than one question may be.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum LongDocuments {
    /// Asked about in parts, and the answers combined.
    MapReduce,
    /// Only its beginning is asked about.
    Truncate,
}

impl Limits {
    pub fn from_settings(settings: &Settings) -> Self {
        let small = |name: &str| u32::try_from(settings.integer(name)).unwrap_or(u32::MAX);
        Self {
            bytes_max: settings.integer("DOCUMENT_BYTES_MAX"),
            pages_max: small("DOCUMENT_PAGES_MAX"),
            pixels_max: settings.integer("DOCUMENT_PIXELS_MAX"),
            unpacked_max: settings.integer("DOCUMENT_UNPACKED_MAX"),
            child_memory_bytes: settings.integer("DOCUMENT_CHILD_MEMORY"),
            child_timeout: settings.duration("DOCUMENT_CHILD_TIMEOUT"),
            child_program: ChildProgram::Itself,
            ocr: Ocr::from_settings(settings),
            tesseract: ocr::find_tesseract().unwrap_or_else(|| ocr::TESSERACT.into()),
            pages_parallel: small("DOCUMENT_PAGES_PARALLEL") as usize,
            partial: if settings.text("DOCUMENT_PARTIAL") == "refuse" { Partial::Refuse } else { Partial::Keep },
            long_documents: match settings.text("DOCUMENT_LONG") {
                "truncate" => LongDocuments::Truncate,
                _ => LongDocuments::MapReduce,
            },
            memo: settings.flag("DOCUMENT_MEMO"),
            documents_per_month: settings.maybe("DOCUMENTS_PER_MONTH").and_then(|number| number.parse().ok()),
            ocr_languages: settings.text("DOCUMENT_OCR_LANGUAGES").to_owned(),
            input_tokens_max: small("OPENAI_INPUT_TOKENS_MAX"),
            output_tokens_max: small("OPENAI_OUTPUT_TOKENS_MAX"),
        }
    }
}

impl Documents {
    pub fn new(services: &Services) -> Self {
        Self {
            pool: services.pool.clone(),
            storage: services.storage.clone(),
            keys: services.keys.clone(),
            gateway: services.gateway.clone(),
            limits: services.document_limits.clone(),
            backoff: super::backoff(services.document_retry_base),
            announcing: services.mailing.announcing(),
        }
    }
}
