//! Why a file could not be had, told apart by who can help: nobody, an operator, or time.

use std::io;

use anyhow::anyhow;
use object_store::Error;

/// Beyond it an answer is somebody's HTML page.
const DETAIL_CHARS_MAX: usize = 400;

#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum StorageError {
    /// Absolute, with `..`, through a link that leaves the folder, or not a file name at all.
    #[error("the path leaves the storage or is no path to a file")]
    Outside,
    #[error("there is no such file in the storage")]
    Missing,
    /// The bucket, its region or the keys are wrong: no file can be had until an operator acts.
    #[error("{0}")]
    Refused(String),
    /// This file may not be had. A bucket that does not let the key list its objects says so of a missing file, too.
    #[error("{0}")]
    Denied(String),
    #[error(transparent)]
    Failed(#[from] anyhow::Error),
}

/// Codes of S3 that speak of the bucket or the key and not of one file.
const ABOUT_THE_KEYS: [&str; 6] =
    ["InvalidAccessKeyId", "SignatureDoesNotMatch", "ExpiredToken", "InvalidToken", "AccountProblem", "NotSignedUp"];
const ABOUT_THE_BUCKET: [&str; 5] =
    ["NoSuchBucket", "InvalidBucketName", "PermanentRedirect", "AuthorizationHeaderMalformed", "IllegalLocationConstraintException"];

pub(super) fn told(doing: &'static str, error: Error) -> StorageError {
    let text = words(&error);
    let code = code(&text);
    match (code, &error) {
        (Some(code), _) if ABOUT_THE_KEYS.contains(&code) => {
            StorageError::Refused(format!("the bucket refuses AWS_ACCESS_KEY_ID and AWS_SECRET_ACCESS_KEY ({code})"))
        }
        (Some(code), _) if ABOUT_THE_BUCKET.contains(&code) => StorageError::Refused(format!(
            "there is no such bucket there ({code}): see AWS_STORAGE_BUCKET_NAME, AWS_S3_REGION_NAME and AWS_S3_ENDPOINT_URL"
        )),
        // Says a region's endpoint of a bucket that is elsewhere.
        _ if text.contains("redirect without LOCATION") => {
            StorageError::Refused("the bucket is in another region: see AWS_S3_REGION_NAME and AWS_S3_ENDPOINT_URL".to_owned())
        }
        (_, Error::NotFound { .. }) => StorageError::Missing,
        (_, Error::PermissionDenied { .. } | Error::Unauthenticated { .. }) => StorageError::Denied(format!(
            "the storage gives no access ({}): the key lacks s3:GetObject or s3:DeleteObject, or the file is missing and the key lacks \
             s3:ListBucket",
            code.unwrap_or("access denied")
        )),
        _ => StorageError::Failed(anyhow!("{}", text.chars().take(DETAIL_CHARS_MAX).collect::<String>()).context(doing)),
    }
}

/// As [`told`], of an error that came through a reader or a writer.
pub(super) fn told_by_io(doing: &'static str, error: io::Error) -> StorageError {
    match error.downcast::<Error>() {
        Ok(error) => told(doing, error),
        Err(error) => StorageError::Failed(anyhow::Error::new(error).context(doing)),
    }
}

fn words(error: &Error) -> String {
    match error {
        // Their own text repeats the path, and only their source has the answer.
        Error::NotFound { source, .. } | Error::PermissionDenied { source, .. } | Error::Unauthenticated { source, .. } => {
            source.to_string()
        }
        other => other.to_string(),
    }
}

/// The word that S3 puts into every refusal.
fn code(text: &str) -> Option<&str> {
    let (_, rest) = text.split_once("<Code>")?;
    rest.split_once("</Code>").map(|(code, _)| code)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn of(status: u16, code: &str) -> &'static str {
        let source = Box::new(io::Error::other(format!("Server returned {status}: <Error><Code>{code}</Code><Key>k</Key></Error>")));
        let path = "documents/a.pdf".to_owned();
        let error = match status {
            404 => Error::NotFound { path, source },
            403 => Error::PermissionDenied { path, source },
            401 => Error::Unauthenticated { path, source },
            _ => Error::Generic { store: "S3", source },
        };
        match told("opening", error) {
            StorageError::Missing => "missing",
            StorageError::Refused(_) => "refused",
            StorageError::Denied(_) => "denied",
            StorageError::Failed(_) => "failed",
            StorageError::Outside => "outside",
        }
    }

    #[test]
    fn one_file_that_is_missing_or_closed_is_told_from_a_bucket_that_is() {
        let cases = [
            ((404, "NoSuchKey"), "missing"),
            ((404, "NoSuchBucket"), "refused"),
            ((403, "AccessDenied"), "denied"),
            ((403, "SignatureDoesNotMatch"), "refused"),
            ((403, "InvalidAccessKeyId"), "refused"),
            ((400, "AuthorizationHeaderMalformed"), "refused"),
            ((503, "SlowDown"), "failed"),
        ];
        for ((status, code), expected) in cases {
            assert_eq!(of(status, code), expected, "{status} {code}");
        }
    }

    #[test]
    fn the_page_of_a_proxy_is_cut_short() {
        let source = Box::new(io::Error::other("x".repeat(100_000)));
        let StorageError::Failed(error) = told("opening", Error::Generic { store: "S3", source }) else { panic!("told otherwise") };
        assert!(format!("{error:#}").len() < 1_000);
    }
}
