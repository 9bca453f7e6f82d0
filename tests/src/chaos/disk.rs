//! The append-only file, watched from outside, so that a kill of Redis can be made to lose what a power cut would.
//!
//! What a killed process had written is still there, as the kernel has it; a machine without power loses what was not synced, which under
//! `everysec` is up to a second. So after the kill the file is cut back to the length it had so long before.

use std::collections::VecDeque;
use std::fs::File;
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use anyhow::{Context, Result};
use tokio_util::task::AbortOnDropHandle;

use super::journal::now_ms;

/// Between two looks at the length.
const LOOK: Duration = Duration::from_millis(10);
/// Looks kept: two seconds.
const LOOKS_MAX: usize = 200;

/// How long which file was, when.
#[derive(Debug, Clone)]
struct Look {
    at: u64,
    file: PathBuf,
    length: u64,
}

/// Watches the append-only file in a folder.
pub(crate) struct Disk {
    folder: PathBuf,
    looks: Arc<Mutex<VecDeque<Look>>>,
    _watch: AbortOnDropHandle<()>,
}

impl Disk {
    pub(crate) fn watch(folder: &Path) -> Self {
        let looks: Arc<Mutex<VecDeque<Look>>> = Arc::default();
        let (watched, kept) = (folder.to_owned(), Arc::clone(&looks));
        let watch = tokio::spawn(async move {
            loop {
                if let Some(look) = look(&watched) {
                    let mut looks = kept.lock().unwrap_or_else(PoisonError::into_inner);
                    looks.push_back(look);
                    if looks.len() > LOOKS_MAX {
                        looks.pop_front();
                    }
                }
                tokio::time::sleep(LOOK).await;
            }
        });
        Self { folder: folder.to_owned(), looks, _watch: AbortOnDropHandle::new(watch) }
    }

    /// Cuts off what was appended within the last `unsynced` before `killed_at` (ms). To be called while Redis is down. Returns how many
    /// bytes were lost: none, if the file was begun anew (rewritten) meanwhile.
    ///
    /// # Errors
    /// When the file cannot be cut.
    pub(crate) fn lose(&self, killed_at: u64, unsynced: Duration) -> Result<u64> {
        let since = killed_at.saturating_sub(unsynced.as_millis() as u64);
        let looks = self.looks.lock().unwrap_or_else(PoisonError::into_inner);
        let Some(now) = look(&self.folder) else { return Ok(0) };
        // The first look after that moment: never more is lost than was said.
        let Some(then) = looks.iter().find(|look| look.at >= since && look.at <= killed_at) else { return Ok(0) };
        if then.file != now.file || then.length >= now.length {
            return Ok(0);
        }
        let file = File::options().write(true).open(&now.file).with_context(|| format!("open {}", now.file.display()))?;
        file.set_len(then.length).with_context(|| format!("cut {}", now.file.display()))?;
        Ok(now.length - then.length)
    }
}

/// From Redis 7 on, the newest increment in a folder of its own; before, one file.
fn look(folder: &Path) -> Option<Look> {
    let increments = std::fs::read_dir(folder.join("appendonlydir")).into_iter().flatten().flatten().map(|entry| entry.path());
    let newest = increments
        .filter(|path| path.to_string_lossy().ends_with(".incr.aof"))
        .filter_map(|path| Some((path.metadata().and_then(|data| data.modified()).ok()?, path)))
        .max()
        .map_or_else(|| folder.join("appendonly.aof"), |(_, path)| path);
    let length = newest.metadata().ok()?.len();
    Some(Look { at: now_ms(), file: newest, length })
}
