//! Tries a program before it is trusted.

use std::{
    fs::File,
    io::Read,
    path::Path,
    process::{Command, Stdio},
};

/// Checks that `path` is a program of its own and not a script that starts another one: signals sent to
/// such a script would not reach the server.
pub(super) fn check(path: &Path) -> Result<(), String> {
    let name = path.file_name().unwrap_or_default().display();
    let mut start = [0; 2];
    let read = File::open(path).and_then(|mut file| file.read(&mut start));
    match read {
        Err(error) if error.kind() == std::io::ErrorKind::NotFound => Err(format!("{name} is missing")),
        Err(error) => Err(format!("{name} cannot be read: {error}")),
        Ok(_) if &start == b"#!" => Err(format!("{name} is a script, not the program itself")),
        Ok(_) => Ok(()),
    }
}

/// The first line of what `path --version` says.
pub(super) fn version(path: &Path) -> Result<String, String> {
    let name = path.file_name().unwrap_or_default().display();
    let output = Command::new(path)
        .arg("--version")
        .env("LC_ALL", "C")
        .stdin(Stdio::null())
        .output()
        .map_err(|error| format!("{name} cannot be run: {error}"))?;
    if !output.status.success() {
        return Err(format!("{name} --version ended with {}", output.status));
    }
    let text = String::from_utf8_lossy(&output.stdout);
    Ok(text.lines().next().unwrap_or_default().trim().to_owned())
}
