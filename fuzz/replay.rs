//! The seeds of a fuzz target, for the ordinary tests of the crate whose bytes it reads.

/// Runs a target on each of its seeds; there are some, or the folder has moved.
pub(super) fn seeds(target: &str, run: fn(&[u8])) {
    let folder = std::path::Path::new(env!("CARGO_MANIFEST_DIR")).join("../fuzz/seeds").join(target);
    let files: Vec<_> = std::fs::read_dir(&folder).unwrap_or_else(|error| panic!("{}: {error}", folder.display())).collect();
    assert!(!files.is_empty(), "{} is empty", folder.display());
    for file in files {
        run(&std::fs::read(file.expect("a file").path()).expect("a seed"));
    }
}
