//! The reading process confines itself before it is given a byte, and never outlives its run.

#![cfg(target_os = "linux")]

use std::os::unix::fs::PermissionsExt;
use std::path::Path;
use std::process::{Child, Command, Stdio};
use std::time::Duration;

use celeriac_jobs::documents::{ChildProgram, Limits};
use sqlx::PgPool;

use crate::desk::{Desk, eventually, limits, reader, shown};
use crate::files::text_pdf;

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
    let request = r#"{"memory_bytes": 300000000, "cpu_seconds": 30, "file_bytes": 1000, "pages_max": 1, "pixels_max": 1, "unpacked_max": 1,
                      "text_bytes_max": 1}"#;
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

#[sqlx::test(migrator = "celeriac_migrations::MIGRATOR")]
async fn a_reading_process_that_hangs_is_killed_in_time_or_with_its_run(pool: PgPool) {
    let mut desk = Desk::new(pool).await;
    let (program, pid_file) = (desk.path("hang"), desk.path("pid"));
    std::fs::write(&program, format!("#!/bin/sh\necho $$ > {}\nexec sleep 600\n", pid_file.display())).unwrap();
    std::fs::set_permissions(&program, std::fs::Permissions::from_mode(0o755)).unwrap();
    let lives = || std::fs::read_to_string(&pid_file).is_ok_and(|pid| Path::new("/proc").join(pid.trim()).join("fd").exists());
    let hanging = Limits { child_program: ChildProgram::At(program), ..limits() };
    let id = desk.add(&text_pdf(&["text"])).await;

    desk.documents.limits = Limits { child_timeout: Duration::from_secs(2), ..hanging.clone() };
    let sentence = "Reading the file takes longer than the 2 seconds allowed; it may be damaged or made to do harm.";
    assert_eq!(shown(desk.run(id).await), ("bury", sentence.to_owned()));
    eventually("the process is gone after its time", || !lives()).await;

    desk.documents.limits = hanging;
    tokio::select! {
        _ = desk.run(id) => panic!("the run ended by itself"),
        () = eventually("the process has started", lives) => {}
    }
    eventually("the process is gone with its run", || !lives()).await;
}
