//! `/v1/files`: kept in memory until they are deleted.

use axum::body::Bytes;
use axum::extract::{Path, Query, State};
use axum::http::HeaderMap;
use axum::response::{IntoResponse, Response};
use chrono::Utc;
use serde::Deserialize;
use serde_json::{Value, json};

use super::multipart;
use super::refusals;
use super::reply::Reply;
use super::server::{refuse_key, tend};
use super::state::{Inner, Shared};

#[derive(Debug, Clone)]
pub(super) struct StoredFile {
    /// In the order of arrival.
    number: u64,
    filename: String,
    pub(super) purpose: &'static str,
    created_at: i64,
    pub(super) content: Bytes,
}

impl StoredFile {
    fn object(&self, id: &str) -> Value {
        json!({
            "id": id,
            "object": "file",
            "bytes": self.content.len(),
            "created_at": self.created_at,
            "filename": self.filename,
            "purpose": self.purpose,
            "status": "processed"
        })
    }
}

/// Keeps a file and names it.
pub(super) fn keep(inner: &mut Inner, filename: String, purpose: &'static str, content: Bytes) -> String {
    let id = format!("file-{}", uuid::Uuid::new_v4().simple());
    inner.files_kept += 1;
    let number = inner.files_kept;
    inner.files.insert(id.clone(), StoredFile { number, filename, purpose, created_at: Utc::now().timestamp(), content });
    id
}

pub(super) async fn upload(State(shared): State<Shared>, headers: HeaderMap, body: Bytes) -> Response {
    let content_type = headers.get("content-type").and_then(|value| value.to_str().ok()).unwrap_or_default();
    let read = read_form(content_type, &body);
    tend(&shared, &headers, "POST /v1/files", |inner| match read {
        Ok((filename, content)) => {
            let id = keep(inner, filename, "batch", content);
            Reply::ok(inner.files[&id].object(&id))
        }
        Err(sentence) => refusals::bad_request(&sentence),
    })
    .await
}

fn read_form(content_type: &str, body: &[u8]) -> Result<(String, Bytes), String> {
    let fields = multipart::fields(content_type, body).ok_or("The request must be a multipart/form-data form.")?;
    let field = |name: &str| fields.iter().find(|field| field.name == name).ok_or_else(|| format!("'{name}' is a required property"));
    let purpose = String::from_utf8_lossy(field("purpose")?.content).into_owned();
    if purpose != "batch" {
        return Err(format!("'{purpose}' is not one of ['batch'] - 'purpose'"));
    }
    let file = field("file")?;
    Ok((file.filename.clone().unwrap_or_else(|| "file.jsonl".to_owned()), Bytes::copy_from_slice(file.content)))
}

#[derive(Deserialize)]
pub(super) struct Page {
    purpose: Option<String>,
    limit: Option<usize>,
    after: Option<String>,
}

/// Newest first.
pub(super) async fn list(State(shared): State<Shared>, Query(page): Query<Page>, headers: HeaderMap) -> Response {
    tend(&shared, &headers, "GET /v1/files", |inner| {
        let is_asked = |file: &StoredFile| page.purpose.as_ref().is_none_or(|purpose| purpose == file.purpose);
        let mut files: Vec<(&String, &StoredFile)> = inner.files.iter().filter(|(_, file)| is_asked(file)).collect();
        files.sort_by_key(|(_, file)| std::cmp::Reverse(file.number));
        let from = page.after.and_then(|after| files.iter().position(|(id, _)| **id == after)).map_or(0, |index| index + 1);
        let data: Vec<Value> = files.iter().skip(from).take(page.limit.unwrap_or(10_000)).map(|(id, file)| file.object(id)).collect();
        let ends = [data.first(), data.last()].map(|file| file.map_or(Value::String(String::new()), |file| file["id"].clone()));
        let has_more = from + data.len() < files.len();
        Reply::ok(json!({ "object": "list", "data": data, "first_id": ends[0], "last_id": ends[1], "has_more": has_more }))
    })
    .await
}

pub(super) async fn show(State(shared): State<Shared>, Path(id): Path<String>, headers: HeaderMap) -> Response {
    tend(&shared, &headers, "GET /v1/files/{id}", |inner| match inner.files.get(&id) {
        Some(file) => Reply::ok(file.object(&id)),
        None => refusals::no_such("File", &id),
    })
    .await
}

pub(super) async fn delete(State(shared): State<Shared>, Path(id): Path<String>, headers: HeaderMap) -> Response {
    tend(&shared, &headers, "DELETE /v1/files/{id}", |inner| match inner.files.remove(&id) {
        Some(_) => Reply::ok(json!({ "id": id, "object": "file", "deleted": true })),
        None => refusals::no_such("File", &id),
    })
    .await
}

pub(super) async fn content(State(shared): State<Shared>, Path(id): Path<String>, headers: HeaderMap) -> Response {
    let content = shared.lock().files.get(&id).map(|file| file.content.clone());
    let scripted = shared.lock().next_for.get("GET /v1/files/{id}/content").is_some_and(|faults| !faults.is_empty());
    match content {
        Some(content) if !scripted && refuse_key(&headers).is_none() => {
            ([("content-type", "application/octet-stream")], content).into_response()
        }
        _ => tend(&shared, &headers, "GET /v1/files/{id}/content", |_| refusals::no_such("File", &id)).await,
    }
}
