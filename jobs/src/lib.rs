//! The jobs Celeriac ships: documents, licences, renewals, backups, and the services they call.
//!
//! Without the feature `handlers` this crate is names, argument types and policies: what the scheduler and a client need to know.
//! With it, [`register_all`] gives a worker the bodies.

// The jobs.
pub mod backup;
pub mod batching;
pub mod denial_letters;
pub mod documents;
pub mod licenses;
pub mod mail;
pub mod purge;
pub mod queues;
pub mod renewals;

// What their bodies share.
#[cfg(feature = "handlers")]
pub mod admission;
#[cfg(feature = "handlers")]
mod checkpoint;
#[cfg(feature = "handlers")]
pub mod crypt;
#[cfg(feature = "handlers")]
mod exclusive;
#[cfg(feature = "handlers")]
mod fault;
#[cfg(all(feature = "handlers", any(test, fuzzing)))]
#[doc(hidden)]
pub mod fuzzing;
#[cfg(feature = "handlers")]
pub mod gateway;
#[cfg(feature = "handlers")]
pub mod ledger;
#[cfg(feature = "handlers")]
pub mod openai;
#[cfg(feature = "handlers")]
pub mod payments;
#[cfg(feature = "handlers")]
mod services;
#[cfg(feature = "handlers")]
pub mod storage;

mod catalog;

pub use catalog::{JobInfo, catalog};
#[cfg(feature = "handlers")]
pub use services::Services;

/// Registers every job of this crate.
#[cfg(feature = "handlers")]
pub fn register_all(registry: &mut celeriac_queue::Registry, services: &Services) {
    registry.register::<documents::ProcessDocument>(documents::Documents::new(services));
    registry.register::<mail::SendDocumentReadyEmail>(services.mailing.clone());
    registry.register::<purge::PurgeDocuments>(services.purging.clone());
    registry.register::<denial_letters::DecodeDenialLetter>(documents::Documents::new(services));
    registry.register::<licenses::ExpireLicenses>(licenses::Licensing { pool: services.pool.clone() });
    registry.register::<renewals::ProcessRenewals>(services.renewing.clone());
    registry.register::<backup::BackupDatabase>(services.backups.clone());
    registry.register::<backup::VerifyBackup>(services.backups.clone());
    registry.register::<batching::RunOpenaiBatches>(services.batches.clone());
}
