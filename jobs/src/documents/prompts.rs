//! The instructions the model is given, one file each, and the version of each.

use std::sync::LazyLock;

use serde_json::Value;
use sha2::{Digest, Sha256};

/// Instructions with the form of their answer.
#[derive(Debug)]
pub(crate) struct Prompt {
    pub(crate) instructions: &'static str,
    /// Name of the schema on the wire.
    pub(crate) schema_name: &'static str,
    pub(crate) schema: Value,
    /// The file's name and a digest of instructions and schema: an answer to another wording is not taken for an answer to this one.
    pub(crate) version: String,
}

impl Prompt {
    pub(crate) fn new(name: &str, instructions: &'static str, schema_name: &'static str, schema: Value) -> Self {
        let digest = Sha256::new().chain_update(instructions).chain_update(schema.to_string()).finalize();
        let version = format!("{name}/{}", hex::encode(&digest[..6]));
        Self { instructions, schema_name, schema, version }
    }
}

/// Reads the text on a picture of a page.
pub(super) static READ_PAGE: LazyLock<Prompt> = LazyLock::new(|| {
    let schema = serde_json::json!({
        "type": "object",
        "additionalProperties": false,
        "required": ["text", "legible"],
        "properties": { "text": { "type": "string" }, "legible": { "type": "boolean" } }
    });
    Prompt::new("read_page", include_str!("../../prompts/read_page.md"), "page_text", schema)
});
