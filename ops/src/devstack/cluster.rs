//! A fresh PostgreSQL cluster: by `initdb`, or copied from one that an earlier run made.
//!
//! `initdb` takes two to three seconds and gives the same result every time, so a fresh cluster is kept in
//! cargo's target folder and copied. `cargo clean` removes it; a program that does not run from a target
//! folder simply calls `initdb`. Processes that start together may each make the copy: it is written under
//! a name of its own and renamed, so the first one wins and none sees half of it.

use std::{
    env, fs, io,
    os::unix::process::CommandExt,
    path::{Path, PathBuf},
    process::Command,
};

use uuid::Uuid;

use super::{
    account::Account,
    error::{DevstackError, Doing},
    files::copy_folder,
    find::PostgresBinaries,
    postgres::SUPERUSER,
};

/// Part of the kept cluster's name: raise it with every change of `initdb`'s arguments.
const GENERATION: u32 = 1;

/// Makes a cluster in `data`, which must not exist yet, owned by `account` if one is given.
pub(super) fn create(binaries: &PostgresBinaries, data: &Path, account: Option<Account>) -> Result<(), DevstackError> {
    let kept = kept_folder(binaries);
    if let Some(kept) = &kept
        && kept.is_dir()
    {
        match copy_folder(kept, data, account) {
            Ok(()) => return Ok(()),
            Err(error) => {
                tracing::debug!(%error, "the kept cluster could not be copied: making a new one");
                fs::remove_dir_all(data).doing("remove half a copy of a cluster")?;
            }
        }
    }
    initdb(binaries, data, account)?;
    if let Some(kept) = &kept
        && let Err(error) = keep(data, kept)
    {
        tracing::debug!(%error, "the fresh cluster could not be kept for the next run");
    }
    Ok(())
}

/// The locale and time zone are fixed, so that results and messages do not depend on the developer's.
/// Without sync: nobody misses a temporary cluster after a power cut.
fn initdb(binaries: &PostgresBinaries, data: &Path, account: Option<Account>) -> Result<(), DevstackError> {
    let mut command = Command::new(binaries.program("initdb"));
    command
        .args(["--username", SUPERUSER, "--auth", "trust"])
        .args(["--encoding", "UTF8", "--locale", "C", "--no-sync"])
        .arg("--pgdata")
        .arg(data)
        .env("LC_ALL", "C")
        .env("TZ", "UTC");
    if let Some(folder) = data.parent() {
        // The account may not be allowed to stand where we stand.
        command.current_dir(folder);
    }
    if let Some(account) = account {
        command.uid(account.user).gid(account.group);
    }
    let output = command
        .output()
        .doing(format!("run {} (the account PostgreSQL runs as must be allowed to read it)", binaries.program("initdb").display()))?;
    if output.status.success() {
        return Ok(());
    }
    let mut said = String::from_utf8_lossy(&output.stdout).into_owned();
    said.push_str(&String::from_utf8_lossy(&output.stderr));
    Err(DevstackError::Initdb { status: output.status, output: said.trim_end().to_owned() })
}

/// Where a fresh cluster of this version is kept, if we run from a cargo target folder.
fn kept_folder(binaries: &PostgresBinaries) -> Option<PathBuf> {
    let program = env::current_exe().ok()?;
    let target = program.ancestors().find(|folder| folder.join("CACHEDIR.TAG").is_file())?;
    let version: String = binaries.version().chars().map(|c| if c.is_ascii_alphanumeric() { c } else { '-' }).collect();
    Some(target.join(format!("devstack/cluster-{version}-{GENERATION}")))
}

fn keep(data: &Path, kept: &Path) -> io::Result<()> {
    let unfinished = kept.with_extension(Uuid::new_v4().to_string());
    if let Some(folder) = kept.parent() {
        fs::create_dir_all(folder)?;
    }
    let renamed = copy_folder(data, &unfinished, None).and_then(|()| fs::rename(&unfinished, kept));
    match renamed {
        // Another process was faster, and what it kept is as good as ours.
        Err(_) if kept.is_dir() => fs::remove_dir_all(&unfinished),
        other => other,
    }
}
