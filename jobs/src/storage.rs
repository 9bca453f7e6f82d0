//! Where uploads lie: files under MEDIA_ROOT, reached through an object store so that a bucket can take its place.

use std::path::{Component, Path, PathBuf};
use std::sync::Arc;

use anyhow::Context;
use bytes::Bytes;
use futures::StreamExt;
use futures::stream::BoxStream;
use object_store::local::LocalFileSystem;
use object_store::path::Path as ObjectPath;
use object_store::{ObjectStore, ObjectStoreExt};

/// The media folder. Cheap to clone.
#[derive(Debug, Clone)]
pub struct Storage {
    /// Canonical, so that what is inside can be told from what is not.
    root: Arc<PathBuf>,
    store: Arc<dyn ObjectStore>,
}

/// A file that was found, not yet read.
pub struct StoredFile {
    pub bytes: u64,
    /// Its contents, in pieces of some kilobytes.
    pub contents: BoxStream<'static, object_store::Result<Bytes>>,
}

#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum StorageError {
    /// Absolute, with `..`, through a link that leaves the folder, or not a file name at all.
    #[error("the path leaves MEDIA_ROOT or is no path to a file")]
    Outside,
    #[error("there is no such file under MEDIA_ROOT")]
    Missing,
    #[error(transparent)]
    Failed(#[from] anyhow::Error),
}

impl Storage {
    /// # Errors
    /// When the folder does not exist or cannot be entered.
    pub fn local(root: &Path) -> anyhow::Result<Self> {
        let refused = || format!("MEDIA_ROOT {} cannot be opened", root.display());
        let root = root.canonicalize().with_context(refused)?;
        let store = LocalFileSystem::new_with_prefix(&root).with_context(refused)?;
        Ok(Self { root: Arc::new(root), store: Arc::new(store) })
    }

    /// Opens the file at a path relative to the media folder. Its size is that of the opened file, so it can be checked before reading.
    pub async fn open(&self, file_path: &str) -> Result<StoredFile, StorageError> {
        let path = self.inside(file_path).await?;
        let opened = self.store.get(&path).await.map_err(|error| match error {
            object_store::Error::NotFound { .. } => StorageError::Missing,
            other => StorageError::Failed(anyhow::Error::new(other).context("opening the stored file")),
        })?;
        Ok(StoredFile { bytes: opened.meta.size, contents: opened.into_stream().boxed() })
    }

    /// The path as the store knows it, once it is certain that it names a file inside the media folder, links followed.
    async fn inside(&self, file_path: &str) -> Result<ObjectPath, StorageError> {
        let plain = Path::new(file_path).components().all(|part| matches!(part, Component::Normal(_)));
        let path = ObjectPath::parse(file_path).map_err(|_| StorageError::Outside)?;
        if !plain || path.as_ref() != file_path {
            return Err(StorageError::Outside);
        }
        match tokio::fs::canonicalize(self.root.join(file_path)).await {
            Ok(real) if !real.starts_with(self.root.as_path()) => Err(StorageError::Outside),
            Ok(real) if real.is_dir() => Err(StorageError::Outside),
            Ok(_) => Ok(path),
            Err(error) if error.kind() == std::io::ErrorKind::NotFound => Err(StorageError::Missing),
            Err(error) if error.kind() == std::io::ErrorKind::NotADirectory => Err(StorageError::Missing),
            Err(error) => Err(StorageError::Failed(anyhow::Error::new(error).context("looking for the stored file"))),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    async fn outcome(storage: &Storage, path: &str) -> &'static str {
        match storage.open(path).await {
            Ok(_) => "opened",
            Err(StorageError::Outside) => "outside",
            Err(StorageError::Missing) => "missing",
            Err(StorageError::Failed(_)) => "failed",
        }
    }

    #[tokio::test]
    async fn no_path_leads_out_of_the_media_folder() {
        let outer = tempfile::tempdir().unwrap();
        let root = outer.path().join("media");
        std::fs::create_dir_all(root.join("documents/user_1")).unwrap();
        std::fs::write(outer.path().join("secret"), "x").unwrap();
        std::fs::write(root.join("documents/user_1/a.pdf"), "x").unwrap();
        std::os::unix::fs::symlink(outer.path().join("secret"), root.join("link")).unwrap();
        let storage = Storage::local(&root).unwrap();
        assert_eq!(outcome(&storage, "documents/user_1/a.pdf").await, "opened");
        assert_eq!(outcome(&storage, "documents/user_1/b.pdf").await, "missing");
        let absolute = outer.path().join("secret");
        for bad in [
            "../secret",
            "documents/../../secret",
            absolute.to_str().unwrap(),
            "link",
            "documents",
            "",
            "/",
            "documents//user_1/a.pdf",
            "a\0b",
        ] {
            assert_eq!(outcome(&storage, bad).await, "outside", "{bad:?}");
        }
    }
}
