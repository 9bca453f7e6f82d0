//! The backups' part of [`crate::fuzzing`].

use std::sync::LazyLock;

use age::x25519::Identity;
use futures::{AsyncReadExt, FutureExt};

use super::address::Address;
use super::child::first_complaint;
use super::restore::decrypt;
use super::tables::{RowCounts, difference};

/// Made for this; it opens the seed and nothing else.
static IDENTITY: LazyLock<Identity> = LazyLock::new(|| {
    "AGE-SECRET-KEY-1GFPYYSJZGFPYYSJZGFPYYSJZGFPYYSJZGFPYYSJZGFPYYSJZGFPQ4EGAEX".parse().unwrap_or_else(|_| Identity::generate())
});

/// What lies in the store in the place of a backup.
pub(crate) fn object(bytes: &[u8]) {
    let read = async {
        let mut plain = decrypt(bytes, &IDENTITY).await.ok()?;
        plain.read_to_end(&mut Vec::new()).await.ok()
    };
    read.now_or_never().expect("bytes in memory do not wait");
}

/// What pg_dump and pg_restore complain of.
pub(crate) fn complaint(stderr: &[u8]) {
    let told = first_complaint(stderr).now_or_never().expect("bytes in memory do not wait");
    assert!(told.chars().count() <= 300);
}

/// DATABASE_URL, and the row counts of the catalogue.
pub(crate) fn texts(text: &str) {
    if let Ok(address) = Address::parse(text) {
        assert!(!address.database().is_empty() || !address.user().is_empty() || address.environment().len() >= 7);
        assert!(!format!("{address:?}").contains("PGPASSWORD=\""));
    }
    if let Ok(counts) = serde_json::from_str::<RowCounts>(text) {
        assert_eq!(difference(&counts, &counts), None);
        difference(&counts, &RowCounts::new());
    }
}
