//! What is read of the provider's objects.

use serde::Deserialize;
use serde_json::Value;
use uuid::Uuid;

use super::MARK;

/// A batch as the provider shows it.
#[derive(Debug, Clone, Deserialize)]
pub(crate) struct ProviderBatch {
    pub(crate) id: String,
    pub(crate) status: ProviderStatus,
    pub(crate) created_at: i64,
    pub(crate) input_file_id: String,
    #[serde(default)]
    pub(crate) output_file_id: Option<String>,
    #[serde(default)]
    pub(crate) error_file_id: Option<String>,
    #[serde(default)]
    metadata: Value,
    #[serde(default)]
    errors: Value,
}

/// Where a batch stands.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "snake_case")]
pub(crate) enum ProviderStatus {
    Validating,
    Failed,
    InProgress,
    Finalizing,
    Completed,
    Expired,
    Cancelling,
    Cancelled,
    /// Something that came to be later than this program.
    #[serde(other)]
    Unknown,
}

impl ProviderStatus {
    /// Whether nothing more will come.
    pub(crate) fn has_ended(self) -> bool {
        matches!(self, Self::Failed | Self::Completed | Self::Expired | Self::Cancelled)
    }

    pub(crate) fn name(self) -> &'static str {
        match self {
            Self::Validating => "validating",
            Self::Failed => "failed",
            Self::InProgress => "in_progress",
            Self::Finalizing => "finalizing",
            Self::Completed => "completed",
            Self::Expired => "expired",
            Self::Cancelling => "cancelling",
            Self::Cancelled => "cancelled",
            Self::Unknown => "unknown",
        }
    }
}

impl ProviderBatch {
    /// Ours, by which it is found again.
    pub(super) fn mark(&self) -> Option<Uuid> {
        self.metadata[MARK].as_str()?.parse().ok()
    }

    /// The code of the first complaint; the messages may quote a line.
    pub(crate) fn first_error(&self) -> Option<String> {
        self.errors["data"][0]["code"].as_str().map(|code| code.chars().take(100).collect())
    }
}

#[derive(Deserialize)]
pub(super) struct File {
    pub(super) id: String,
    pub(super) filename: String,
}

#[derive(Deserialize)]
pub(super) struct Page<T> {
    pub(super) data: Vec<T>,
    #[serde(default)]
    pub(super) has_more: bool,
}

/// An entry of a list that is turned over by `after`.
pub(super) trait Listed {
    fn id(&self) -> &str;
}

impl Listed for File {
    fn id(&self) -> &str {
        &self.id
    }
}

impl Listed for ProviderBatch {
    fn id(&self) -> &str {
        &self.id
    }
}
