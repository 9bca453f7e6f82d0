//! A response object as the real service sends it.

use axum::Json;
use axum::response::{IntoResponse, Response};
use serde_json::{Value, json};

use super::form;
use super::request::Request;

/// About what the models in use count.
const CHARS_PER_TOKEN: usize = 4;
const TOKENS_PER_PICTURE: usize = 765;

/// The answer to a request, cut short where the request's own `max_output_tokens` says so.
pub(super) fn response(request: &Request) -> Response {
    let text = if request.format["type"] == "json_schema" { form::fill(request).to_string() } else { "Hello.".to_owned() };
    let tokens = tokens_of(&text);
    match request.max_output_tokens {
        Some(max) if tokens as u64 > max => {
            incomplete(request, "max_output_tokens", &text[..text.floor_char_boundary(max as usize * CHARS_PER_TOKEN)])
        }
        _ => completed(request, &text),
    }
}

pub(super) fn completed(request: &Request, text: &str) -> Response {
    let content = json!({ "type": "output_text", "annotations": [], "logprobs": [], "text": text });
    send(object(request, "completed", Value::Null, content, tokens_of(text)))
}

pub(super) fn incomplete(request: &Request, reason: &str, text: &str) -> Response {
    let content = json!({ "type": "output_text", "annotations": [], "logprobs": [], "text": text });
    send(object(request, "incomplete", json!({ "reason": reason }), content, tokens_of(text)))
}

pub(super) fn refusal(request: &Request) -> Response {
    let words = "I'm sorry, but I can't assist with that request.";
    send(object(request, "completed", Value::Null, json!({ "type": "refusal", "refusal": words }), tokens_of(words)))
}

fn tokens_of(text: &str) -> usize {
    text.len().div_ceil(CHARS_PER_TOKEN)
}

fn send(body: Value) -> Response {
    ([("x-request-id", format!("req_{}", uuid::Uuid::new_v4().simple())), ("openai-processing-ms", "1".to_owned())], Json(body))
        .into_response()
}

pub(super) fn object(request: &Request, status: &str, incomplete_details: Value, content: Value, output_tokens: usize) -> Value {
    let instructions = request.instructions.as_str().map_or(0, tokens_of);
    let input_tokens = instructions + tokens_of(&request.text) + request.pictures.len() * TOKENS_PER_PICTURE;
    let now = chrono::Utc::now().timestamp();
    json!({
        "id": format!("resp_{}", uuid::Uuid::new_v4().simple()),
        "object": "response",
        "created_at": now,
        "status": status,
        "background": false,
        "error": null,
        "incomplete_details": incomplete_details,
        "instructions": request.instructions,
        "max_output_tokens": request.max_output_tokens,
        "max_tool_calls": null,
        "metadata": {},
        "model": request.model,
        "output": [{
            "id": format!("msg_{}", uuid::Uuid::new_v4().simple()),
            "type": "message",
            "status": status,
            "role": "assistant",
            "content": [content]
        }],
        "parallel_tool_calls": true,
        "previous_response_id": null,
        "prompt_cache_key": null,
        "reasoning": { "effort": null, "summary": null },
        "safety_identifier": null,
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
            "input_tokens_details": { "cached_tokens": 0 },
            "output_tokens": output_tokens,
            "output_tokens_details": { "reasoning_tokens": 0 },
            "total_tokens": input_tokens + output_tokens
        },
        "user": null
    })
}
