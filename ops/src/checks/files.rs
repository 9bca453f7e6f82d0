//! Where uploads lie, and the keys of encrypted columns.

use celeriac_jobs::crypt::FieldKeys;
use celeriac_jobs::storage::{Storage, StorageError};
use celeriac_process::{Settings, in_words};

use super::Finding;

const ABOUT: &str = "media";

pub(super) async fn check(settings: &Settings) -> Vec<Finding> {
    let uploads = match settings.maybe("USE_S3").is_some() && settings.flag("USE_S3") {
        true => bucket(settings).await,
        false => media_root(settings),
    };
    [uploads, field_keys(settings)].into_iter().flatten().collect()
}

/// Opens a file that is not there, and deletes it. Nothing is said while its settings are missing: that is told elsewhere.
async fn bucket(settings: &Settings) -> Option<Finding> {
    let needed = ["AWS_STORAGE_BUCKET_NAME", "AWS_ACCESS_KEY_ID", "AWS_SECRET_ACCESS_KEY"];
    if needed.iter().any(|name| settings.maybe(name).is_none()) {
        return None;
    }
    let name = settings.text("AWS_STORAGE_BUCKET_NAME");
    let probe = format!("celeriac-check/{}", uuid::Uuid::new_v4());
    let storage = match Storage::from_settings(settings) {
        Ok(storage) => storage,
        Err(error) => return Some(Finding::problem(ABOUT, in_words(&error), "mend the settings of the bucket")),
    };
    let read = match storage.open(&probe).await {
        Ok(_) | Err(StorageError::Missing) => storage.delete(&probe).await,
        Err(error) => Err(error),
    };
    Some(match read {
        Ok(()) => Finding::ok(ABOUT, format!("bucket {name} answers, and lets files be read and deleted")),
        Err(StorageError::Failed(error)) => {
            let hint = "see AWS_S3_ENDPOINT_URL, and whether this machine may reach it";
            Finding::problem(ABOUT, format!("bucket {name} cannot be reached: {}", in_words(&error)), hint)
        }
        Err(error) => Finding::problem(ABOUT, format!("bucket {name}: {error}"), "mend the setting, or the rights of the key"),
    })
}

fn media_root(settings: &Settings) -> Option<Finding> {
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
