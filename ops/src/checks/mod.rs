//! `celeriac check`: every place the configuration points to, tried out; every problem told at once, with what to do.

mod backup;
mod files;
mod ocr;
mod openai;
mod postgres;
mod prices;
mod redis;

use std::future::Future;
use std::time::Duration;

use celeriac_process::Settings;
use serde::Serialize;

use crate::stores::Stores;

/// Longest time of one check.
const PATIENCE: Duration = Duration::from_secs(15);

/// What a check found.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub(crate) struct Finding {
    /// What it is about: configuration, redis, postgres, …
    pub(crate) about: &'static str,
    pub(crate) level: Level,
    pub(crate) message: String,
    /// What to do about it.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) hint: Option<String>,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
#[serde(rename_all = "snake_case")]
pub(crate) enum Level {
    Ok,
    /// It works; somebody should know.
    Warning,
    /// It will not work.
    Problem,
}

impl Finding {
    pub(crate) fn ok(about: &'static str, message: impl Into<String>) -> Self {
        Self { about, level: Level::Ok, message: message.into(), hint: None }
    }

    pub(crate) fn warning(about: &'static str, message: impl Into<String>, hint: impl Into<String>) -> Self {
        Self { about, level: Level::Warning, message: message.into(), hint: Some(hint.into()) }
    }

    pub(crate) fn problem(about: &'static str, message: impl Into<String>, hint: impl Into<String>) -> Self {
        Self { about, level: Level::Problem, message: message.into(), hint: Some(hint.into()) }
    }
}

/// Tries everything that the usable settings point to.
pub(crate) async fn all(settings: &Settings, with_openai: bool) -> Vec<Finding> {
    let stores = Stores::new(settings.clone());
    let (redis, postgres, files, backup, openai) = tokio::join!(
        in_time("redis", redis::check(&stores)),
        in_time("postgres", postgres::check(&stores)),
        in_time("media", files::check(settings)),
        in_time("backup", backup::check(&stores)),
        in_time("openai", openai::check(settings, with_openai)),
    );
    [redis, postgres, files, ocr::check(settings), backup, prices::check(settings), openai].concat()
}

async fn in_time(about: &'static str, check: impl Future<Output = Vec<Finding>>) -> Vec<Finding> {
    tokio::time::timeout(PATIENCE, check).await.unwrap_or_else(|_| {
        let message = format!("it has not answered within {} s", PATIENCE.as_secs());
        vec![Finding::problem(about, message, "see whether it hangs, or a firewall swallows the packets")]
    })
}
