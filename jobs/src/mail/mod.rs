//! `send_document_ready_email`: tells a user, once, that the analysis of a document is ready.
//!
//! ```text
//!  look ─▶ connect, log in, sender, recipient ─▶ row `sending` committed ─▶ text handed over ─▶ the server's answer ─▶ row settled
//! ```
//!
//! SMTP cannot be asked what became of a mail. Whatever fails before the text is handed over is tried again; when the process or the line
//! breaks after it, the row becomes `unknown` and nothing is sent a second time. Mail is in the clear on its way, so it says that there is
//! something to read, and where, and nothing of what.

use std::time::Duration;

use celeriac_queue::{Backoff, Policy};
use serde::{Deserialize, Serialize};

use crate::queues;

#[cfg(feature = "handlers")]
mod job;
#[cfg(feature = "handlers")]
mod message;
#[cfg(feature = "handlers")]
pub mod ready;
#[cfg(feature = "handlers")]
mod rows;
#[cfg(feature = "handlers")]
mod server;
#[cfg(feature = "handlers")]
mod settings;

#[cfg(feature = "handlers")]
pub use {
    ready::Announcing,
    settings::{MailConfig, Mailing, Security},
};

/// Wire name of [`SendDocumentReadyEmail`].
pub const NAME: &str = "send_document_ready_email";

/// The document that is ready, a row of `celeriac.documents`.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub struct SendDocumentReadyEmail {
    pub document_id: i64,
}

/// A queue of its own, so that a mail server that is away or refuses us holds up nothing but mail. The waits outlast greylisting, and a
/// server that is down for half a day.
pub fn policy() -> Policy {
    Policy {
        queue: queues::mail(),
        max_attempts: 12,
        backoff: Backoff { base: Duration::from_secs(60), factor: 2.0, max: Duration::from_secs(2 * 60 * 60), jitter: true },
        time_limit: Duration::from_secs(5 * 60),
        ..Policy::default()
    }
}

/// What became of it.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Told {
    /// The server has it.
    Sent,
    /// The server does not take mail for that address, and never will.
    Refused,
    /// It may have been sent; it is not sent again.
    Unknown,
    /// The document is deleted or not completed, or its user has no address or wants no such mail.
    Skipped,
}

/// What a finished job says; never the address.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub struct Report {
    pub document_id: i64,
    pub outcome: Told,
    /// False: an earlier run had come to that.
    pub fresh: bool,
}
