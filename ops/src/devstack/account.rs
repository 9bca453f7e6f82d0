//! The account PostgreSQL runs under when we are root, which it refuses to be.

use std::{
    fs, io,
    os::unix::fs::{MetadataExt, chown},
    path::Path,
    process::Command,
};

use super::error::{DevstackError, Doing};

/// Accounts to drop to, best first: PostgreSQL's own where it is installed, else the one every Unix has.
const CANDIDATES: [&str; 2] = ["postgres", "nobody"];

/// A user and group to run a server as.
#[derive(Debug, Clone, Copy)]
pub(super) struct Account {
    pub(super) user: u32,
    pub(super) group: u32,
}

impl Account {
    /// The account to drop to, or `None` when we are not root and the server runs as ourselves.
    /// `our_folder` is a folder that we have just made: its owner is who we are.
    pub(super) fn to_drop_to(our_folder: &Path) -> Result<Option<Self>, DevstackError> {
        let owner = fs::metadata(our_folder).doing(format!("read the owner of {}", our_folder.display()))?.uid();
        if owner != 0 {
            return Ok(None);
        }
        CANDIDATES.iter().find_map(|name| Self::named(name)).map(Some).ok_or(DevstackError::NoAccount)
    }

    fn named(name: &str) -> Option<Self> {
        Some(Self { user: id("-u", name)?, group: id("-g", name)? })
    }

    /// Gives `path` to this account.
    pub(super) fn own(self, path: &Path) -> io::Result<()> {
        chown(path, Some(self.user), Some(self.group))
    }
}

/// Asks `id`, which unlike `/etc/passwd` also knows the accounts of a directory service.
fn id(what: &str, name: &str) -> Option<u32> {
    let output = Command::new("id").args([what, name]).output().ok()?;
    if !output.status.success() {
        return None;
    }
    str::from_utf8(&output.stdout).ok()?.trim().parse().ok()
}
