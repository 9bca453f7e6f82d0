//! What the model is asked to return about a denial letter, and what is kept of it.

use std::sync::LazyLock;

use chrono::NaiveDate;
use serde::{Deserialize, Serialize};
use serde_json::{Value, json};

use crate::documents::DatedFact;
use crate::documents::prompts::Prompt;
use crate::documents::summary::{cut, of_form};

/// Letters deny a handful of things; a model that repeats itself shall not fill the database.
const CONDITIONS_MAX: usize = 200;
const LIST_ITEMS_MAX: usize = 100;

const SCHEMA_NAME: &str = "denial_letter";

pub(super) static DECODE: LazyLock<Prompt> =
    LazyLock::new(|| Prompt::new("decode_denial_letter", include_str!("../../prompts/decode_denial_letter.md"), SCHEMA_NAME, schema()));

pub(super) static COMBINE: LazyLock<Prompt> =
    LazyLock::new(|| Prompt::new("combine_denial_letters", include_str!("../../prompts/combine_denial_letters.md"), SCHEMA_NAME, schema()));

/// A letter that refuses something, taken apart. Texts are empty where the letter says nothing.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct DenialLetter {
    /// False: the letter refuses nothing.
    pub is_denial: bool,
    pub sender: String,
    /// File or claim number.
    pub reference: String,
    pub summary: String,
    /// ISO 639-1.
    pub language: String,
    /// YYYY-MM-DD where the letter is exact enough, otherwise as written.
    pub decision_date: String,
    pub denied_conditions: Vec<DeniedCondition>,
    pub deadlines: Vec<Deadline>,
}

/// One thing that was refused.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct DeniedCondition {
    pub condition: String,
    pub reason: String,
    pub evidence_considered: Vec<String>,
    pub evidence_missing: Vec<String>,
    pub dates: Vec<DatedFact>,
    /// Until when it can be contested.
    pub deadline: String,
}

/// Something the reader has to do by a day.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Deadline {
    pub date: String,
    pub action: String,
}

/// The form the model must answer in: strict, so every property is required and no other is allowed.
fn schema() -> Value {
    let object = |properties: Value| {
        let required: Vec<&String> = properties.as_object().into_iter().flat_map(|properties| properties.keys()).collect();
        json!({ "type": "object", "additionalProperties": false, "required": required, "properties": properties })
    };
    let text = json!({ "type": "string" });
    let list = |items: &Value| json!({ "type": "array", "items": items });
    let condition = object(json!({
        "condition": text, "reason": text, "evidence_considered": list(&text), "evidence_missing": list(&text),
        "dates": list(&object(json!({ "date": text, "meaning": text }))), "deadline": text
    }));
    object(json!({
        "is_denial": { "type": "boolean" }, "sender": text, "reference": text, "summary": text, "language": text, "decision_date": text,
        "denied_conditions": list(&condition), "deadlines": list(&object(json!({ "date": text, "action": text })))
    }))
}

impl DenialLetter {
    /// Checks an answer: the model's promise of a form is not taken on trust.
    ///
    /// # Errors
    /// When it is not JSON of that form, or says nothing. The error quotes none of it.
    pub(super) fn parse(answer: &str) -> anyhow::Result<Self> {
        let mut letter: Self = of_form(answer)?;
        anyhow::ensure!(!letter.summary.trim().is_empty(), "the answer has an empty summary");
        anyhow::ensure!(!letter.is_denial || !letter.denied_conditions.is_empty(), "the answer names nothing that was denied");
        letter.denied_conditions.truncate(CONDITIONS_MAX);
        letter.deadlines.truncate(LIST_ITEMS_MAX);
        let Self { sender, reference, summary, language, decision_date, .. } = &mut letter;
        [sender, reference, summary, language, decision_date].into_iter().for_each(cut);
        for Deadline { date, action } in &mut letter.deadlines {
            cut(date);
            cut(action);
        }
        letter.denied_conditions.iter_mut().for_each(DeniedCondition::shorten);
        Ok(letter)
    }

    /// The earliest deadline that is an exact day, and none before the decision: that is some other date, taken for one.
    pub(super) fn appeal_deadline(&self) -> Option<NaiveDate> {
        let decided = day(&self.decision_date);
        let of_conditions = self.denied_conditions.iter().map(|condition| condition.deadline.as_str());
        of_conditions
            .chain(self.deadlines.iter().map(|deadline| deadline.date.as_str()))
            .filter_map(day)
            .filter(|day| decided.is_none_or(|decided| *day >= decided))
            .min()
    }
}

impl DeniedCondition {
    fn shorten(&mut self) {
        let Self { condition, reason, evidence_considered, evidence_missing, dates, deadline } = self;
        [condition, reason, deadline].into_iter().for_each(cut);
        for list in [evidence_considered, evidence_missing] {
            list.truncate(LIST_ITEMS_MAX);
            list.iter_mut().for_each(cut);
        }
        dates.truncate(LIST_ITEMS_MAX);
        for DatedFact { date, meaning } in dates {
            cut(date);
            cut(meaning);
        }
    }
}

/// A date as the prompt asks for it; anything else is no exact day.
pub(super) fn day(text: &str) -> Option<NaiveDate> {
    NaiveDate::parse_from_str(text.trim(), "%Y-%m-%d").ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn letter() -> DenialLetter {
        let condition = |deadline: &str| DeniedCondition {
            condition: "c".into(),
            reason: "r".into(),
            evidence_considered: vec!["x-ray".into()],
            evidence_missing: vec![],
            dates: vec![DatedFact { date: "2026-01-01".into(), meaning: "m".into() }],
            deadline: deadline.into(),
        };
        DenialLetter {
            is_denial: true,
            sender: "s".into(),
            reference: "f".into(),
            summary: "t".into(),
            language: "en".into(),
            decision_date: "2026-01-02".into(),
            denied_conditions: vec![condition("2027-03-01"), condition("within a year")],
            deadlines: ["2011-08-22", "2027-02-01"].map(|date| Deadline { date: date.into(), action: "appeal".into() }).into(),
        }
    }

    #[test]
    fn the_schema_asks_for_exactly_what_is_kept() {
        fn agree(schema: &Value, kept: &Value) {
            match kept {
                Value::Object(fields) => {
                    let asked: Vec<&String> = schema["properties"].as_object().unwrap().keys().collect();
                    assert_eq!(asked, fields.keys().collect::<Vec<_>>());
                    fields.iter().for_each(|(name, value)| agree(&schema["properties"][name], value));
                }
                Value::Array(items) => items.iter().for_each(|item| agree(&schema["items"], item)),
                _ => {}
            }
        }
        agree(&schema(), &serde_json::to_value(letter()).unwrap());
    }

    #[test]
    fn the_appeal_deadline_is_the_earliest_exact_day_after_the_decision() {
        assert_eq!(letter().appeal_deadline(), NaiveDate::from_ymd_opt(2027, 2, 1));
    }

    #[test]
    fn an_answer_that_denies_nothing_by_name_is_refused() {
        let mut empty = letter();
        empty.denied_conditions.clear();
        assert!(DenialLetter::parse(&serde_json::to_string(&empty).unwrap()).is_err());
        empty.is_denial = false;
        assert_eq!(DenialLetter::parse(&serde_json::to_string(&empty).unwrap()).unwrap(), empty);
    }
}
