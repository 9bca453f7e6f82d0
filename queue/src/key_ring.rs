//! The keys that payloads are encrypted with at rest, by AES-256-GCM-SIV (RFC 8452): its nonces are random, and should two ever be the same
//! among billions of jobs, nothing is lost, as it would be with plain GCM.
//!
//! What is sealed is bound to the words around it (the job's name and id): put beside others, it does not open.

use std::fmt;
use std::sync::Arc;

use aws_lc_rs::aead::{AES_256_GCM_SIV, Aad, NONCE_LEN, Nonce, RandomizedNonceKey};
use aws_lc_rs::digest::{Context, SHA256};
use base64::Engine;
use base64::prelude::BASE64_URL_SAFE_NO_PAD;

/// What sealing adds to the plain bytes: the nonce before them, the tag behind.
const SEALED_BYTES_MORE: usize = NONCE_LEN + TAG_LEN;
const TAG_LEN: usize = 16;

/// The keys of `PAYLOAD_ENCRYPTION_KEYS`. Seals with the newest, opens with any. Cheap to clone; `Debug` shows names only.
#[derive(Clone)]
pub struct KeyRing {
    /// Newest first, at least one.
    keys: Arc<[Key]>,
}

struct Key {
    name: String,
    cipher: RandomizedNonceKey,
}

/// Why a text is not a ring of keys. Never repeats a key.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum KeyRingError {
    #[error("it holds no key")]
    Empty,
    #[error("key {place} of {count} is not 32 bytes in URL-safe base64 (44 characters)")]
    NotAKey { place: usize, count: usize },
    #[error("key {place} of {count} is there twice")]
    Twice { place: usize, count: usize },
}

/// Why sealed bytes stay closed.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Closed {
    /// The ring has no key of that name.
    KeyMissing,
    /// They were changed, or are bound to other words.
    Changed,
}

impl KeyRing {
    /// Keys separated by commas, newest first; each is 32 random bytes in URL-safe base64, with or without the final `=`.
    ///
    /// # Errors
    /// [`KeyRingError`] when there is none, or one cannot be used.
    pub fn parse(text: &str) -> Result<Self, KeyRingError> {
        let texts: Vec<&str> = text.split(',').map(str::trim).filter(|key| !key.is_empty()).collect();
        let count = texts.len();
        let mut keys: Vec<Key> = Vec::with_capacity(count);
        for (index, text) in texts.into_iter().enumerate() {
            let place = index + 1;
            let key = Key::parse(text).ok_or(KeyRingError::NotAKey { place, count })?;
            if keys.iter().any(|other| other.name == key.name) {
                return Err(KeyRingError::Twice { place, count });
            }
            keys.push(key);
        }
        if keys.is_empty() {
            return Err(KeyRingError::Empty);
        }
        Ok(Self { keys: keys.into() })
    }

    /// The keys' short names, newest first: eight hex digits of a hash, from which nobody finds the key.
    pub fn names(&self) -> impl ExactSizeIterator<Item = &str> {
        self.keys.iter().map(|key| key.name.as_str())
    }

    /// The name of the key that seals.
    pub(crate) fn newest(&self) -> &str {
        &self.keys[0].name
    }

    pub(crate) fn seal(&self, bound_to: &[u8], plain: &[u8]) -> Vec<u8> {
        let mut sealed = Vec::with_capacity(plain.len() + SEALED_BYTES_MORE);
        sealed.extend_from_slice(plain);
        // It fails beyond 64 GB, or when the system has no randomness: then nothing in this process is safe.
        let nonce = self.keys[0].cipher.seal_in_place_append_tag(Aad::from(bound_to), &mut sealed).expect("a payload is small");
        sealed.splice(0..0, nonce.as_ref().iter().copied());
        sealed
    }

    pub(crate) fn open(&self, key: &str, bound_to: &[u8], sealed: &[u8]) -> Result<Vec<u8>, Closed> {
        let key = self.keys.iter().find(|candidate| candidate.name == key).ok_or(Closed::KeyMissing)?;
        let (nonce, body) = sealed.split_at_checked(NONCE_LEN).ok_or(Closed::Changed)?;
        let nonce = Nonce::try_assume_unique_for_key(nonce).map_err(|_| Closed::Changed)?;
        let mut body = body.to_vec();
        let plain = key.cipher.open_in_place(nonce, Aad::from(bound_to), &mut body).map_err(|_| Closed::Changed)?.len();
        body.truncate(plain);
        Ok(body)
    }
}

/// How many plain bytes there are in so many sealed ones.
pub(crate) fn plain_len(sealed: usize) -> usize {
    sealed.saturating_sub(SEALED_BYTES_MORE)
}

impl Key {
    fn parse(text: &str) -> Option<Self> {
        let bytes = BASE64_URL_SAFE_NO_PAD.decode(text.strip_suffix('=').unwrap_or(text)).ok()?;
        // It refuses any other length than 32.
        let cipher = RandomizedNonceKey::new(&AES_256_GCM_SIV, &bytes).ok()?;
        let mut hash = Context::new(&SHA256);
        hash.update(b"celeriac payload key ");
        hash.update(&bytes);
        let name = hash.finish().as_ref()[..4].iter().map(|byte| format!("{byte:02x}")).collect();
        Some(Self { name, cipher })
    }
}

impl fmt::Debug for KeyRing {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_list().entries(self.names()).finish()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const OLD: &str = "b2xkLW9sZC1vbGQtb2xkLW9sZC1vbGQtb2xkLW9sZC0=";
    const NEW: &str = "bmV3LW5ldy1uZXctbmV3LW5ldy1uZXctbmV3LW5ldy0=";

    #[test]
    fn a_newer_ring_opens_what_an_older_one_sealed_and_seals_with_its_newest() {
        let (old, both) = (KeyRing::parse(OLD).unwrap(), KeyRing::parse(&format!("{NEW}, {OLD}")).unwrap());
        let sealed = old.seal(b"job 1", b"plain");
        assert_eq!(both.open(old.newest(), b"job 1", &sealed).unwrap(), b"plain");
        assert_ne!(both.newest(), old.newest());
        assert_eq!(old.open(both.newest(), b"job 1", &both.seal(b"job 1", b"plain")), Err(Closed::KeyMissing));
    }

    #[test]
    fn no_changed_cut_or_moved_byte_opens() {
        let ring = KeyRing::parse(NEW).unwrap();
        let sealed = ring.seal(b"job 1", b"plain");
        assert_eq!(plain_len(sealed.len()), 5);
        assert_eq!(ring.open(ring.newest(), b"job 2", &sealed), Err(Closed::Changed));
        for at in 0..sealed.len() {
            let mut changed = sealed.clone();
            changed[at] ^= 1;
            assert_eq!(ring.open(ring.newest(), b"job 1", &changed), Err(Closed::Changed), "byte {at}");
            assert_eq!(ring.open(ring.newest(), b"job 1", &sealed[..at]), Err(Closed::Changed), "cut at {at}");
        }
    }

    #[test]
    fn the_same_payload_never_looks_the_same_twice() {
        let ring = KeyRing::parse(NEW).unwrap();
        assert_ne!(ring.seal(b"", b"plain"), ring.seal(b"", b"plain"));
    }

    #[test]
    fn a_key_that_cannot_be_used_is_named_by_its_place_only() {
        assert_eq!(KeyRing::parse(" , ").unwrap_err(), KeyRingError::Empty);
        assert_eq!(KeyRing::parse(&format!("{NEW},hunter2")).unwrap_err(), KeyRingError::NotAKey { place: 2, count: 2 });
        assert_eq!(KeyRing::parse(&format!("{NEW},{OLD},{NEW}")).unwrap_err(), KeyRingError::Twice { place: 3, count: 3 });
        let shown = format!("{:?}", KeyRing::parse(&format!("{NEW},{OLD}")).unwrap());
        assert!(shown.len() == 24 && !shown.contains(&NEW[..8]), "{shown}");
    }
}
