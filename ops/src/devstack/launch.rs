//! Starts a server and waits until it answers.

use std::{
    fs,
    time::{Duration, Instant},
};

use super::{
    error::DevstackError,
    files::ServerFolder,
    guard::{GuardedProcess, ServerCommand},
};

/// How often a starting server is asked.
pub(super) const LOOK: Duration = Duration::from_millis(10);

/// Starts `command` and asks `answers` until it says yes.
///
/// # Errors
/// [`DevstackError::Ended`] if the process ends first, [`DevstackError::Silent`] if `deadline` passes; both
/// quote the end of what this start wrote to the log.
pub(super) async fn launch<F>(
    server: &'static str,
    command: &ServerCommand,
    folder: &ServerFolder,
    deadline: Instant,
    answers: F,
) -> Result<GuardedProcess, DevstackError>
where
    F: AsyncFn() -> bool,
{
    let started = Instant::now();
    let logged_before = fs::metadata(folder.log_path()).map_or(0, |log| log.len());
    let mut process = GuardedProcess::spawn(command, folder)?;
    while Instant::now() < deadline {
        if let Some(status) = process.ended()? {
            return Err(DevstackError::Ended { server, status, log_tail: folder.log_tail(logged_before) });
        }
        if answers().await {
            return Ok(process);
        }
        tokio::time::sleep(LOOK).await;
    }
    Err(DevstackError::Silent { server, waited: started.elapsed(), log_tail: folder.log_tail(logged_before) })
}
