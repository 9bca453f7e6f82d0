//! `celeriac demo`: the whole system at work on the sample documents, on private servers, and gone afterwards.
//!
//! Nothing here is staged: the servers are real, the processes are the ones that run in production, the documents are uploaded as a web app
//! would, and what is shown is read back from PostgreSQL. Only the model may be the local stand-in, and then the output says so.

mod progress;
mod report;
mod stack;

use std::path::PathBuf;
use std::time::{Duration, Instant};

use anyhow::{Context, bail};

use crate::out::announce;

pub use stack::Stack;

/// Everything the demo waits for must come about within this.
const PATIENCE: Duration = Duration::from_secs(180);

/// The documents, in the order they are uploaded, each by a user of its own.
const DOCUMENTS: [&str; 7] =
    ["denial_letter.pdf", "scanned_letter.pdf", "letter_photo.jpg", "statement.png", "fax.tiff", "broken.pdf", "encrypted.pdf"];

/// How the demo is run.
#[derive(Debug, clap::Args)]
pub struct DemoArgs {
    /// Leave everything running until Ctrl-C.
    #[arg(long)]
    keep: bool,
    /// Folder of the sample documents.
    #[arg(long, default_value = "samples")]
    samples: PathBuf,
}

/// # Errors
/// When a server, a process or a step fails; the message says which and where its log is.
pub async fn run(args: &DemoArgs) -> anyhow::Result<()> {
    let begun = Instant::now();
    let missing: Vec<_> = DOCUMENTS.iter().filter(|name| !args.samples.join(name).is_file()).collect();
    if !missing.is_empty() {
        bail!("{} lacks {missing:?}: run the demo from the repository's root, or pass --samples", args.samples.display());
    }
    announce("Starting private PostgreSQL and Redis, then worker, scheduler and console …");
    let stack = Stack::start().await?;
    announce(&format!("  ready after {:.1} s. Console: {}   Model: {}", begun.elapsed().as_secs_f64(), stack.console_url(), stack.model()));

    let finished = tokio::time::timeout(PATIENCE, show(&stack, args)).await;
    if !matches!(finished, Ok(Ok(()))) {
        stack.keep_logs();
    }
    finished.with_context(|| format!("the demo has not finished within {} s", PATIENCE.as_secs()))??;
    announce(&format!("\nDone in {:.1} s.", begun.elapsed().as_secs_f64()));

    if args.keep {
        announce(&stack.addresses());
        announce("Everything goes on running. Ctrl-C takes it down.");
        tokio::signal::ctrl_c().await?;
    }
    stack.stop().await;
    Ok(())
}

async fn show(stack: &Stack, args: &DemoArgs) -> anyhow::Result<()> {
    announce("\nUploading as a web app would: the row and its job in one transaction.");
    for (number, name) in (1..).zip(DOCUMENTS) {
        stack.upload(number, &args.samples.join(name)).await?;
    }
    progress::watch(stack).await?;

    announce("\nA backup, fired by its schedule, and its proof:");
    stack.fire("backup_database").await?;
    stack.fire("verify_backup").await?;
    report::backup(stack).await?;

    announce("\nThe results, read back from PostgreSQL and decrypted:");
    report::results(stack).await?;
    announce("\nThe failures, in the words a user sees:");
    report::failures(stack).await?;
    announce("\nThe users, told by mail (to a local stand-in that delivers nothing):");
    report::mails(stack).await?;
    report::cost(stack).await
}
