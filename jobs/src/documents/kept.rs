//! What is stored of an answer besides the answer: how much of the document it is about.

use serde::{Deserialize, Serialize};

/// A finding as it is stored (encrypted): the model's answer, and what the model cannot know.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Kept<F> {
    #[serde(flatten)]
    pub finding: F,
    /// True: the document was longer than the model was given; the finding is of its beginning.
    #[serde(default)]
    pub truncated: bool,
    /// Pages that could not be read; the finding is of the others.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub pages_missing: Vec<MissingPage>,
}

/// A page that could not be read.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct MissingPage {
    /// From 1.
    pub page: u32,
    /// A plain sentence.
    pub reason: String,
}

/// How a document was put to the model, as `documents.strategy` says it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Strategy {
    /// In one question.
    Whole,
    /// In parts, whose answers were then combined.
    MapReduce,
    /// Its beginning only.
    Truncated,
    /// Not at all: the same file had been answered before.
    Memo,
}

impl Strategy {
    pub(crate) fn name(self) -> &'static str {
        match self {
            Self::Whole => "whole",
            Self::MapReduce => "map_reduce",
            Self::Truncated => "truncated",
            Self::Memo => "memo",
        }
    }
}
