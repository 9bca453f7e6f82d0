//! The reading process confines itself before it is given a byte.

#![cfg(target_os = "linux")]

use std::process::{Child, Command, Stdio};

use crate::desk::{eventually, reader};

/// Ends the child also when an assertion fails.
struct Running(Child);

impl Drop for Running {
    fn drop(&mut self) {
        let _ = self.0.kill();
        let _ = self.0.wait();
    }
}

#[tokio::test]
async fn it_has_no_network_no_files_no_secrets_and_little_memory() {
    let request = r#"{"memory_bytes": 300000000, "cpu_seconds": 30, "file_bytes": 1000, "pages_max": 1, "pixels_max": 1,
                      "pictures_bytes_max": 1, "text_bytes_max": 1}"#;
    let child = Command::new(reader())
        .args([celeriac_jobs::documents::child::SUBCOMMAND, request])
        .env_clear()
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .spawn()
        .unwrap();
    let child = Running(child);
    let of_child = |file: &str| std::fs::read_to_string(format!("/proc/{}/{file}", child.0.id())).unwrap();
    let field = |file: &str, name: &str| of_child(file).lines().find(|line| line.starts_with(name)).unwrap_or_default().to_owned();
    // The filter is the last of its steps; its standard input is still open and empty.
    eventually("a seccomp filter is in force", || field("status", "Seccomp:").ends_with('2')).await;
    assert!(field("limits", "Max address space").contains(" 300000000 "), "{}", of_child("limits"));
    assert!(field("limits", "Max cpu time").contains(" 30 "), "{}", of_child("limits"));
    assert!(field("limits", "Max open files").contains(" 16 "), "{}", of_child("limits"));
    assert_eq!(field("status", "NoNewPrivs:"), "NoNewPrivs:\t1");
    assert_eq!(of_child("oom_score_adj").trim(), "1000");
    assert_eq!(of_child("environ"), "");
}
