//! The provider's Batch API: files of questions, answered within a day at half the price.
//!
//! async-openai reads no more of it than these few fields, and cannot stream a file; so this speaks it directly. Nothing here decides
//! anything: [`crate::batching`] does.

mod line;
mod upload;
mod wire;

use std::time::Duration;

use reqwest::{Method, RequestBuilder, Response, StatusCode};
use secrecy::{ExposeSecret, SecretString};
use serde::de::DeserializeOwned;
use serde_json::json;
use uuid::Uuid;

pub(crate) use line::{AnsweredLine, request_line};
pub(crate) use upload::Upload;
use wire::{Listed, Page, ProviderBatch};

use super::exchange::{Refused, refused};
use super::outcome::Outcome;
use super::reading;

/// For a whole file up or down.
const FILE_TIMEOUT: Duration = Duration::from_secs(10 * 60);
/// The provider deletes our files by itself after that, should nobody of us live to do it.
const FILES_LIVE_SECONDS: u64 = 3 * 24 * 60 * 60;
/// Under this name our mark stands in a batch's metadata.
const MARK: &str = "celeriac_batch";
/// Pages of a list that are looked through for what was made and not noted.
const PAGES_MAX: usize = 20;

/// Speaks to the Batch API. Cheap to clone.
#[derive(Clone)]
pub(crate) struct BatchApi {
    http: reqwest::Client,
    base_url: String,
    api_key: SecretString,
}

impl BatchApi {
    pub(super) fn new(http: reqwest::Client, base_url: String, api_key: SecretString) -> Self {
        Self { http, base_url, api_key }
    }

    /// Uploads a file of questions; its id.
    ///
    /// # Errors
    /// When it did not arrive, or was not accepted. It may be there all the same.
    pub(crate) async fn upload(&self, mark: Uuid, upload: Upload) -> anyhow::Result<String> {
        let request = upload.onto(self.request(Method::POST, "files"), &file_name(mark), FILES_LIVE_SECONDS);
        Ok(read::<wire::File>(request.timeout(FILE_TIMEOUT)).await?.id)
    }

    /// The files of that mark that are at the provider.
    ///
    /// # Errors
    /// When the provider does not answer, or refuses.
    pub(crate) async fn files_of(&self, mark: Uuid) -> anyhow::Result<Vec<String>> {
        let name = file_name(mark);
        let files = self.all::<wire::File>("files?purpose=batch&limit=100&order=desc", |_| false).await?;
        Ok(files.into_iter().filter(|file| file.filename == name).map(|file| file.id).collect())
    }

    /// # Errors
    /// [`BatchError`]: `Refused` when it will never be accepted.
    pub(crate) async fn create(&self, mark: Uuid, input_file_id: &str) -> Result<ProviderBatch, BatchError> {
        let body = json!({
            "input_file_id": input_file_id,
            "endpoint": line::ENDPOINT,
            "completion_window": "24h",
            "metadata": { MARK: mark },
            "output_expires_after": { "anchor": "created_at", "seconds": FILES_LIVE_SECONDS }
        });
        let response = self.request(Method::POST, "batches").json(&body).send().await.map_err(BatchError::other)?;
        match response.status().as_u16() {
            200..=299 => response.json().await.map_err(BatchError::other),
            400 | 404 | 413 | 422 => Err(BatchError::Refused(refused(response).await.to_string())),
            _ => Err(BatchError::Other(refused(response).await.into())),
        }
    }

    /// The batch of that mark, if it was created at or after that second.
    ///
    /// # Errors
    /// When the provider does not answer, or refuses.
    pub(crate) async fn find(&self, mark: Uuid, not_before: i64) -> anyhow::Result<Option<ProviderBatch>> {
        let batches = self.all::<ProviderBatch>("batches?limit=100", |batch| batch.created_at < not_before).await?;
        Ok(batches.into_iter().find(|batch| batch.mark() == Some(mark)))
    }

    /// `None`: the provider does not know it.
    ///
    /// # Errors
    /// When the provider does not answer, or refuses.
    pub(crate) async fn get(&self, id: &str) -> anyhow::Result<Option<ProviderBatch>> {
        let response = self.request(Method::GET, &format!("batches/{id}")).send().await?;
        if response.status() == StatusCode::NOT_FOUND {
            return Ok(None);
        }
        Ok(Some(accepted(response).await?.json().await?))
    }

    /// # Errors
    /// When the provider does not answer, or refuses (as for a batch that has ended).
    pub(crate) async fn cancel(&self, id: &str) -> anyhow::Result<()> {
        accepted(self.request(Method::POST, &format!("batches/{id}/cancel")).send().await?).await?;
        Ok(())
    }

    /// The lines of a file. `None`: it is not there (any more).
    ///
    /// # Errors
    /// When the provider does not answer, or refuses.
    pub(crate) async fn lines(&self, file_id: &str) -> anyhow::Result<Option<line::Lines>> {
        let response = self.request(Method::GET, &format!("files/{file_id}/content")).timeout(FILE_TIMEOUT).send().await?;
        if response.status() == StatusCode::NOT_FOUND {
            return Ok(None);
        }
        Ok(Some(line::Lines::new(accepted(response).await?)))
    }

    /// Whether or not it was still there.
    ///
    /// # Errors
    /// When the provider does not answer, or refuses.
    pub(crate) async fn delete_file(&self, file_id: &str) -> anyhow::Result<()> {
        let response = self.request(Method::DELETE, &format!("files/{file_id}")).send().await?;
        if response.status() != StatusCode::NOT_FOUND {
            accepted(response).await?;
        }
        Ok(())
    }

    /// Every entry of a list, up to the page on which one is `enough`.
    async fn all<T: DeserializeOwned + Listed>(&self, path: &str, enough: impl Fn(&T) -> bool) -> anyhow::Result<Vec<T>> {
        let mut all: Vec<T> = Vec::new();
        for _ in 0..PAGES_MAX {
            let after = all.last().map_or_else(String::new, |last| format!("&after={}", last.id()));
            let page: Page<T> = read(self.request(Method::GET, &format!("{path}{after}"))).await?;
            let over = !page.has_more || page.data.is_empty() || page.data.iter().any(&enough);
            all.extend(page.data);
            if over {
                break;
            }
        }
        Ok(all)
    }

    fn request(&self, method: Method, path: &str) -> RequestBuilder {
        self.http.request(method, format!("{}/{path}", self.base_url)).bearer_auth(self.api_key.expose_secret())
    }
}

/// Why a batch was not created.
#[derive(Debug, thiserror::Error)]
pub(crate) enum BatchError {
    /// The provider will not have it, now or later.
    #[error("{0}")]
    Refused(String),
    /// Nobody knows whether it was created.
    #[error(transparent)]
    Other(anyhow::Error),
}

impl BatchError {
    fn other(error: impl Into<anyhow::Error>) -> Self {
        Self::Other(error.into())
    }
}

/// What a line of the output means, as the same answer would have meant in a direct call.
pub(crate) fn outcome_of(line: AnsweredLine) -> Outcome {
    match line.result {
        line::LineResult::Response { body, request_id } => reading::classify(Ok(*body), request_id, Duration::ZERO),
        line::LineResult::Refused { status, code } => reading::of_refusal(Refused { status, code, too_large: false, retry_after: None }),
        line::LineResult::Unreadable => Outcome::Unreadable { status: 200 },
    }
}

fn file_name(mark: Uuid) -> String {
    format!("celeriac-{mark}.jsonl")
}

async fn read<T: DeserializeOwned>(request: RequestBuilder) -> anyhow::Result<T> {
    Ok(accepted(request.send().await?).await?.json().await?)
}

async fn accepted(response: Response) -> Result<Response, Refused> {
    if response.status().is_success() { Ok(response) } else { Err(refused(response).await) }
}
