//! Errors with the bodies that the real service sends.

use serde_json::json;

use super::reply::Reply;

/// An error object with its status.
pub(super) fn refuse(status: u16, message: &str, kind: &str, param: Option<&str>, code: Option<&str>) -> Reply {
    let body = json!({ "error": { "message": message, "type": kind, "param": param, "code": code } });
    Reply::Json { status, headers: Vec::new(), body }
}

pub(super) fn bad_request(sentence: &str) -> Reply {
    refuse(400, sentence, "invalid_request_error", None, None)
}

pub(super) fn incorrect_key(key: &str) -> Reply {
    let shown: String = key.chars().take(5).collect();
    let sentence =
        format!("Incorrect API key provided: {shown}****. You can find your API key at https://platform.openai.com/account/api-keys.");
    refuse(401, &sentence, "invalid_request_error", None, Some("invalid_api_key"))
}

pub(super) fn missing_key() -> Reply {
    let sentence = "You didn't provide an API key. You need to provide your API key in an Authorization header using Bearer auth.";
    refuse(401, sentence, "invalid_request_error", None, None)
}

pub(super) fn unknown_model(model: &str) -> Reply {
    let sentence = format!("The model `{model}` does not exist or you do not have access to it.");
    refuse(404, &sentence, "invalid_request_error", Some("model"), Some("model_not_found"))
}

pub(super) fn out_of_quota() -> Reply {
    let sentence = "You exceeded your current quota, please check your plan and billing details.";
    refuse(429, sentence, "insufficient_quota", None, Some("insufficient_quota"))
}

/// `header` is how long to wait, as it is sent: its name and its value.
pub(super) fn rate_limited(header: Option<(&'static str, String)>) -> Reply {
    let sentence = "Rate limit reached on tokens per min (TPM). Please try again later.";
    let reply = refuse(429, sentence, "tokens", None, Some("rate_limit_exceeded"));
    reply.with_headers(header)
}

pub(super) fn server_error(status: u16, sentence: &str) -> Reply {
    refuse(status, sentence, "server_error", None, None)
}

/// For a file or a batch.
pub(super) fn no_such(what: &str, id: &str) -> Reply {
    refuse(404, &format!("No such {what} object: {id}"), "invalid_request_error", Some("id"), None)
}
