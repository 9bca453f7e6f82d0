//! Pause, resume and limit a queue.

use std::time::Duration;

use celeriac_queue::{Limits, Pause, QueueName};
use chrono::Utc;
use serde::Serialize;
use serde_json::json;

use crate::audit::{self, Actor};
use crate::human::moment;
use crate::stores::Stores;
use crate::views::queues::PauseRow;

/// How a queue stands after the action.
#[derive(Debug, Clone, Serialize)]
pub(crate) struct PauseReport {
    pub(crate) queue: QueueName,
    /// False: it was so before, nothing was changed.
    pub(crate) changed: bool,
    pub(crate) paused: Option<PauseRow>,
    #[serde(skip)]
    pub(crate) note: Option<String>,
}

/// The limits of a queue, after a change where there was one.
#[derive(Debug, Clone, Serialize)]
pub(crate) struct LimitsReport {
    pub(crate) queue: QueueName,
    pub(crate) limits: Limits,
    #[serde(skip)]
    pub(crate) note: Option<String>,
}

/// `time`: after so long the queue resumes by itself.
///
/// # Errors
/// When Redis does not answer.
pub(crate) async fn pause(
    stores: &Stores,
    actor: &Actor,
    queue: &QueueName,
    reason: &str,
    time: Option<Duration>,
) -> anyhow::Result<PauseReport> {
    let inspector = stores.inspector().await?;
    let before = inspector.queue(queue).await?.paused;
    if let Some(standing) = before {
        return Ok(PauseReport { queue: queue.clone(), changed: false, paused: Some(standing.into()), note: None });
    }
    let client = stores.client().await?;
    let at = Utc::now().timestamp_millis().unsigned_abs();
    let resume_at = match time {
        // It is Redis that will compare it with its clock.
        Some(time) => Some(client.connection().time_ms().await? + time.as_millis() as u64),
        None => None,
    };
    let pause = Pause { reason: reason.to_owned(), by: actor.as_str().to_owned(), at, resume_at, cause: None };
    client.pause(queue, &pause).await?;
    let details = json!({ "reason": reason, "resume_at": resume_at.map(moment) });
    let note = audit::record_after(stores, actor, "pause", queue.as_str(), details).await;
    Ok(PauseReport { queue: queue.clone(), changed: true, paused: Some(pause.into()), note })
}

/// # Errors
/// When Redis does not answer.
pub(crate) async fn resume(stores: &Stores, actor: &Actor, queue: &QueueName) -> anyhow::Result<PauseReport> {
    let changed = stores.client().await?.resume(queue).await?;
    let note = match changed {
        true => audit::record_after(stores, actor, "resume", queue.as_str(), json!({})).await,
        false => None,
    };
    Ok(PauseReport { queue: queue.clone(), changed, paused: None, note })
}

/// Replaces a queue's limits; empty ones lift them.
///
/// # Errors
/// When they would let nothing pass, or Redis does not answer.
pub(crate) async fn set_limits(stores: &Stores, actor: &Actor, queue: &QueueName, limits: Limits) -> anyhow::Result<LimitsReport> {
    stores.client().await?.set_limits(queue, &limits).await?;
    let note = audit::record_after(stores, actor, "limit", queue.as_str(), json!(limits)).await;
    Ok(LimitsReport { queue: queue.clone(), limits, note })
}
