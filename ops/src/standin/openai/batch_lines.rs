//! The questions of a batch: read and checked as the service does when it validates, and answered.

use std::collections::HashSet;

use serde_json::{Value, json};

use super::batch_fault::BatchFault;
use super::reply::Reply;
use super::request::{self, Request};
use super::{answer, refusals};

/// As the real service.
const LINES_MAX: usize = 50_000;

#[derive(Debug)]
pub(super) struct Line {
    custom_id: String,
    /// Or the sentence of its 400.
    request: Result<Request, String>,
}

/// What a line of the input came to.
pub(super) struct Answered {
    /// The name of the schema that was asked for, where the answer is one.
    pub(super) schema_name: Option<String>,
    /// In the file of errors, not of answers.
    pub(super) failed: bool,
    /// As it stands in its file.
    pub(super) text: String,
}

/// Every line, or everything that is wrong with the file: the entries of `errors.data`.
pub(super) fn read(content: &[u8], endpoint: &str) -> Result<Vec<Line>, Vec<Value>> {
    let (mut lines, mut errors) = (Vec::new(), Vec::new());
    let (mut ids, mut models) = (HashSet::new(), HashSet::new());
    for (number, text) in (1..).zip(content.split(|byte| *byte == b'\n')).filter(|(_, text)| !text.trim_ascii().is_empty()) {
        match read_line(text, endpoint, &mut ids, &mut models) {
            Ok(line) => lines.push(line),
            Err((code, message)) => errors.push(json!({ "code": code, "message": message, "line": number, "param": null })),
        }
    }
    let whole = |code: &str, message: &str| json!({ "code": code, "message": message, "line": null, "param": null });
    if lines.is_empty() && errors.is_empty() {
        errors.push(whole("empty_file", "The batch input file is empty. Please ensure that the batch contains at least one request."));
    }
    if lines.len() > LINES_MAX {
        errors.push(whole("max_requests_exceeded", "The batch input file contains more than 50000 requests."));
    }
    if errors.is_empty() { Ok(lines) } else { Err(errors) }
}

type Complaint = (&'static str, String);

fn read_line(text: &[u8], endpoint: &str, ids: &mut HashSet<String>, models: &mut HashSet<String>) -> Result<Line, Complaint> {
    let json: Value =
        serde_json::from_slice(text).map_err(|_| ("invalid_json_line", "This line is not parseable as valid JSON.".to_owned()))?;
    let missing = |name: &str| ("missing_required_parameter", format!("Missing required parameter: '{name}'."));
    let custom_id = json["custom_id"].as_str().ok_or_else(|| missing("custom_id"))?.to_owned();
    if json["method"] != "POST" {
        return Err(("invalid_method", "The HTTP method of a batch request must be POST.".to_owned()));
    }
    if json["url"] != endpoint {
        return Err(("invalid_url", "The URL provided for this request does not match the batch endpoint.".to_owned()));
    }
    if !ids.insert(custom_id.clone()) {
        return Err(("duplicate_custom_id", format!("The custom_id '{custom_id}' for this request is a duplicate of another request.")));
    }
    let model = json["body"]["model"].as_str().ok_or_else(|| missing("body.model"))?;
    models.insert(model.to_owned());
    if models.len() > 1 {
        return Err(("mismatched_model", "All requests of a batch must be for the same model.".to_owned()));
    }
    Ok(Line { custom_id, request: request::read(json["body"].to_string().as_bytes()) })
}

/// The line as number `number` (from 0) of a batch with that fault. `None`: it is lost without a word.
pub(super) fn answer(line: &Line, number: usize, fault: Option<&BatchFault>) -> Option<Answered> {
    let request = match &line.request {
        Ok(request) => request,
        Err(sentence) => return Some(answered(line, None, refusals::bad_request(sentence))),
    };
    match fault {
        Some(BatchFault::Lines { every, fault }) if BatchFault::strikes(*every, number) => {
            Some(answered(line, Some(request), fault.reply(request)))
        }
        Some(BatchFault::Missing { every }) if BatchFault::strikes(*every, number) => None,
        Some(BatchFault::Garbled { every }) if BatchFault::strikes(*every, number) => {
            Some(Answered { schema_name: None, failed: false, text: format!("{{\"custom_id\": \"{}", line.custom_id) })
        }
        Some(BatchFault::Expired { answered }) if number >= *answered => Some(expired(line)),
        _ => Some(answered(line, Some(request), Reply::ok(answer::body(request)))),
    }
}

/// As for a line that nobody came to.
pub(super) fn expired(line: &Line) -> Answered {
    unanswered(line, "batch_expired", "This request could not be executed before the completion window expired.")
}

pub(super) fn cancelled(line: &Line) -> Answered {
    unanswered(line, "batch_cancelled", "This request was cancelled before it was executed.")
}

fn unanswered(line: &Line, code: &str, message: &str) -> Answered {
    let text = json!({
        "id": name_of_line(),
        "custom_id": line.custom_id,
        "response": null,
        "error": { "code": code, "message": message }
    });
    Answered { schema_name: None, failed: true, text: text.to_string() }
}

fn answered(line: &Line, request: Option<&Request>, reply: Reply) -> Answered {
    // What belongs to a line on the network has no place in a file.
    let Reply::Json { status, body, .. } = reply else {
        return unanswered(line, "server_error", "The request could not be executed.");
    };
    let text = json!({
        "id": name_of_line(),
        "custom_id": line.custom_id,
        "response": { "status_code": status, "request_id": uuid::Uuid::new_v4().simple().to_string(), "body": body },
        "error": null
    });
    let schema_name = request.filter(|_| status == 200).map(|request| request.schema_name().to_owned());
    Answered { schema_name, failed: status != 200, text: text.to_string() }
}

fn name_of_line() -> String {
    format!("batch_req_{}", uuid::Uuid::new_v4().simple())
}
