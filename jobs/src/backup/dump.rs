//! pg_dump → age → object.

use std::process::Stdio;

use age::{Encryptor, x25519};
use anyhow::{Context, bail};
use futures::AsyncWriteExt;
use futures::io::BufReader;
use tokio_util::compat::TokioAsyncReadCompatExt;

use super::address::Address;
use super::child::{command, first_complaint};
use super::programs::Programs;
use super::snapshot::Snapshot;
use super::store::{Digested, Store};
use crate::checkpoint::checkpoint;

/// Milliseconds. A dump that waits longer behind a table's lock makes the web app wait behind the dump.
const LOCK_WAIT: &str = "--lock-wait-timeout=60000";

const COPY_BYTES: usize = 64 * 1024;

/// Dumps the database as the snapshot sees it into the object `key`. The object appears only after pg_dump has ended well; on any failure
/// there is none.
pub(super) async fn dump(
    programs: &Programs,
    address: &Address,
    snapshot: &Snapshot,
    recipient: &x25519::Recipient,
    store: &Store,
    key: &str,
) -> anyhow::Result<Digested> {
    let mut child = command(&programs.pg_dump(), address)
        .args(["--format=custom", "--no-owner", "--no-password", LOCK_WAIT])
        .arg(format!("--snapshot={}", snapshot.id))
        .stdout(Stdio::piped())
        .spawn()
        .context("start pg_dump")?;
    let stdout = child.stdout.take().expect("it is piped");
    let stderr = child.stderr.take().expect("it is piped");
    let mut sink = store.sink(key);
    let encryptor = Encryptor::with_recipients(std::iter::once(recipient as &dyn age::Recipient)).context("set up encryption")?;
    let mut encrypted = encryptor.wrap_async_output(&mut sink).await.context("write the backup")?;
    let copied = async {
        // Owns the pipe, so that a failed write ends pg_dump by closing it.
        let reader = BufReader::with_capacity(COPY_BYTES, stdout.compat());
        futures::io::copy_buf(reader, &mut encrypted).await.context("write the backup")
    };
    let (copied, complaint) = tokio::join!(copied, first_complaint(stderr));
    let status = child.wait().await.context("wait for pg_dump")?;
    let failure = match copied {
        Err(error) => Some(error),
        Ok(_) if !status.success() => Some(anyhow::anyhow!("pg_dump failed: {complaint}")),
        Ok(_) => None,
    };
    if let Some(failure) = failure {
        drop(encrypted);
        if let Err(error) = sink.abort().await {
            tracing::warn!(key, %error, "an unfinished backup was not removed at once; the next run does it");
        }
        return Err(failure);
    }
    checkpoint("backup.dumped").await;
    encrypted.close().await.context("finish the backup")?;
    drop(encrypted);
    let digested = sink.digested();
    if digested.bytes == 0 {
        bail!("the backup is empty");
    }
    checkpoint("backup.written").await;
    Ok(digested)
}
