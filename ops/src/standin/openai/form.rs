//! Fills the JSON schema of a request with facts, so that the answer is valid under whatever schema was sent.

use serde_json::{Map, Value, json};

use super::facts::{self, Facts};
use super::request::{Picture, Request};

/// Sentences of a summary, and key points.
const SUMMARY_SENTENCES: usize = 3;
const KEY_POINTS: usize = 5;

pub(super) fn fill(request: &Request) -> Value {
    let facts = facts::of(&request.text);
    value(&request.format["schema"], "", &Material { facts: &facts, pictures: &request.pictures, date: None })
}

struct Material<'a> {
    facts: &'a Facts,
    pictures: &'a [Picture],
    /// The date that the object being filled is about.
    date: Option<&'a (String, String)>,
}

fn value(schema: &Value, name: &str, material: &Material<'_>) -> Value {
    if let Some(first) = schema["enum"].as_array().and_then(|values| values.first()) {
        return first.clone();
    }
    if let Some(first) = schema["anyOf"].as_array().and_then(|choices| choices.first()) {
        return value(first, name, material);
    }
    // A type may be a list, as in ["string", "null"].
    let kind = schema["type"].as_str().or_else(|| schema["type"][0].as_str()).unwrap_or("null");
    match kind {
        "object" => object(schema, material),
        "array" => Value::Array(items(&schema["items"], name, material)),
        "string" => text(name, material).into(),
        "integer" | "number" => material.facts.words.into(),
        "boolean" => false.into(),
        _ => Value::Null,
    }
}

fn object(schema: &Value, material: &Material<'_>) -> Value {
    let properties = schema["properties"].as_object().cloned().unwrap_or_default();
    Value::Object(properties.iter().map(|(name, schema)| (name.clone(), value(schema, name, material))).collect::<Map<_, _>>())
}

fn items(schema: &Value, name: &str, material: &Material<'_>) -> Vec<Value> {
    match (name, schema["type"].as_str()) {
        ("dates", Some("object")) => {
            material.facts.dates.iter().map(|date| object(schema, &Material { date: Some(date), ..*material })).collect()
        }
        ("key_points", Some("string")) => {
            let sentences = material.facts.sentences.iter().take(KEY_POINTS).map(|sentence| json!(sentence));
            sentences.chain(material.pictures.iter().map(|picture| json!(describe(picture)))).collect()
        }
        _ => Vec::new(),
    }
}

fn text(name: &str, material: &Material<'_>) -> String {
    match (name, material.date) {
        ("date", Some((date, _))) => date.clone(),
        ("meaning", Some((_, sentence))) => sentence.clone(),
        ("language", _) => material.facts.language.to_owned(),
        ("document_type", _) => material.facts.document_type.to_owned(),
        ("summary", _) => summary(material),
        _ => "stand-in".to_owned(),
    }
}

/// Says first that no model has read the document.
fn summary(material: &Material<'_>) -> String {
    let Facts { sentences, words, .. } = material.facts;
    let mut parts = vec!["[Written by a stand-in, not by a model.]".to_owned()];
    parts.extend(sentences.iter().take(SUMMARY_SENTENCES).cloned());
    parts.push(format!("The text has {words} words."));
    parts.extend(material.pictures.iter().map(describe));
    parts.join(" ")
}

fn describe(picture: &Picture) -> String {
    let Picture { media_type, width, height, sha256 } = picture;
    format!("One page came as a picture: {media_type}, {width} x {height} pixels, SHA-256 {sha256}.")
}
