//! A response object as the real service sends it.

use serde_json::{Value, json};

use super::form;
use super::request::Request;

/// About what the models in use count.
const CHARS_PER_TOKEN: usize = 4;
const TOKENS_PER_PICTURE: usize = 765;

/// The answer to a request, cut short where the request's own `max_output_tokens` says so.
pub(super) fn body(request: &Request) -> Value {
    let text = if request.format["type"] == "json_schema" { form::fill(request).to_string() } else { "Hello.".to_owned() };
    let tokens = tokens_of(&text);
    match request.max_output_tokens {
        Some(max) if tokens as u64 > max => {
            incomplete(request, "max_output_tokens", &text[..text.floor_char_boundary(max as usize * CHARS_PER_TOKEN)])
        }
        _ => completed(request, &text),
    }
}

pub(super) fn completed(request: &Request, text: &str) -> Value {
    object(request, "completed", Value::Null, Some(output_text(text)), tokens_of(text))
}

pub(super) fn incomplete(request: &Request, reason: &str, text: &str) -> Value {
    object(request, "incomplete", json!({ "reason": reason }), Some(output_text(text)), tokens_of(text))
}

pub(super) fn refusal(request: &Request) -> Value {
    let words = "I'm sorry, but I can't assist with that request.";
    object(request, "completed", Value::Null, Some(json!({ "type": "refusal", "refusal": words })), tokens_of(words))
}

pub(super) fn failed(request: &Request) -> Value {
    let mut body = object(request, "failed", Value::Null, None, 0);
    body["error"] = json!({ "code": "server_error", "message": "The model failed to generate a response." });
    body
}

/// Tokens of what is asked.
pub(super) fn input_tokens(request: &Request) -> u64 {
    let instructions = request.instructions.as_str().map_or(0, tokens_of);
    (instructions + tokens_of(&request.text) + request.pictures.len() * TOKENS_PER_PICTURE) as u64
}

fn output_text(text: &str) -> Value {
    json!({ "type": "output_text", "annotations": [], "logprobs": [], "text": text })
}

fn tokens_of(text: &str) -> usize {
    text.len().div_ceil(CHARS_PER_TOKEN)
}

fn object(request: &Request, status: &str, incomplete_details: Value, content: Option<Value>, output_tokens: usize) -> Value {
    let (input_tokens, output_tokens) = (input_tokens(request), output_tokens as u64);
    let output: Vec<Value> = content
        .into_iter()
        .map(|content| {
            json!({
                "id": format!("msg_{}", uuid::Uuid::new_v4().simple()),
                "type": "message",
                "status": status,
                "role": "assistant",
                "content": [content]
            })
        })
        .collect();
    json!({
        "id": format!("resp_{}", uuid::Uuid::new_v4().simple()),
        "object": "response",
        "created_at": chrono::Utc::now().timestamp(),
        "status": status,
        "background": false,
        "error": null,
        "incomplete_details": incomplete_details,
        "instructions": request.instructions,
        "max_output_tokens": request.max_output_tokens,
        "max_tool_calls": null,
        "metadata": {},
        "model": request.model,
        "output": output,
        "parallel_tool_calls": true,
        "previous_response_id": null,
        "reasoning": { "effort": null, "summary": null },
        "service_tier": "default",
        "store": request.store,
        "temperature": 1.0,
        "text": { "format": request.format, "verbosity": "medium" },
        "tool_choice": "auto",
        "tools": [],
        "top_logprobs": 0,
        "top_p": 1.0,
        "truncation": "disabled",
        "usage": {
            "input_tokens": input_tokens,
            "input_tokens_details": { "cached_tokens": 0, "cache_write_tokens": 0 },
            "output_tokens": output_tokens,
            "output_tokens_details": { "reasoning_tokens": 0 },
            "total_tokens": input_tokens + output_tokens
        }
    })
}
