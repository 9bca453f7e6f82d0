//! Named moments in a job's body where a test may stop the process, or kill it.

/// Where the rest of this job is about to follow `name`, as in `renewals.captured`.
///
/// With `CELERIAC_CHECKPOINT_DIR` set, a debug build writes `<dir>/<name>.reached` and waits for `<dir>/<name>.go`, so that a test can kill
/// the process exactly there. A release build has no such switch.
#[cfg(debug_assertions)]
pub(crate) async fn checkpoint(name: &str) {
    let Some(folder) = std::env::var_os("CELERIAC_CHECKPOINT_DIR").map(std::path::PathBuf::from) else { return };
    tokio::fs::write(folder.join(format!("{name}.reached")), b"").await.expect("CELERIAC_CHECKPOINT_DIR can be written");
    let go = folder.join(format!("{name}.go"));
    while !go.exists() {
        tokio::time::sleep(std::time::Duration::from_millis(5)).await;
    }
}

#[cfg(not(debug_assertions))]
pub(crate) async fn checkpoint(_name: &str) {}
