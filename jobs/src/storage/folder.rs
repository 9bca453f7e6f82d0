//! Uploads in a folder of this machine.

use std::io::ErrorKind;
use std::path::{Path, PathBuf};

use anyhow::Context;
use object_store::local::LocalFileSystem;

use super::StorageError;

/// The folder in its canonical form, and its store.
pub(super) fn open(root: &Path) -> anyhow::Result<(PathBuf, LocalFileSystem)> {
    let refused = || format!("MEDIA_ROOT {} cannot be opened", root.display());
    let root = root.canonicalize().with_context(refused)?;
    let store = LocalFileSystem::new_with_prefix(&root).with_context(refused)?;
    Ok((root, store))
}

/// Follows the links of a path that is plain already: what it leads to must be a file below the root.
pub(super) async fn check_links(root: &Path, file_path: &str) -> Result<(), StorageError> {
    match tokio::fs::canonicalize(root.join(file_path)).await {
        Ok(real) if !real.starts_with(root) || real.is_dir() => Err(StorageError::Outside),
        Ok(_) => Ok(()),
        Err(error) if matches!(error.kind(), ErrorKind::NotFound | ErrorKind::NotADirectory) => Err(StorageError::Missing),
        Err(error) => Err(StorageError::Failed(anyhow::Error::new(error).context("looking for the stored file"))),
    }
}
