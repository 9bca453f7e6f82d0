//! The jobs Celeriac ships: documents, licences, renewals, backups, and the services they call.

#[cfg(feature = "handlers")]
mod checkpoint;
#[cfg(feature = "handlers")]
mod exclusive;
pub mod licenses;
#[cfg(feature = "handlers")]
pub mod payments;
pub mod queues;
pub mod renewals;
