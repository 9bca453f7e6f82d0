//! The sample documents of the repository.

use std::path::PathBuf;

/// The path of a sample.
pub fn path(name: &str) -> PathBuf {
    PathBuf::from(concat!(env!("CARGO_MANIFEST_DIR"), "/../samples")).join(name)
}

/// The bytes of a sample.
pub fn bytes(name: &str) -> Vec<u8> {
    std::fs::read(path(name)).unwrap_or_else(|error| panic!("samples/{name} cannot be read: {error}"))
}
