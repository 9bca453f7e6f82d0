//! What is asked of the model, and its wire form.

use std::borrow::Cow;

use async_openai::types::responses::{
    CreateResponse, EasyInputContent, EasyInputMessage, ImageDetail, InputContent, InputImageContent, InputItem, InputParam,
    InputTextContent, ResponseFormatJsonSchema, ResponseTextParam, Role, TextResponseFormatConfiguration,
};
use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use serde_json::Value;
use sha2::{Digest, Sha256};

/// One question with its material.
#[derive(Debug, Clone)]
pub struct Question {
    /// Ours, and trusted; everything in `parts` is a stranger's.
    pub instructions: Cow<'static, str>,
    pub parts: Vec<Part>,
    /// The answer is JSON of this schema, strictly.
    pub schema_name: &'static str,
    pub schema: Value,
    /// Tokens the answer may have, a reasoning model's thoughts included.
    pub output_tokens_max: u32,
}

/// A piece of the material.
#[derive(Debug, Clone)]
pub enum Part {
    Text(String),
    Picture { media_type: String, bytes: Vec<u8> },
}

impl Question {
    /// A digest of everything that is asked, for the ledger.
    pub fn digest(&self) -> String {
        let mut hash = Sha256::new();
        let mut add = |bytes: &[u8]| {
            // With its length, so that no two lists of parts read the same.
            hash.update((bytes.len() as u64).to_be_bytes());
            hash.update(bytes);
        };
        add(self.instructions.as_bytes());
        add(self.schema.to_string().as_bytes());
        for part in &self.parts {
            match part {
                Part::Text(text) => add(text.as_bytes()),
                Part::Picture { media_type, bytes } => {
                    add(media_type.as_bytes());
                    add(bytes);
                }
            }
        }
        hex::encode(hash.finalize())
    }

    pub(super) fn to_wire(&self, model: &str) -> CreateResponse {
        let content = self.parts.iter().map(part_to_wire).collect();
        let message = EasyInputMessage { role: Role::User, content: EasyInputContent::ContentList(content), ..EasyInputMessage::default() };
        let format = ResponseFormatJsonSchema {
            description: None,
            name: self.schema_name.to_owned(),
            schema: self.schema.clone(),
            strict: Some(true),
        };
        CreateResponse {
            model: Some(model.to_owned()),
            instructions: Some(self.instructions.clone().into_owned()),
            input: InputParam::Items(vec![InputItem::EasyMessage(message)]),
            text: Some(ResponseTextParam { format: TextResponseFormatConfiguration::JsonSchema(format), verbosity: None }),
            max_output_tokens: Some(self.output_tokens_max),
            // Documents hold health data: the provider keeps no copy for later retrieval.
            store: Some(false),
            ..CreateResponse::default()
        }
    }
}

fn part_to_wire(part: &Part) -> InputContent {
    match part {
        Part::Text(text) => InputContent::InputText(InputTextContent { text: text.clone(), ..InputTextContent::default() }),
        Part::Picture { media_type, bytes } => InputContent::InputImage(InputImageContent {
            detail: ImageDetail::High,
            image_url: Some(format!("data:{media_type};base64,{}", STANDARD.encode(bytes))),
            ..InputImageContent::default()
        }),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_request_keeps_nothing_at_the_provider_and_demands_the_schema() {
        let parts = vec![Part::Text("page".into()), Part::Picture { media_type: "image/png".into(), bytes: vec![1, 2, 3] }];
        let schema = serde_json::json!({"type": "object"});
        let question = Question { instructions: "i".into(), parts, schema_name: "n", schema: schema.clone(), output_tokens_max: 9 };
        let wire = serde_json::to_value(question.to_wire("m")).unwrap();
        assert_eq!(wire["store"], false);
        assert_eq!(wire["text"]["format"], serde_json::json!({"type": "json_schema", "name": "n", "schema": schema, "strict": true}));
        assert_eq!(wire["input"][0]["content"][0], serde_json::json!({"type": "input_text", "text": "page"}));
        assert_eq!(wire["input"][0]["content"][1]["image_url"], "data:image/png;base64,AQID");
        assert_eq!((&wire["instructions"], &wire["max_output_tokens"], &wire["model"]), (&"i".into(), &9.into(), &"m".into()));
    }
}
