//! Uploads in an S3-compatible bucket.

use std::time::Duration;

use anyhow::Context;
use celeriac_process::Settings;
use object_store::aws::{AmazonS3, AmazonS3Builder};
use object_store::path::Path as ObjectPath;
use object_store::{BackoffConfig, ClientOptions, RetryConfig};
use secrecy::{ExposeSecret, SecretString};

const CONNECT_TIMEOUT: Duration = Duration::from_secs(5);
/// Longest silence in the middle of an answer. A whole file may take longer.
const READ_TIMEOUT: Duration = Duration::from_secs(20);
/// A short outage is outlived within the run; a longer one is for the job's own backoff, which holds no slot.
const RETRIES_MAX: usize = 2;
const RETRY_TIME_MAX: Duration = Duration::from_secs(20);

/// Which bucket, and who asks.
#[derive(Debug, Clone)]
pub struct BucketConfig {
    pub name: String,
    pub region: String,
    /// Of a service that is not Amazon's.
    pub endpoint: Option<String>,
    pub access_key_id: String,
    pub secret_access_key: SecretString,
    /// Path inside the bucket that takes the place of MEDIA_ROOT.
    pub prefix: Option<String>,
}

impl BucketConfig {
    /// # Errors
    /// When one is missing. A worker has been told so before, all at once.
    pub(super) fn from_settings(settings: &Settings) -> anyhow::Result<Self> {
        let needed = |name: &str| settings.maybe(name).with_context(|| format!("{name} is not set, and USE_S3=true needs it"));
        Ok(Self {
            name: needed("AWS_STORAGE_BUCKET_NAME")?.to_owned(),
            region: settings.text("AWS_S3_REGION_NAME").to_owned(),
            endpoint: settings.maybe("AWS_S3_ENDPOINT_URL").map(str::to_owned),
            access_key_id: needed("AWS_ACCESS_KEY_ID")?.to_owned(),
            secret_access_key: needed("AWS_SECRET_ACCESS_KEY")?.into(),
            prefix: settings.maybe("AWS_LOCATION").map(str::to_owned),
        })
    }
}

/// The prefix of every object, and the store. Calls nobody.
pub(super) fn open(config: &BucketConfig) -> anyhow::Result<(ObjectPath, AmazonS3)> {
    let prefix = ObjectPath::parse(config.prefix.as_deref().unwrap_or_default()).context("AWS_LOCATION is not a path inside a bucket")?;
    let mut builder = AmazonS3Builder::new()
        .with_bucket_name(&config.name)
        .with_region(&config.region)
        .with_access_key_id(&config.access_key_id)
        .with_secret_access_key(config.secret_access_key.expose_secret())
        .with_retry(retries())
        .with_client_options(timeouts());
    if let Some(endpoint) = &config.endpoint {
        // A private service may speak plain HTTP; Amazon's is only ever asked by HTTPS.
        builder = builder.with_endpoint(endpoint.trim_end_matches('/')).with_allow_http(endpoint.starts_with("http://"));
    }
    Ok((prefix, builder.build().context("the settings of the bucket (AWS_…) cannot be used")?))
}

fn timeouts() -> ClientOptions {
    ClientOptions::new().with_timeout_disabled().with_connect_timeout(CONNECT_TIMEOUT).with_read_timeout(READ_TIMEOUT)
}

fn retries() -> RetryConfig {
    let backoff = BackoffConfig { init_backoff: Duration::from_millis(100), max_backoff: Duration::from_secs(2), base: 2.0 };
    RetryConfig { backoff, max_retries: RETRIES_MAX, retry_timeout: RETRY_TIME_MAX }
}

#[cfg(test)]
pub(super) mod tests {
    use super::*;

    pub(in crate::storage) fn config() -> BucketConfig {
        BucketConfig {
            name: "uploads".to_owned(),
            region: "us-east-1".to_owned(),
            endpoint: Some("http://127.0.0.1:9".to_owned()),
            access_key_id: "celeriac".to_owned(),
            secret_access_key: "hunter2".to_owned().into(),
            prefix: None,
        }
    }

    #[test]
    fn a_prefix_that_is_no_path_is_refused_and_no_secret_is_shown() {
        let bad = BucketConfig { prefix: Some("media/../..".to_owned()), ..config() };
        let error = format!("{:#}", open(&bad).unwrap_err());
        assert!(error.contains("AWS_LOCATION") && !error.contains("hunter2"), "{error}");
        let (_, store) = open(&config()).unwrap();
        assert!(!format!("{:?} {store:?}", config()).contains("hunter2"));
    }
}
