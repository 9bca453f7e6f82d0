//! MEDIA_ROOT and the keys of encrypted columns.

use celeriac_jobs::crypt::FieldKeys;
use celeriac_process::Settings;

use super::Finding;

pub(super) fn check(settings: &Settings) -> Vec<Finding> {
    [media_root(settings), field_keys(settings)].into_iter().flatten().collect()
}

fn media_root(settings: &Settings) -> Option<Finding> {
    const ABOUT: &str = "media";
    let root = settings.maybe_path("MEDIA_ROOT")?;
    // Tried out rather than read from the permission bits: those say little on a network share or in a container.
    Some(match tempfile::tempfile_in(&root) {
        Ok(_) => Finding::ok(ABOUT, format!("MEDIA_ROOT {} can be written", root.display())),
        Err(error) => Finding::problem(
            ABOUT,
            format!("MEDIA_ROOT {} cannot be written: {error}", root.display()),
            "make the folder and give it to the user that runs the worker",
        ),
    })
}

fn field_keys(settings: &Settings) -> Option<Finding> {
    const ABOUT: &str = "encryption";
    settings.maybe("FIELD_ENCRYPTION_KEYS")?;
    let keys = settings.list("FIELD_ENCRYPTION_KEYS");
    let tried = FieldKeys::new(&keys).and_then(|ring| ring.decrypt(&ring.encrypt("celeriac")));
    Some(match tried {
        Ok(_) => Finding::ok(
            ABOUT,
            crate::human::plural(keys.len() as u64, "Fernet key encrypts and decrypts", "Fernet keys encrypt and decrypt"),
        ),
        Err(error) => Finding::problem(ABOUT, format!("{error:#}"), "make one with: openssl rand -base64 32 | tr +/ -_"),
    })
}
