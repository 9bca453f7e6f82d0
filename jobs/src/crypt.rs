//! Encrypted columns: Fernet tokens under a ring of keys, so that a web app in any language reads them with the library it has.

mod columns;
pub mod rotation;

use std::fmt;
use std::sync::Arc;

use anyhow::Context;
use fernet::Fernet;

pub use columns::{ENCRYPTED_COLUMNS, EncryptedColumn};

/// The keys of FIELD_ENCRYPTION_KEYS. Writes with the newest, reads with any. Cheap to clone.
#[derive(Clone)]
pub struct FieldKeys {
    /// Newest first, at least one.
    ring: Arc<[Fernet]>,
}

impl fmt::Debug for FieldKeys {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("FieldKeys")
    }
}

impl FieldKeys {
    /// Newest first; each is 32 bytes in URL-safe base64, as Python's `Fernet.generate_key()` prints them.
    ///
    /// # Errors
    /// When there is no key, or one is not a Fernet key. The message never repeats a key.
    pub fn new<K: AsRef<str>>(keys: &[K]) -> anyhow::Result<Self> {
        anyhow::ensure!(!keys.is_empty(), "FIELD_ENCRYPTION_KEYS names no key");
        let ring = keys
            .iter()
            .enumerate()
            .map(|(index, key)| {
                Fernet::new(key.as_ref()).with_context(|| format!("key {} of FIELD_ENCRYPTION_KEYS is no Fernet key", index + 1))
            })
            .collect::<anyhow::Result<Vec<_>>>()?;
        Ok(Self { ring: ring.into() })
    }

    pub fn encrypt(&self, text: &str) -> String {
        self.ring[0].encrypt(text.as_bytes())
    }

    /// # Errors
    /// When none of the keys made this token, or it was changed since.
    pub fn decrypt(&self, token: &str) -> anyhow::Result<String> {
        let (_, plain) = self.open(token).context("none of the keys of FIELD_ENCRYPTION_KEYS opens this value")?;
        String::from_utf8(plain).context("a decrypted value is not UTF-8")
    }

    /// How many keys there are.
    fn count(&self) -> usize {
        self.ring.len()
    }

    /// Which key opens a token, from 0 for the newest, and what is in it: a token does not say what made it.
    fn open(&self, token: &str) -> Option<(usize, Vec<u8>)> {
        self.ring.iter().enumerate().find_map(|(place, key)| Some((place, key.decrypt(token).ok()?)))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_older_key_still_opens_and_a_stranger_does_not() {
        let (old, new, stranger) = (Fernet::generate_key(), Fernet::generate_key(), Fernet::generate_key());
        let token = FieldKeys::new(&[&old]).unwrap().encrypt("résumé");
        let ring = FieldKeys::new(&[&new, &old]).unwrap();
        assert_eq!(ring.decrypt(&token).unwrap(), "résumé");
        assert!(FieldKeys::new(&[&old]).unwrap().decrypt(&ring.encrypt("x")).is_err(), "the newest key was not the one that wrote");
        assert!(FieldKeys::new(&[&stranger]).unwrap().decrypt(&token).is_err());
    }

    #[test]
    fn a_bad_key_is_named_by_its_place_only() {
        let error = FieldKeys::new(&[Fernet::generate_key(), "hunter2".to_owned()]).unwrap_err().to_string();
        assert!(error.contains("key 2") && !error.contains("hunter2"), "{error}");
    }
}
