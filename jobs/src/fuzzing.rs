//! What the fuzz targets in `fuzz/` call: each takes bytes as they may come from outside and asserts what must hold of any.
//! The test runs them on the seeds, to which the bytes of every finding are added.

use crate::crypt::FieldKeys;
use crate::documents::{Analysis, child};
use crate::{backup, openai, payments};

/// An answer of OpenAI's: three digits of its status; for another than 200 the wait it asks for, up to a line's end; its body.
pub fn openai(bytes: &[u8]) {
    let Some((status, rest)) = status(bytes) else { return };
    if status == 200 {
        if let Some(text) = openai::fuzzing::answered(rest)
            && let Ok(analysis) = Analysis::parse(&text)
        {
            assert!(!analysis.summary.is_empty() && analysis.key_points.len() <= 100);
        }
        return;
    }
    let mut parts = rest.splitn(2, |byte| *byte == b'\n');
    let mut next = || parts.next().unwrap_or_default();
    openai::fuzzing::refusal(status, next(), next());
}

/// An answer of PayPal's: three digits of its status, its body.
pub fn paypal(bytes: &[u8]) {
    let Some((status, body)) = status(bytes) else { return };
    payments::paypal::fuzzing::answered(status, body);
}

/// An uploaded picture, or anything else.
pub fn upload(bytes: &[u8]) {
    child::fuzzing::upload(bytes);
}

/// An uploaded PDF.
pub fn pdf(bytes: &[u8]) {
    child::fuzzing::pdf(bytes);
}

/// What the reading process says to the worker.
pub fn child_words(bytes: &[u8]) {
    let _ = child::fuzzing::messages(bytes);
}

/// A backup in the store, and what stands around it.
pub fn backup(bytes: &[u8]) {
    backup::fuzzing::object(bytes);
    backup::fuzzing::complaint(bytes);
    if let Ok(text) = std::str::from_utf8(bytes) {
        backup::fuzzing::texts(text);
    }
}

/// A ring of keys, a line's end, and a token as it stands in an encrypted column.
pub fn column(bytes: &[u8]) {
    let Ok(text) = std::str::from_utf8(bytes) else { return };
    let (keys, token) = text.split_once('\n').unwrap_or(("Y2VsZXJpYWMtZXhhbXBsZS1rZXktMzItYnl0ZXMhISE=", text));
    let keys: Vec<&str> = keys.split(',').collect();
    let Ok(ring) = FieldKeys::new(&keys) else { return };
    if let Ok(plain) = ring.decrypt(token) {
        let _ = Analysis::parse(&plain);
    }
    assert_eq!(ring.decrypt(&ring.encrypt(token)).expect("its own token"), token);
}

/// The three digits of a status, and what follows.
fn status(bytes: &[u8]) -> Option<(u16, &[u8])> {
    let (digits, rest) = bytes.split_first_chunk::<3>()?;
    let status = std::str::from_utf8(digits).ok()?.parse().ok()?;
    (100..1_000).contains(&status).then_some((status, rest))
}

#[cfg(test)]
#[path = "../../fuzz/replay.rs"]
mod replay;

#[cfg(test)]
mod tests {
    #[test]
    fn every_seed_is_taken_or_refused_in_order() {
        super::replay::seeds("openai", super::openai);
        super::replay::seeds("paypal", super::paypal);
        super::replay::seeds("upload", super::upload);
        super::replay::seeds("pdf", super::pdf);
        super::replay::seeds("child_words", super::child_words);
        super::replay::seeds("backup", super::backup);
        super::replay::seeds("column", super::column);
    }
}
