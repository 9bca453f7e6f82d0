//! Where the encrypted backups lie: an object store, today a folder.

use std::io;
use std::path::{Path, PathBuf};
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll, ready};

use anyhow::Context as _;
use futures::{AsyncWrite, TryStreamExt};
use object_store::buffered::BufWriter;
use object_store::local::LocalFileSystem;
use object_store::path::Path as Key;
use object_store::{ObjectStore, ObjectStoreExt};
use sha2::{Digest, Sha256};
use tokio::io::AsyncBufRead;
use tokio_util::io::StreamReader;

/// One part of an upload. With [`PARTS_IN_FLIGHT`] it bounds the memory; buckets take no smaller ones.
const PART_BYTES: usize = 5 * 1024 * 1024;
const PARTS_IN_FLIGHT: usize = 2;

/// The backups' store. Cheap to clone.
#[derive(Debug, Clone)]
pub(super) struct Store {
    folder: PathBuf,
    objects: Arc<dyn ObjectStore>,
}

/// What lies under a key.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Digested {
    pub(super) bytes: u64,
    /// In hexadecimal.
    pub(super) sha256: String,
}

impl Store {
    /// Makes the folder if it is missing.
    pub(super) fn open(folder: &Path) -> anyhow::Result<Self> {
        let refused = || format!("BACKUP_DIR {} cannot be used", folder.display());
        std::fs::create_dir_all(folder).with_context(refused)?;
        // A backup that a power cut takes back is none.
        let objects = LocalFileSystem::new_with_prefix(folder).with_context(refused)?.with_fsync(true);
        Ok(Self { folder: folder.to_owned(), objects: Arc::new(objects) })
    }

    /// A writer whose object appears, whole, when it is closed.
    pub(super) fn sink(&self, key: &str) -> Sink {
        let writer = BufWriter::with_capacity(Arc::clone(&self.objects), Key::from(key), PART_BYTES).with_max_concurrency(PARTS_IN_FLIGHT);
        Sink { writer, hash: Sha256::new(), bytes: 0 }
    }

    /// Size of the object; `None` when there is none.
    pub(super) async fn size(&self, key: &str) -> anyhow::Result<Option<u64>> {
        match self.objects.head(&Key::from(key)).await {
            Ok(meta) => Ok(Some(meta.size)),
            Err(object_store::Error::NotFound { .. }) => Ok(None),
            Err(error) => Err(error).with_context(|| format!("look for {key}")),
        }
    }

    pub(super) async fn read(&self, key: &str) -> anyhow::Result<impl AsyncBufRead + Send + Unpin + use<>> {
        let object = self.objects.get(&Key::from(key)).await.with_context(|| format!("open {key}"))?;
        Ok(StreamReader::new(object.into_stream().map_err(io::Error::from)))
    }

    pub(super) async fn digest(&self, key: &str) -> anyhow::Result<Digested> {
        let object = self.objects.get(&Key::from(key)).await.with_context(|| format!("open {key}"))?;
        let mut chunks = object.into_stream();
        let mut hash = Sha256::new();
        let mut bytes = 0;
        while let Some(chunk) = chunks.try_next().await.with_context(|| format!("read {key}"))? {
            hash.update(&chunk);
            bytes += chunk.len() as u64;
        }
        Ok(Digested { bytes, sha256: hex::encode(hash.finalize()) })
    }

    /// Deletes the object and what an upload that was cut off has left of it. Nothing when there is neither.
    pub(super) async fn remove(&self, key: &str) -> anyhow::Result<()> {
        match self.objects.delete(&Key::from(key)).await {
            Ok(()) | Err(object_store::Error::NotFound { .. }) => {}
            Err(error) => return Err(error).with_context(|| format!("delete {key}")),
        }
        let object = self.folder.join(key);
        tokio::task::spawn_blocking(move || remove_parts(&object)).await?.with_context(|| format!("delete the parts of {key}"))
    }
}

/// An unfinished upload into a folder is a file `<name>#<number>`, which the store itself neither lists nor deletes.
fn remove_parts(object: &Path) -> io::Result<()> {
    let (Some(folder), Some(name)) = (object.parent(), object.file_name().and_then(|name| name.to_str())) else { return Ok(()) };
    let entries = match std::fs::read_dir(folder) {
        Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(()),
        entries => entries?,
    };
    for entry in entries {
        let entry = entry?;
        if entry.file_name().to_str().and_then(|other| other.strip_prefix(name)).is_some_and(|rest| rest.starts_with('#')) {
            std::fs::remove_file(entry.path())?;
        }
    }
    Ok(())
}

/// Writes one object and digests what it writes. Dropped before it is closed, it leaves no object.
pub(super) struct Sink {
    writer: BufWriter,
    hash: Sha256,
    bytes: u64,
}

impl Sink {
    /// Of everything written.
    pub(super) fn digested(self) -> Digested {
        Digested { bytes: self.bytes, sha256: hex::encode(self.hash.finalize()) }
    }

    /// Gives up an object that was not closed.
    pub(super) async fn abort(mut self) -> anyhow::Result<()> {
        self.writer.abort().await.context("give up an upload")
    }
}

impl AsyncWrite for Sink {
    fn poll_write(mut self: Pin<&mut Self>, context: &mut Context<'_>, bytes: &[u8]) -> Poll<io::Result<usize>> {
        let written = ready!(tokio::io::AsyncWrite::poll_write(Pin::new(&mut self.writer), context, bytes))?;
        self.hash.update(&bytes[..written]);
        self.bytes += written as u64;
        Poll::Ready(Ok(written))
    }

    fn poll_flush(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<io::Result<()>> {
        tokio::io::AsyncWrite::poll_flush(Pin::new(&mut self.writer), context)
    }

    fn poll_close(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<io::Result<()>> {
        tokio::io::AsyncWrite::poll_shutdown(Pin::new(&mut self.writer), context)
    }
}
