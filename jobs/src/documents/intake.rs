//! What comes before a document is read: the owner's consent, and the file, within the limit of its size.

use super::Documents;
use super::study::Run;
use crate::fault::Fault;
use crate::storage::{StorageError, StoredFile};

/// # Errors
/// For ever, when the owner has not agreed to processing by AI.
pub(super) async fn check_consent(run: &Run, documents: &Documents) -> Result<(), Fault> {
    let living = sqlx::query_scalar!(
        r#"select exists (select 1 from celeriac.consents
           where user_id = $1 and kind = 'ai_processing' and revoked_at is null) as "living!""#,
        run.user_id
    );
    if living.fetch_one(&documents.pool).await? {
        return Ok(());
    }
    Err(Fault::never("You have not agreed to processing by AI, so the document was not read. Please agree and upload it again."))
}

/// The file, not yet read; its size is checked.
pub(super) async fn open(run: &Run, documents: &Documents) -> Result<StoredFile, Fault> {
    let file = documents.storage.open(&run.file_path).await.map_err(|error| match error {
        StorageError::Outside => Fault::never("The stored path of this document is not valid, so it was not read.").because(error),
        StorageError::Missing => Fault::never("The file of this document is not in the storage. Please upload it again."),
        StorageError::Refused(reason) => {
            let sentence = "The storage of uploads is not available at the moment; processing goes on when an operator has seen to it.";
            Fault::operator(sentence, reason)
        }
        denied @ StorageError::Denied(_) => Fault::again("The storage gave no access to the file of this document.").because(denied),
        StorageError::Failed(error) => Fault::again("The storage could not be reached.").because(error),
    })?;
    let max = documents.limits.bytes_max;
    if file.bytes > max {
        let sentence = format!("The file is {} large; at most {} can be processed.", megabytes(file.bytes), megabytes(max));
        return Err(Fault::never(sentence));
    }
    Ok(file)
}

/// In megabytes as people count uploads (1,048,576 bytes), with one decimal where it is not whole.
fn megabytes(bytes: u64) -> String {
    let tenths = (bytes as f64 / 1_048_576.0 * 10.0).round() / 10.0;
    format!("{tenths} MB")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn sizes_read_as_people_say_them() {
        assert_eq!(megabytes(52_428_800), "50 MB");
        assert_eq!(megabytes(53_477_376), "51 MB");
        assert_eq!(megabytes(52_600_000), "50.2 MB");
    }
}
