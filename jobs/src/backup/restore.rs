//! object → age → pg_restore.

use std::io::ErrorKind;
use std::process::Stdio;

use age::{DecryptError, Decryptor, x25519};
use anyhow::Context;
use futures::{AsyncBufRead, AsyncRead};
use tokio::io::{AsyncReadExt, AsyncWrite, AsyncWriteExt};
use tokio_util::compat::{FuturesAsyncReadCompatExt, TokioAsyncReadCompatExt};

use super::address::Address;
use super::child::{command, first_complaint};
use super::programs::Programs;
use super::store::Store;

const COPY_BYTES: usize = 64 * 1024;

/// Why a backup was not restored.
#[derive(Debug, thiserror::Error)]
pub(super) enum RestoreError {
    /// The backup, or the key for it, is at fault: a sentence.
    #[error("{0}")]
    Broken(String),
    /// Something else is.
    #[error("{0:#}")]
    Failed(#[from] anyhow::Error),
}

/// Restores the backup into the database of `address`.
pub(super) async fn restore(
    programs: &Programs,
    address: &Address,
    identity: &x25519::Identity,
    store: &Store,
    key: &str,
) -> Result<(), RestoreError> {
    let object = store.read(key).await?;
    let plain = decrypt(object.compat(), identity).await?;
    let mut child = command(&programs.pg_restore(), address)
        .args(["--exit-on-error", "--no-owner", "--no-privileges", "--no-password"])
        // A scratch database must not begin to publish, or to follow another server.
        .args(["--no-publications", "--no-subscriptions"])
        .arg(format!("--dbname={}", address.database()))
        .stdin(Stdio::piped())
        .spawn()
        .context("start pg_restore")?;
    let stdin = child.stdin.take().expect("it is piped");
    let stderr = child.stderr.take().expect("it is piped");
    let (fed, complaint) = tokio::join!(feed(plain, stdin), first_complaint(stderr));
    let status = child.wait().await.context("wait for pg_restore")?;
    fed?;
    if status.success() { Ok(()) } else { Err(RestoreError::Broken(format!("pg_restore failed: {complaint}"))) }
}

/// The dump inside a backup, as far as it can be read.
pub(super) async fn decrypt(
    object: impl AsyncBufRead + Unpin,
    identity: &x25519::Identity,
) -> Result<impl AsyncRead + Unpin, RestoreError> {
    let decryptor = Decryptor::new_async_buffered(object).await.map_err(unreadable)?;
    decryptor.decrypt_async(std::iter::once(identity as &dyn age::Identity)).map_err(unreadable)
}

/// Copies until either side ends. A pg_restore that stops reading says why itself.
async fn feed(plain: impl AsyncRead + Unpin, mut stdin: impl AsyncWrite + Unpin) -> Result<(), RestoreError> {
    let mut plain = plain.compat();
    let mut buffer = vec![0; COPY_BYTES];
    loop {
        let read = plain.read(&mut buffer).await.map_err(|error| unreadable(error.into()))?;
        if read == 0 || stdin.write_all(&buffer[..read]).await.is_err() {
            return Ok(());
        }
    }
}

fn unreadable(error: DecryptError) -> RestoreError {
    match error {
        DecryptError::NoMatchingKeys => RestoreError::Broken(
            "the backup is encrypted to another key: BACKUP_IDENTITY is not the secret key of the BACKUP_RECIPIENT it was made with".into(),
        ),
        DecryptError::Io(error) if !matches!(error.kind(), ErrorKind::InvalidData | ErrorKind::UnexpectedEof) => {
            RestoreError::Failed(anyhow::Error::new(error).context("read the backup"))
        }
        other => RestoreError::Broken(format!("the backup cannot be decrypted, its contents are damaged ({other})")),
    }
}
