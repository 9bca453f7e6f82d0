//! Where uploads lie: files under MEDIA_ROOT, or objects in an S3-compatible bucket (USE_S3), reached through one object store.
//!
//! A file is streamed in pieces and never held whole. No path leads out of the folder, or out of the bucket's prefix.

mod bucket;
mod fault;
mod folder;
mod whole;

use std::io;
use std::path::{Component, Path, PathBuf};
use std::sync::Arc;

use anyhow::Context;
use bytes::Bytes;
use celeriac_process::Settings;
use futures::StreamExt;
use futures::stream::BoxStream;
use object_store::buffered::BufWriter;
use object_store::path::Path as ObjectPath;
use object_store::{ObjectStore, ObjectStoreExt};
use tokio::io::{AsyncRead, AsyncWriteExt};

pub use bucket::BucketConfig;
pub use fault::StorageError;

/// One part of an upload; buckets take no smaller ones. Two are in flight at once.
const PART_BYTES: usize = 5 * 1024 * 1024;
const PARTS_IN_FLIGHT: usize = 2;

/// The uploads' storage. Cheap to clone.
#[derive(Debug, Clone)]
pub struct Storage {
    place: Place,
    store: Arc<dyn ObjectStore>,
}

#[derive(Debug, Clone)]
enum Place {
    /// Canonical, so that what is inside can be told from what is not.
    Folder(Arc<PathBuf>),
    Bucket {
        /// Every object of ours is below it; empty for the whole bucket.
        prefix: ObjectPath,
    },
}

/// A file that was found, not yet read.
pub struct StoredFile {
    pub bytes: u64,
    /// Another one for every content that lies under the path one after the other.
    pub version: String,
    /// Its contents, in pieces of some kilobytes: exactly `bytes` of them, or an error.
    pub contents: BoxStream<'static, io::Result<Bytes>>,
}

impl Storage {
    /// The bucket when USE_S3 is true, else the folder MEDIA_ROOT. Nobody is called.
    ///
    /// # Errors
    /// When a setting is missing or cannot be used.
    pub fn from_settings(settings: &Settings) -> anyhow::Result<Self> {
        if settings.flag("USE_S3") {
            return Self::bucket(&BucketConfig::from_settings(settings)?);
        }
        let root = settings.maybe_path("MEDIA_ROOT");
        Self::local(&root.context("MEDIA_ROOT is not set: it names the folder that uploads lie in, unless USE_S3 is true")?)
    }

    /// # Errors
    /// When the folder does not exist or cannot be entered.
    pub fn local(root: &Path) -> anyhow::Result<Self> {
        let (root, store) = folder::open(root)?;
        Ok(Self { place: Place::Folder(Arc::new(root)), store: Arc::new(store) })
    }

    /// # Errors
    /// When the configuration makes no address or no path.
    pub fn bucket(config: &BucketConfig) -> anyhow::Result<Self> {
        let (prefix, store) = bucket::open(config)?;
        Ok(Self { place: Place::Bucket { prefix }, store: Arc::new(store) })
    }

    /// Opens the file at a path relative to the storage. Its size is that of the opened file, so it can be checked before reading.
    pub async fn open(&self, file_path: &str) -> Result<StoredFile, StorageError> {
        let path = self.inside(file_path).await?;
        let opened = self.store.get(&path).await.map_err(|error| fault::told("opening the stored file", error))?;
        let meta = &opened.meta;
        let bytes = meta.size;
        let version = meta.e_tag.clone().unwrap_or_else(|| format!("{bytes}-{}", meta.last_modified.timestamp_micros()));
        Ok(StoredFile { bytes, version, contents: whole::whole(bytes, opened.into_stream()).boxed() })
    }

    /// Stores what the source has, up to its end, under a path relative to the storage. Returns its size in bytes. The file appears whole
    /// or not at all.
    pub async fn put(&self, file_path: &str, mut source: impl AsyncRead + Unpin) -> Result<u64, StorageError> {
        let path = self.named(file_path)?;
        let mut sink = BufWriter::with_capacity(Arc::clone(&self.store), path, PART_BYTES).with_max_concurrency(PARTS_IN_FLIGHT);
        let copied = async {
            let bytes = tokio::io::copy(&mut source, &mut sink).await?;
            sink.shutdown().await?;
            io::Result::Ok(bytes)
        };
        match copied.await {
            Ok(bytes) => Ok(bytes),
            Err(error) => {
                let _ = sink.abort().await;
                Err(fault::told_by_io("storing the file", error))
            }
        }
    }

    /// Deletes the file at a path relative to the storage. One that is not there is as good as deleted.
    pub async fn delete(&self, file_path: &str) -> Result<(), StorageError> {
        let path = match self.inside(file_path).await {
            Err(StorageError::Missing) => return Ok(()),
            path => path?,
        };
        match self.store.delete(&path).await.map_err(|error| fault::told("deleting the stored file", error)) {
            Err(StorageError::Missing) => Ok(()),
            deleted => deleted,
        }
    }

    /// The path as the store knows it, once it is certain that it names something inside the storage.
    async fn inside(&self, file_path: &str) -> Result<ObjectPath, StorageError> {
        let path = self.named(file_path)?;
        if let Place::Folder(root) = &self.place {
            folder::check_links(root, file_path).await?;
        }
        Ok(path)
    }

    /// The path as the store knows it, by its letters alone: relative, without `.`, `..` or empty parts.
    fn named(&self, file_path: &str) -> Result<ObjectPath, StorageError> {
        let plain = Path::new(file_path).components().all(|part| matches!(part, Component::Normal(_)));
        let path = ObjectPath::parse(file_path).map_err(|_| StorageError::Outside)?;
        if !plain || path.as_ref().is_empty() || path.as_ref() != file_path {
            return Err(StorageError::Outside);
        }
        Ok(match &self.place {
            Place::Folder(_) => path,
            Place::Bucket { prefix } => prefix.parts().chain(path.parts()).collect(),
        })
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
            Err(_) => "failed",
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
            assert!(matches!(storage.delete(bad).await, Err(StorageError::Outside)), "{bad:?} could be deleted");
        }
        assert!(outer.path().join("secret").exists());
    }

    #[test]
    fn no_path_leads_out_of_the_prefix_of_a_bucket() {
        let config = BucketConfig { prefix: Some("/media/uploads/".to_owned()), ..bucket::tests::config() };
        let storage = Storage::bucket(&config).unwrap();
        assert_eq!(storage.named("documents/a.pdf").unwrap().as_ref(), "media/uploads/documents/a.pdf");
        for bad in ["../secret", "documents/../../../secret", "./a", "/a.pdf", "a//b", "a/", "", "..", "a/..", "a\0b"] {
            assert!(matches!(storage.named(bad), Err(StorageError::Outside)), "{bad:?}");
        }
    }

    #[tokio::test]
    async fn a_stored_file_is_read_as_it_was_put_and_can_be_deleted_twice() {
        let root = tempfile::tempdir().unwrap();
        let storage = Storage::local(root.path()).unwrap();
        let path = "documents/user_1/a.pdf";
        assert_eq!(storage.put(path, &b"twelve bytes"[..]).await.unwrap(), 12);
        assert!(matches!(storage.put("../a.pdf", &b"x"[..]).await, Err(StorageError::Outside)));
        let pieces: Vec<_> = storage.open(path).await.unwrap().contents.collect().await;
        assert_eq!(pieces.into_iter().map(Result::unwrap).collect::<Vec<_>>().concat(), b"twelve bytes");
        storage.delete(path).await.unwrap();
        storage.delete(path).await.unwrap();
        assert_eq!(outcome(&storage, path).await, "missing");
    }

    #[tokio::test]
    async fn a_file_that_is_cut_while_it_is_read_is_an_error_and_no_shorter_file() {
        let root = tempfile::tempdir().unwrap();
        let file = root.path().join("a.pdf");
        std::fs::write(&file, vec![7; 1_000_000]).unwrap();
        let opened = Storage::local(root.path()).unwrap().open("a.pdf").await.unwrap();
        std::fs::File::options().write(true).open(&file).unwrap().set_len(1_000).unwrap();
        let pieces: Vec<_> = opened.contents.collect().await;
        assert!(pieces.last().unwrap().is_err(), "{} pieces and no error", pieces.len());
    }
}
