//! OpenAI's published schema, cut down by `cut_published.py`, and a judge of JSON by it.
//!
//! The judge knows the keywords that the cut has and panics at any other, so that nothing is taken for valid because it was not
//! understood. It is written here because a validator from outside would change the features of half of the dependencies under test.

use serde_json::{Map, Value};

const PUBLISHED: &str = include_str!("published.json");
const PREFIX: &str = "#/components/schemas/";

/// One schema of the published description.
pub(crate) struct Published {
    name: &'static str,
    schemas: Map<String, Value>,
}

impl Published {
    pub(crate) fn schema(name: &'static str) -> Self {
        let mut description: Value = serde_json::from_str(PUBLISHED).unwrap();
        let Value::Object(schemas) = description["components"]["schemas"].take() else { panic!("no schemas") };
        Self { name, schemas }
    }

    /// The published `InputItem` is a `oneOf` whose branches overlap, so that no plain message is of exactly one of them: any will do.
    pub(crate) fn request() -> Self {
        let mut published = Self::schema("CreateResponse");
        let item = published.schemas["InputItem"].as_object_mut().unwrap();
        let branches = item.remove("oneOf").unwrap();
        item.insert("anyOf".to_owned(), branches);
        published
    }

    pub(crate) fn accepts(&self, value: &Value) -> bool {
        judge(&self.schemas[self.name], value, &self.schemas).is_ok()
    }

    #[track_caller]
    pub(crate) fn check(&self, value: &Value) {
        if let Err(complaint) = judge(&self.schemas[self.name], value, &self.schemas) {
            panic!("no {}: {complaint}\n{value:#}", self.name);
        }
    }
}

/// Whether a value is of a schema that stands alone; what is in `$defs` it names as if it were published.
pub(crate) fn is_valid(schema: &Value, value: &Value) -> bool {
    let mut schema = schema.clone();
    let definitions = schema.as_object_mut().and_then(|schema| schema.remove("$defs"));
    let definitions = definitions.and_then(|definitions| definitions.as_object().cloned()).unwrap_or_default();
    judge(&schema, value, &definitions).is_ok()
}

type Verdict = Result<(), String>;

fn judge(schema: &Value, value: &Value, schemas: &Map<String, Value>) -> Verdict {
    let Some(schema) = schema.as_object() else {
        return if schema == &Value::Bool(true) { Ok(()) } else { Err("nothing is allowed here".to_owned()) };
    };
    for (keyword, rule) in schema {
        obey(keyword, rule, schema, value, schemas)?;
    }
    Ok(())
}

fn obey(keyword: &str, rule: &Value, schema: &Map<String, Value>, value: &Value, schemas: &Map<String, Value>) -> Verdict {
    let branches = || rule.as_array().unwrap().iter().filter(|branch| judge(branch, value, schemas).is_ok()).count();
    let number = || rule.as_f64().unwrap();
    let within = match keyword {
        "$ref" => {
            let reference = rule.as_str().unwrap();
            let name = reference.strip_prefix(PREFIX).or_else(|| reference.strip_prefix("#/$defs/"));
            let name = name.unwrap_or_else(|| panic!("{rule} leads out of the description"));
            judge(&schemas[name], value, schemas).map_err(|complaint| format!("{name}: {complaint}"))?;
            true
        }
        "type" => match rule {
            Value::Array(types) => types.iter().any(|kind| is_of(kind, value)),
            kind => is_of(kind, value),
        },
        "enum" => rule.as_array().unwrap().contains(value),
        "const" => rule == value,
        "anyOf" => branches() >= 1,
        "oneOf" => branches() == 1,
        "allOf" => return rule.as_array().unwrap().iter().try_for_each(|branch| judge(branch, value, schemas)),
        "required" => {
            value.as_object().is_none_or(|object| rule.as_array().unwrap().iter().all(|key| object.contains_key(key.as_str().unwrap())))
        }
        "properties" => return each_property(rule, value, schemas),
        "additionalProperties" => return other_properties(rule, schema, value, schemas),
        "propertyNames" => {
            value.as_object().is_none_or(|object| object.keys().all(|key| judge(rule, &Value::from(key.as_str()), schemas).is_ok()))
        }
        "items" => {
            let items = value.as_array().map_or(&[][..], Vec::as_slice);
            return items.iter().enumerate().try_for_each(|(at, item)| judge(rule, item, schemas).map_err(|why| format!("[{at}] {why}")));
        }
        "minimum" => value.as_f64().is_none_or(|value| value >= number()),
        "maximum" => value.as_f64().is_none_or(|value| value <= number()),
        "minLength" => value.as_str().is_none_or(|text| text.chars().count() as f64 >= number()),
        "maxLength" => value.as_str().is_none_or(|text| text.chars().count() as f64 <= number()),
        "minItems" => value.as_array().is_none_or(|items| items.len() as f64 >= number()),
        "maxItems" => value.as_array().is_none_or(|items| items.len() as f64 <= number()),
        "maxProperties" => value.as_object().is_none_or(|object| object.len() as f64 <= number()),
        "pattern" => {
            assert_eq!(rule, "^[a-zA-Z0-9_-]+$", "a pattern that the judge does not know");
            let plain = |text: &str| !text.is_empty() && text.chars().all(|c| c.is_ascii_alphanumeric() || "_-".contains(c));
            value.as_str().is_none_or(plain)
        }
        // Notes that decide nothing.
        "format" | "discriminator" | "$recursiveAnchor" => true,
        other => panic!("a keyword that the judge does not know: {other}"),
    };
    if within { Ok(()) } else { Err(format!("{} against {keyword} {rule}", brief(value))) }
}

fn is_of(kind: &Value, value: &Value) -> bool {
    match kind.as_str().unwrap() {
        "null" => value.is_null(),
        "boolean" => value.is_boolean(),
        "string" => value.is_string(),
        "integer" => value.as_f64().is_some_and(|number| number.fract() == 0.0),
        "number" => value.is_number(),
        "array" => value.is_array(),
        "object" => value.is_object(),
        other => panic!("a type that the judge does not know: {other}"),
    }
}

fn each_property(rule: &Value, value: &Value, schemas: &Map<String, Value>) -> Verdict {
    let (Some(properties), Some(object)) = (rule.as_object(), value.as_object()) else { return Ok(()) };
    object
        .iter()
        .filter_map(|(key, value)| Some((key, value, properties.get(key)?)))
        .try_for_each(|(key, value, schema)| judge(schema, value, schemas).map_err(|why| format!(".{key} {why}")))
}

fn other_properties(rule: &Value, schema: &Map<String, Value>, value: &Value, schemas: &Map<String, Value>) -> Verdict {
    let named = |key: &String| schema.get("properties").is_some_and(|properties| properties.get(key).is_some());
    let others = value.as_object().into_iter().flatten().filter(|(key, _)| !named(key));
    others.into_iter().try_for_each(|(key, value)| judge(rule, value, schemas).map_err(|why| format!(".{key} {why}")))
}

fn brief(value: &Value) -> String {
    value.to_string().chars().take(80).collect()
}
