//! The services that jobs call, built once a process.

use std::time::Duration;

use celeriac_process::Settings;
use celeriac_queue::Connection;
use sqlx::PgPool;

use crate::admission::{Admission, Limits as ModelLimits};
use crate::backup::Backups;
use crate::batching::{BatchRunner, Batching};
use crate::crypt::FieldKeys;
use crate::documents::Limits;
use crate::gateway::Gateway;
use crate::ledger::Ledger;
use crate::mail::Mailing;
use crate::openai::{OpenAi, OpenAiConfig, Prices};
use crate::purge::Purging;
use crate::renewals::Renewing;
use crate::storage::Storage;

/// Everything a job of ours may need. Cheap to clone; each job takes its part (its `State`).
#[derive(Debug, Clone)]
pub struct Services {
    pub pool: PgPool,
    // Documents.
    pub storage: Storage,
    pub keys: FieldKeys,
    pub gateway: Gateway,
    pub batches: BatchRunner,
    pub document_limits: Limits,
    pub document_retry_base: Duration,
    pub mailing: Mailing,
    // Timed work.
    pub purging: Purging,
    pub renewing: Renewing,
    pub backups: Backups,
}

impl Services {
    /// From the settings of a worker. Opens what is local (the media folder, the keys); calls nobody.
    ///
    /// # Errors
    /// When a setting names something that is not there or cannot be used.
    pub fn from_settings(settings: &Settings, pool: PgPool, connection: Connection) -> anyhow::Result<Self> {
        let keys = FieldKeys::new(&settings.list("FIELD_ENCRYPTION_KEYS"))?;
        let prices = Prices::from_settings(settings)?;
        let limits = ModelLimits::from_settings(settings, &prices)?;
        let model = settings.text("OPENAI_MODEL");
        if !prices.knows(model) {
            tracing::warn!(model, "the model has no price: what it costs is not known; name it in OPENAI_PRICES_FILE");
        }
        let openai = OpenAi::new(OpenAiConfig {
            base_url: settings.text("OPENAI_BASE_URL").to_owned(),
            api_key: settings.secret("OPENAI_API_KEY"),
            model: model.to_owned(),
            first_byte_timeout: settings.duration("OPENAI_FIRST_BYTE_TIMEOUT"),
            timeout: settings.duration("OPENAI_TIMEOUT"),
            prices,
        })?;
        let admission = Admission::new(connection, pool.clone(), model, limits);
        let storage = Storage::from_settings(settings)?;
        Ok(Self {
            purging: Purging::from_settings(settings, pool.clone(), storage.clone()),
            mailing: Mailing::from_settings(settings, pool.clone())?,
            renewing: Renewing::from_settings(settings, pool.clone())?,
            backups: Backups::from_settings(settings, pool.clone())?,
            batches: BatchRunner::new(pool.clone(), keys.clone(), openai.clone(), admission.clone()),
            gateway: Gateway::new(openai, Ledger::new(pool.clone(), keys.clone()), admission).with_batching(Batching::from_settings(
                settings,
                pool.clone(),
                keys.clone(),
            )),
            pool,
            storage,
            keys,
            document_limits: Limits::from_settings(settings),
            document_retry_base: settings.duration("DOCUMENT_RETRY_BASE"),
        })
    }
}
