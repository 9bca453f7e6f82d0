//! Reading a request as strictly as the real service does where it matters here: model, input, strict schema.

use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use serde_json::Value;
use sha2::{Digest, Sha256};

/// A request that the real service would have accepted.
#[derive(Debug)]
pub(super) struct Request {
    pub(super) model: String,
    pub(super) instructions: Value,
    pub(super) max_output_tokens: Option<u64>,
    pub(super) store: bool,
    /// `text.format`, echoed in the answer.
    pub(super) format: Value,
    /// Everything of type `input_text`, in order.
    pub(super) text: String,
    pub(super) pictures: Vec<Picture>,
}

impl Request {
    /// The name of the schema that is asked for; `text` without one.
    pub(super) fn schema_name(&self) -> &str {
        self.format["name"].as_str().unwrap_or("text")
    }

    /// The one page that is shown, where the text marks it as `[page 3 of 7]` and shows no other.
    pub(super) fn page(&self) -> Option<&str> {
        let mut pages = self.text.lines().filter_map(|line| line.strip_prefix("[page ")?.strip_suffix(']')?.split_once(" of "));
        let (page, _) = pages.next()?;
        pages.next().is_none().then_some(page)
    }

    /// What the service takes off the token limit before it answers: the larger of what is asked and what the answer may be.
    pub(super) fn tokens_reserved(&self) -> u64 {
        super::answer::input_tokens(self).max(self.max_output_tokens.unwrap_or(0))
    }
}

/// A picture as it arrived.
#[derive(Debug)]
pub(super) struct Picture {
    /// By its bytes, whatever the data URL says.
    pub(super) media_type: &'static str,
    pub(super) width: u32,
    pub(super) height: u32,
    pub(super) sha256: String,
}

/// The sentence of the 400 otherwise.
pub(super) fn read(body: &[u8]) -> Result<Request, String> {
    let json: Value = serde_json::from_slice(body).map_err(|_| "We could not parse the JSON body of your request.".to_owned())?;
    let model = json["model"].as_str().ok_or("Missing required parameter: 'model'.")?.to_owned();
    let format = json["text"]["format"].clone();
    if format["type"] == "json_schema" {
        check_format(&format)?;
    }
    let mut request = Request {
        model,
        instructions: json["instructions"].clone(),
        max_output_tokens: json["max_output_tokens"].as_u64(),
        store: json["store"].as_bool().unwrap_or(true),
        format,
        text: String::new(),
        pictures: Vec::new(),
    };
    match &json["input"] {
        Value::String(text) => request.text.push_str(text),
        Value::Array(items) => items.iter().try_for_each(|item| take_message(item, &mut request))?,
        _ => return Err("Missing required parameter: 'input'.".to_owned()),
    }
    Ok(request)
}

fn take_message(item: &Value, request: &mut Request) -> Result<(), String> {
    match &item["content"] {
        Value::String(text) => add_text(text, request),
        Value::Array(parts) => {
            for part in parts {
                match part["type"].as_str() {
                    Some("input_text") => {
                        add_text(part["text"].as_str().ok_or("Missing required parameter: 'input[0].content[0].text'.")?, request)
                    }
                    Some("input_image") => request.pictures.push(picture(part["image_url"].as_str().unwrap_or_default())?),
                    other => {
                        return Err(format!(
                            "Invalid value: '{}'. Supported values are: 'input_text', 'input_image'.",
                            other.unwrap_or("null")
                        ));
                    }
                }
            }
        }
        _ => return Err("Invalid type for 'input[0].content'.".to_owned()),
    }
    Ok(())
}

fn add_text(text: &str, request: &mut Request) {
    if !request.text.is_empty() {
        request.text.push('\n');
    }
    request.text.push_str(text);
}

/// Decodes the header only: the size is what the bytes say, not what anybody claims.
fn picture(url: &str) -> Result<Picture, String> {
    let encoded =
        url.strip_prefix("data:").and_then(|rest| rest.split_once(";base64,")).ok_or("Invalid 'input[0].content[0].image_url'.")?.1;
    let bytes = STANDARD.decode(encoded).map_err(|_| "Invalid base64 image_url.")?;
    let reader = image::ImageReader::new(std::io::Cursor::new(&bytes)).with_guessed_format().map_err(|error| error.to_string())?;
    let media_type = reader.format().ok_or("The image data you provided does not represent a valid image.")?.to_mime_type();
    let (width, height) = reader.into_dimensions().map_err(|_| "The image data you provided does not represent a valid image.")?;
    Ok(Picture { media_type, width, height, sha256: hex::encode(Sha256::digest(&bytes)) })
}

/// The rules of strict structured output.
fn check_format(format: &Value) -> Result<(), String> {
    let name = format["name"].as_str().ok_or("Missing required parameter: 'text.format.name'.")?;
    if !format["schema"].is_object() {
        return Err("Missing required parameter: 'text.format.schema'.".to_owned());
    }
    if format["strict"] == true { check_strict(&format["schema"], name) } else { Ok(()) }
}

fn check_strict(schema: &Value, name: &str) -> Result<(), String> {
    if schema["type"] == "object" {
        let properties = schema["properties"].as_object().cloned().unwrap_or_default();
        if schema["additionalProperties"] != false {
            return Err(format!(
                "Invalid schema for response_format '{name}': 'additionalProperties' is required to be supplied and to be false."
            ));
        }
        let required = schema["required"].as_array().cloned().unwrap_or_default();
        if let Some(missing) = properties.keys().find(|key| !required.iter().any(|required| required == key.as_str())) {
            return Err(format!(
                "Invalid schema for response_format '{name}': 'required' must include every key in properties. Missing '{missing}'."
            ));
        }
        properties.values().try_for_each(|property| check_strict(property, name))?;
    }
    if schema["type"] == "array" { check_strict(&schema["items"], name) } else { Ok(()) }
}
