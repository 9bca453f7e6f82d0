//! Waiting for a fact, with a deadline.

use std::fmt::Debug;
use std::future::Future;
use std::time::{Duration, Instant};

/// Longest wait for anything; generous, as machines are shared. Nothing waits longer than it must.
const DEADLINE: Duration = Duration::from_secs(120);
/// Between two looks.
const PAUSE: Duration = Duration::from_millis(10);

/// Looks until `look` returns `Ok`, and returns what it found.
///
/// # Panics
/// When it has not by the deadline; the message is the last `Err`.
pub async fn eventually<T, E: Debug, F: Future<Output = Result<T, E>>>(what: &str, mut look: impl FnMut() -> F) -> T {
    let start = Instant::now();
    loop {
        match look().await {
            Ok(found) => return found,
            Err(last) if start.elapsed() > DEADLINE => {
                panic!("{what} has not come about within {} s; last seen: {last:?}", DEADLINE.as_secs())
            }
            Err(_) => tokio::time::sleep(PAUSE).await,
        }
    }
}
