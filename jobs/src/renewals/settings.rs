//! What the job needs.

use std::sync::Arc;

use anyhow::{Context, bail};
use celeriac_process::Settings;
use sqlx::PgPool;

use crate::payments::{PayPal, PayPalConfig};

/// The state of `process_renewals`.
#[derive(Debug, Clone)]
pub struct Renewing {
    pub pool: PgPool,
    /// `None`: no provider is set; then only dry runs, and periods that credit pays whole.
    pub paypal: Option<Arc<PayPal>>,
    /// Renewals of one run, at most.
    pub renewals_max: u32,
}

impl Renewing {
    /// # Errors
    /// When one half of PayPal's credentials is missing.
    pub fn from_settings(settings: &Settings, pool: PgPool) -> anyhow::Result<Self> {
        let paypal = match (settings.maybe("PAYPAL_CLIENT_ID"), settings.maybe_secret("PAYPAL_CLIENT_SECRET")) {
            (None, None) => None,
            (Some(_), None) => bail!("PAYPAL_CLIENT_ID is set and PAYPAL_CLIENT_SECRET is not: set both or neither"),
            (None, Some(_)) => bail!("PAYPAL_CLIENT_SECRET is set and PAYPAL_CLIENT_ID is not: set both or neither"),
            (Some(client_id), Some(client_secret)) => {
                let base_url = settings.text("PAYPAL_BASE_URL").parse().context("PAYPAL_BASE_URL cannot be used")?;
                let config = PayPalConfig { base_url, client_id: client_id.to_owned(), client_secret };
                Some(Arc::new(PayPal::new(config)?))
            }
        };
        let renewals_max = u32::try_from(settings.integer("RENEWALS_MAX")).context("RENEWALS_MAX cannot be used")?;
        Ok(Self { pool, paypal, renewals_max })
    }
}
