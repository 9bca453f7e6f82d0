//! The folder of a private server: its data and its log, gone with it.

use std::{
    env,
    fs::{self, File, OpenOptions},
    io::{self, Read, Seek, SeekFrom},
    os::unix::fs::{MetadataExt, PermissionsExt},
    path::{Path, PathBuf},
};

use tempfile::TempDir;

use super::{
    account::Account,
    error::{DevstackError, Doing},
};

/// How much of a log an error message quotes.
const LOG_TAIL_BYTES: u64 = 2_000;

/// A temporary folder with a log in it. Removed on drop.
#[derive(Debug)]
pub(super) struct ServerFolder {
    folder: TempDir,
}

impl ServerFolder {
    pub(super) fn new(server: &str) -> Result<Self, DevstackError> {
        // Without symbolic links, as the server reports it when asked which folder is its own.
        let folder = env::temp_dir()
            .canonicalize()
            .and_then(|parent| tempfile::Builder::new().prefix(&format!("celeriac-{server}-")).tempdir_in(parent))
            .doing(format!("make a temporary folder for {server}"))?;
        Ok(Self { folder })
    }

    pub(super) fn path(&self) -> &Path {
        self.folder.path()
    }

    /// Where the server's standard output and error go.
    pub(super) fn log_path(&self) -> PathBuf {
        self.path().join("server.log")
    }

    /// Opens the log for appending: a restart goes on in the same file.
    pub(super) fn open_log(&self) -> Result<File, DevstackError> {
        OpenOptions::new().create(true).append(true).open(self.log_path()).doing("open the server's log")
    }

    /// The end of what was logged after `from` bytes, for an error message. Empty if the log cannot be read.
    pub(super) fn log_tail(&self, from: u64) -> String {
        let tail = || -> io::Result<String> {
            let mut log = File::open(self.log_path())?;
            let end = log.metadata()?.size();
            log.seek(SeekFrom::Start(from.max(end.saturating_sub(LOG_TAIL_BYTES))))?;
            let mut bytes = Vec::new();
            log.read_to_end(&mut bytes)?;
            Ok(String::from_utf8_lossy(&bytes).trim_end().to_owned())
        };
        tail().unwrap_or_default()
    }
}

/// Copies a folder of plain files and folders with their permissions, for `owner` if one is given.
pub(super) fn copy_folder(from: &Path, to: &Path, owner: Option<Account>) -> io::Result<()> {
    fs::create_dir(to)?;
    for entry in fs::read_dir(from)? {
        let entry = entry?;
        let target = to.join(entry.file_name());
        if entry.file_type()?.is_dir() {
            copy_folder(&entry.path(), &target, owner)?;
        } else {
            fs::copy(entry.path(), &target)?;
            if let Some(owner) = owner {
                owner.own(&target)?;
            }
        }
    }
    let mode = fs::metadata(from)?.permissions().mode();
    fs::set_permissions(to, fs::Permissions::from_mode(mode))?;
    if let Some(owner) = owner {
        owner.own(to)?;
    }
    Ok(())
}
