//! Fills the JSON schema of a request with facts, so that the answer is valid under whatever schema was sent.

use serde_json::{Map, Value, json};

use super::facts::{self, Facts};
use super::reading;
use super::request::{Picture, Request};

/// Sentences of a summary, key points, and entries of a list that nothing else says the length of.
const SUMMARY_SENTENCES: usize = 3;
const KEY_POINTS: usize = 5;
const ENTRIES: usize = 3;
/// Schemas may refer to themselves.
const DEPTH_MAX: u8 = 16;

pub(super) fn fill(request: &Request) -> Value {
    let facts = facts::of(&request.text);
    let schema = &request.format["schema"];
    value(schema, "", &Material { facts: &facts, pictures: &request.pictures, root: schema, date: None, sentence: None, depth: 0 })
}

#[derive(Clone, Copy)]
struct Material<'a> {
    facts: &'a Facts,
    pictures: &'a [Picture],
    /// Where `$ref` begins.
    root: &'a Value,
    /// The date that the object being filled is about.
    date: Option<&'a (String, String)>,
    /// The sentence that it is about.
    sentence: Option<&'a str>,
    depth: u8,
}

fn value(schema: &Value, name: &str, material: &Material<'_>) -> Value {
    let schema = resolved(schema, material.root);
    if material.depth > DEPTH_MAX {
        return Value::Null;
    }
    if !schema["const"].is_null() {
        return schema["const"].clone();
    }
    if let Some(first) = schema["enum"].as_array().and_then(|values| values.first()) {
        return first.clone();
    }
    if let Some(choices) = schema["anyOf"].as_array() {
        let choice = choices.iter().find(|choice| choice["type"] != "null").unwrap_or(&choices[0]);
        return if choices.len() > 1 && says_nothing(choice, name, material) { Value::Null } else { value(choice, name, material) };
    }
    // A type may be a list, as in ["string", "null"].
    let kind = schema["type"].as_str().or_else(|| schema["type"][0].as_str()).unwrap_or("null");
    match kind {
        "object" => object(schema, material),
        "array" => Value::Array(items(schema, name, material)),
        "string" if schema["type"].is_array() && says_nothing(schema, name, material) => Value::Null,
        "string" => text(schema, name, material).into(),
        "integer" | "number" => number(schema, name, kind, material),
        "boolean" => ["legible", "readable", "denial"].iter().any(|word| name.contains(word)).into(),
        _ => Value::Null,
    }
}

fn resolved<'a>(schema: &'a Value, root: &'a Value) -> &'a Value {
    let Some(reference) = schema["$ref"].as_str() else { return schema };
    reference.strip_prefix('#').and_then(|pointer| root.pointer(pointer)).unwrap_or(schema)
}

fn object(schema: &Value, material: &Material<'_>) -> Value {
    let properties = schema["properties"].as_object().cloned().unwrap_or_default();
    let deeper = Material { depth: material.depth + 1, ..*material };
    Value::Object(properties.iter().map(|(name, schema)| (name.clone(), value(schema, name, &deeper))).collect::<Map<_, _>>())
}

fn items(schema: &Value, name: &str, material: &Material<'_>) -> Vec<Value> {
    let item = resolved(&schema["items"], material.root);
    let sentences = &material.facts.sentences;
    let about = |sentence| value(item, name, &Material { sentence: Some(sentence), depth: material.depth + 1, ..*material });
    let mut items: Vec<Value> = match item["type"].as_str() {
        Some("object") if is_date(name) => {
            let dates = material.facts.dates.iter();
            dates.map(|date| object(item, &Material { date: Some(date), sentence: Some(&date.1), ..*material })).collect()
        }
        Some("string") if is_date(name) => material.facts.dates.iter().map(|(date, _)| json!(date)).collect(),
        Some("string") if name == "key_points" => {
            let sentences = sentences.iter().take(KEY_POINTS).map(|sentence| json!(sentence));
            sentences.chain(material.pictures.iter().map(|picture| json!(describe(picture)))).collect()
        }
        _ => sentences.iter().take(ENTRIES).map(|sentence| about(sentence.as_str())).collect(),
    };
    let bound = |key: &str, or: usize| schema[key].as_u64().map_or(or, |bound| bound as usize);
    items.truncate(bound("maxItems", usize::MAX));
    while items.len() < bound("minItems", 0) {
        items.push(about("stand-in"));
    }
    items
}

fn is_date(name: &str) -> bool {
    ["date", "deadline", "due"].iter().any(|word| name.contains(word))
}

/// Whether null is the truth where it is allowed: a date that the text does not name.
fn says_nothing(schema: &Value, name: &str, material: &Material<'_>) -> bool {
    schema["type"] != "object" && schema["type"] != "array" && is_date(name) && date(material).is_none()
}

fn date<'a>(material: &Material<'a>) -> Option<&'a (String, String)> {
    material.date.or_else(|| material.facts.dates.first())
}

fn text(schema: &Value, name: &str, material: &Material<'_>) -> String {
    match name {
        name if is_date(name) || schema["format"] == "date" => {
            date(material).map_or_else(|| "1970-01-01".to_owned(), |(date, _)| date.clone())
        }
        "language" => material.facts.language.to_owned(),
        "document_type" => material.facts.document_type.to_owned(),
        "summary" => summary(material),
        "text" | "transcription" if !material.pictures.is_empty() => {
            material.pictures.iter().map(reading::of).collect::<Vec<_>>().join("\n")
        }
        _ => {
            let sentence = material.sentence.or_else(|| material.facts.sentences.first().map(String::as_str));
            sentence.unwrap_or("stand-in").to_owned()
        }
    }
}

fn number(schema: &Value, name: &str, kind: &str, material: &Material<'_>) -> Value {
    if kind == "number" && name.contains("confidence") {
        return json!(0.9);
    }
    let words = material.facts.words as i64;
    let least = schema["minimum"].as_i64().unwrap_or(i64::MIN);
    json!(words.min(schema["maximum"].as_i64().unwrap_or(i64::MAX)).max(least))
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
