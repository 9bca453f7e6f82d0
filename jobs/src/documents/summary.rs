//! What the model is asked to return, and what is kept of it.

use std::sync::LazyLock;

use anyhow::Context;
use serde::de::DeserializeOwned;
use serde::{Deserialize, Serialize};
use serde_json::{Value, json};

use super::prompts::Prompt;

/// Texts longer than this are cut: a model that repeats itself shall not fill the database.
const TEXT_CHARS_MAX: usize = 10_000;
const LIST_ITEMS_MAX: usize = 100;

/// The analysis of a document. The web app finds it in `documents.ai_summary`, encrypted, as a [`Kept`](super::Kept) of it.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Analysis {
    pub summary: String,
    pub document_type: String,
    pub key_points: Vec<String>,
    pub dates: Vec<DatedFact>,
    /// ISO 639-1.
    pub language: String,
}

#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct DatedFact {
    pub date: String,
    pub meaning: String,
}

pub(super) static ANALYZE: LazyLock<Prompt> =
    LazyLock::new(|| Prompt::new("analyze_document", include_str!("../../prompts/analyze_document.md"), SCHEMA_NAME, schema()));

pub(super) static COMBINE: LazyLock<Prompt> =
    LazyLock::new(|| Prompt::new("combine_analyses", include_str!("../../prompts/combine_analyses.md"), SCHEMA_NAME, schema()));

const SCHEMA_NAME: &str = "document_analysis";

/// The form the model must answer in: strict, so every property is required and no other is allowed.
fn schema() -> Value {
    json!({
        "type": "object",
        "additionalProperties": false,
        "required": ["summary", "document_type", "key_points", "dates", "language"],
        "properties": {
            "summary": { "type": "string" },
            "document_type": { "type": "string" },
            "key_points": { "type": "array", "items": { "type": "string" } },
            "dates": {
                "type": "array",
                "items": {
                    "type": "object",
                    "additionalProperties": false,
                    "required": ["date", "meaning"],
                    "properties": { "date": { "type": "string" }, "meaning": { "type": "string" } }
                }
            },
            "language": { "type": "string" }
        }
    })
}

impl Analysis {
    /// Checks an answer: the model's promise of a form is not taken on trust.
    ///
    /// # Errors
    /// When it is not JSON of that form, or says nothing. The error quotes none of it.
    pub(crate) fn parse(answer: &str) -> anyhow::Result<Self> {
        let mut analysis: Self = of_form(answer)?;
        anyhow::ensure!(!analysis.summary.trim().is_empty(), "the answer has an empty summary");
        analysis.key_points.truncate(LIST_ITEMS_MAX);
        analysis.dates.truncate(LIST_ITEMS_MAX);
        let texts = [&mut analysis.summary, &mut analysis.document_type, &mut analysis.language];
        for text in texts.into_iter().chain(&mut analysis.key_points) {
            cut(text);
        }
        for fact in &mut analysis.dates {
            cut(&mut fact.date);
            cut(&mut fact.meaning);
        }
        Ok(analysis)
    }
}

/// The answer as JSON of that form. An error names the place and quotes nothing.
pub(crate) fn of_form<T: DeserializeOwned>(answer: &str) -> anyhow::Result<T> {
    let place = |error: serde_json::Error| anyhow::anyhow!("line {}, column {}", error.line(), error.column());
    serde_json::from_str(answer).map_err(place).context("the answer is not of the form asked for")
}

pub(crate) fn cut(text: &mut String) {
    if let Some((at, _)) = text.char_indices().nth(TEXT_CHARS_MAX) {
        text.truncate(at);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_answer_of_another_form_is_refused_without_being_quoted() {
        for bad in ["I cannot", "{}", r#"{"summary":"secret","document_type":"a","key_points":"b","dates":[],"language":"en"}"#] {
            let error = format!("{:#}", Analysis::parse(bad).unwrap_err());
            assert!(!error.contains("secret") && !error.contains("cannot"), "{error}");
        }
    }

    #[test]
    fn the_schema_asks_for_exactly_what_is_kept() {
        let fact = DatedFact { date: "2026-01-01".into(), meaning: "m".into() };
        let (summary, document_type, language) = ("s".into(), "d".into(), "en".into());
        let kept = Analysis { summary, document_type, key_points: vec![], dates: vec![fact], language };
        let kept = serde_json::to_value(kept).unwrap();
        let names = |object: &Value| object.as_object().unwrap().keys().cloned().collect::<Vec<_>>();
        assert_eq!(names(&schema()["properties"]), names(&kept));
        assert_eq!(names(&schema()["properties"]["dates"]["items"]["properties"]), names(&kept["dates"][0]));
    }
}
