//! What the process that becomes tesseract can still read: programs, libraries, and its own language data; no document, no `/proc`, nobody's
//! home, and of `/etc` only where libraries are.
//!
//! By Landlock, which Linux has since 5.13. A kernel without it leaves the rest of the confinement as it is: the process can then read what
//! the worker's user can, and [`can_be_limited`] says so to `celeriac check`.

use std::path::{Path, PathBuf};

use anyhow::Context;
use landlock::{ABI, Access, AccessFs, CompatLevel, Compatible, Ruleset, RulesetAttr, RulesetCreatedAttr, path_beneath_rules};

/// Rights that an older kernel does not know are left out.
const NEWEST: ABI = ABI::V5;

/// What a dynamically linked program is loaded from, and what runs it if it is a script.
const SYSTEM: [&str; 10] =
    ["/bin", "/usr/bin", "/usr/local/bin", "/lib", "/lib64", "/usr/lib", "/usr/lib64", "/usr/local/lib", "/nix/store", "/etc/ld.so.cache"];

/// Beside the folder of the program and in `/usr`: its libraries, and its language data as distributions call them.
const BESIDE: [&str; 5] = ["lib", "lib64", "share/tessdata", "share/tesseract", "share/tesseract-ocr"];

/// From now on this process opens no file but these, none of them to write, and executes no other.
///
/// # Errors
/// When the kernel has Landlock and refuses.
pub(super) fn only_what_tesseract_needs(program: &Path, data: Option<&Path>) -> anyhow::Result<()> {
    let program = program.canonicalize().unwrap_or_else(|_| program.to_owned());
    let prefix = program.parent().and_then(Path::parent).filter(|prefix| prefix.parent().is_some());
    let beside =
        [prefix.unwrap_or(Path::new("/usr")), Path::new("/usr")].into_iter().flat_map(|prefix| BESIDE.map(|name| prefix.join(name)));
    let mut readable: Vec<PathBuf> = SYSTEM.iter().map(PathBuf::from).chain(beside).collect();
    readable.extend(data.map(Path::to_owned));
    readable.push(program);
    Ruleset::default()
        .handle_access(AccessFs::from_all(NEWEST))?
        .create()?
        // Those that are not there are passed over.
        .add_rules(path_beneath_rules(&readable, AccessFs::from_read(NEWEST)))?
        .restrict_self()
        .context("limiting the files that can be read")?;
    Ok(())
}

/// Whether this kernel has Landlock.
pub(super) fn can_be_limited() -> bool {
    let needed = Ruleset::default().set_compatibility(CompatLevel::HardRequirement).handle_access(AccessFs::from_all(ABI::V1));
    needed.and_then(Ruleset::create).is_ok()
}
