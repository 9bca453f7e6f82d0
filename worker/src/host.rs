//! The name of this machine.

use std::process::Command;

/// As the system says it; `unknown` when it does not.
pub(crate) fn host() -> String {
    named(std::fs::read_to_string("/proc/sys/kernel/hostname").ok())
        .or_else(|| named(std::env::var("HOSTNAME").ok()))
        // Where there is no /proc (macOS).
        .or_else(|| named(Command::new("hostname").output().ok().and_then(|output| String::from_utf8(output.stdout).ok())))
        .unwrap_or_else(|| "unknown".to_owned())
}

fn named(text: Option<String>) -> Option<String> {
    text.map(|name| name.trim().to_owned()).filter(|name| !name.is_empty())
}
