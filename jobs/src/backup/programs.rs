//! Finding a pg_dump and a pg_restore that suit the server.

use std::path::{Path, PathBuf};
use std::process::Stdio;
use std::{env, fmt};

use anyhow::{Context, bail};
use tokio::process::Command;

/// Folders whose `<prefix><version>/bin` hold the programs of one version: Debian, Red Hat, Homebrew on either chip.
const PACKAGED: [(&str, &str); 4] =
    [("/usr/lib/postgresql", ""), ("/usr", "pgsql-"), ("/opt/homebrew/opt", "postgresql@"), ("/usr/local/opt", "postgresql@")];

/// Where to look.
#[derive(Debug, Clone)]
pub(super) struct Places {
    /// PG_BIN: the only folder, if set.
    pg_bin: Option<PathBuf>,
}

/// A version, as in 17.2.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Version {
    pub(super) major: u32,
    text: String,
}

/// The folder of both programs.
#[derive(Debug, Clone)]
pub(super) struct Programs {
    folder: PathBuf,
    pub(super) version: Version,
}

impl Version {
    /// From what a program or the server calls itself: the first number in it, with its parts.
    pub(super) fn find(text: &str) -> Option<Self> {
        let from = text.find(|c: char| c.is_ascii_digit())?;
        let rest = &text[from..];
        let text = &rest[..rest.find(|c: char| !c.is_ascii_digit() && c != '.').unwrap_or(rest.len())];
        let major = text.split('.').next()?.parse().ok()?;
        Some(Self { major, text: text.to_owned() })
    }
}

impl fmt::Display for Version {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.text)
    }
}

impl Programs {
    pub(super) fn pg_dump(&self) -> PathBuf {
        self.folder.join("pg_dump")
    }

    pub(super) fn pg_restore(&self) -> PathBuf {
        self.folder.join("pg_restore")
    }
}

impl Places {
    pub(super) fn new(pg_bin: Option<PathBuf>) -> Self {
        Self { pg_bin }
    }

    /// The oldest programs that are not older than the server. Not the newest: what a newer pg_dump writes may name settings that an older
    /// server does not know, and then cannot be restored into it.
    ///
    /// # Errors
    /// When there are none, with what was found instead.
    pub(super) async fn find(&self, server: &Version) -> anyhow::Result<Programs> {
        let mut found = Vec::new();
        for folder in self.folders() {
            if folder.join("pg_dump").is_file() && folder.join("pg_restore").is_file() {
                let version = version_of(&folder.join("pg_dump")).await?;
                found.push(Programs { folder, version });
            }
        }
        let suits = found.iter().filter(|programs| programs.version.major >= server.major);
        if let Some(programs) = suits.min_by_key(|programs| programs.version.major) {
            return Ok(programs.clone());
        }
        let advice = format!("install the client programs of PostgreSQL {} or later, or set PG_BIN to their folder", server.major);
        match found.iter().max_by_key(|programs| programs.version.major) {
            None => bail!("pg_dump and pg_restore were not found: {advice}"),
            Some(newest) => bail!(
                "pg_dump {} in {} is older than the server ({server}) and cannot back it up: {advice}",
                newest.version,
                newest.folder.display()
            ),
        }
    }

    fn folders(&self) -> Vec<PathBuf> {
        if let Some(pg_bin) = &self.pg_bin {
            return vec![pg_bin.clone()];
        }
        let mut folders: Vec<PathBuf> = env::split_paths(&env::var_os("PATH").unwrap_or_default()).collect();
        for (parent, prefix) in PACKAGED {
            let Ok(entries) = std::fs::read_dir(parent) else { continue };
            let versioned = entries.flatten().filter(|entry| {
                entry.file_name().to_str().and_then(|name| name.strip_prefix(prefix)).is_some_and(|version| version.parse::<u32>().is_ok())
            });
            folders.extend(versioned.map(|entry| entry.path().join("bin")));
        }
        folders
    }
}

async fn version_of(program: &Path) -> anyhow::Result<Version> {
    let output = Command::new(program)
        .arg("--version")
        .stdin(Stdio::null())
        .kill_on_drop(true)
        .output()
        .await
        .with_context(|| format!("{} cannot be run", program.display()))?;
    Version::find(&String::from_utf8_lossy(&output.stdout)).with_context(|| format!("{} does not say its version", program.display()))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn versions_are_read_from_programs_and_servers() {
        let read = |text| Version::find(text).map(|version| (version.major, version.to_string()));
        assert_eq!(read("pg_dump (PostgreSQL) 15.18 (Debian 15.18-0+deb12u1)\n"), Some((15, "15.18".into())));
        assert_eq!(read("18beta1"), Some((18, "18".into())));
        assert_eq!(read("pg_dump"), None);
    }

    #[tokio::test]
    async fn programs_older_than_the_server_are_refused_with_what_to_do() {
        let server = Version { major: 999, text: "999.1".into() };
        let error = Places::new(None).find(&server).await.unwrap_err().to_string();
        assert!(
            error.contains("is older than the server (999.1) and cannot back it up: install the client programs of PostgreSQL 999"),
            "{error}"
        );
        let empty = tempfile::tempdir().unwrap();
        let error = Places::new(Some(empty.path().into())).find(&server).await.unwrap_err().to_string();
        assert!(error.starts_with("pg_dump and pg_restore were not found"), "{error}");
    }
}
