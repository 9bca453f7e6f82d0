//! Running pg_dump and pg_restore, and what they complain of.

use std::env;
use std::path::Path;
use std::process::Stdio;

use tokio::io::{AsyncRead, AsyncReadExt};
use tokio::process::Command;

use super::address::Address;

/// All that the programs get of our environment, which holds secrets that are none of their business.
const INHERITED: [&str; 6] = ["PATH", "HOME", "LD_LIBRARY_PATH", "DYLD_LIBRARY_PATH", "SSL_CERT_FILE", "TMPDIR"];

/// The first complaint is the telling one; later ones follow from it.
const COMPLAINTS_BYTES_MAX: u64 = 64 * 1024;

/// A sentence, not a log.
const COMPLAINT_CHARS_MAX: usize = 300;

/// The program, ready to reach that database, killed when its future is dropped.
pub(super) fn command(program: &Path, address: &Address) -> Command {
    let mut command = Command::new(program);
    command
        .env_clear()
        .envs(INHERITED.iter().filter_map(|name| env::var_os(name).map(|value| (name, value))))
        .envs(address.environment())
        // Messages in English, as they are searched for "error".
        .env("LC_ALL", "C")
        .stdin(Stdio::null())
        .stdout(Stdio::null())
        .stderr(Stdio::piped())
        .kill_on_drop(true);
    command
}

/// Reads a program's messages to their end and returns the first error among them, without what follows it: the lines after an error may
/// quote rows.
pub(super) async fn first_complaint(stderr: impl AsyncRead + Unpin) -> String {
    let mut head = Vec::new();
    let mut stderr = stderr.take(COMPLAINTS_BYTES_MAX);
    // Whether it could be read to its end does not matter: the exit status says whether the program failed.
    let _ = stderr.read_to_end(&mut head).await;
    let _ = tokio::io::copy(&mut stderr.into_inner(), &mut tokio::io::sink()).await;
    let text = String::from_utf8_lossy(&head);
    let complaint = text.lines().find_map(|line| line.split_once("error: ").map(|(_, complaint)| complaint));
    let complaint = complaint.or_else(|| text.lines().rfind(|line| !line.trim().is_empty())).unwrap_or("it gave no reason");
    complaint.trim().chars().take(COMPLAINT_CHARS_MAX).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn the_first_error_is_told_without_the_rows_it_quotes() {
        let stderr = "pg_restore: warning: odd\npg_restore: error: COPY failed for table \"users\": ERROR:  bad\nCONTEXT:  COPY users, line 1: \"Ada\"\n";
        assert_eq!(first_complaint(stderr.as_bytes()).await, "COPY failed for table \"users\": ERROR:  bad");
        assert_eq!(first_complaint(&b"Killed\n"[..]).await, "Killed");
        assert_eq!(first_complaint(&b""[..]).await, "it gave no reason");
    }
}
