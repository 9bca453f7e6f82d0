//! What can go wrong with a private server, said so that the reader knows what to do next.

use std::{fmt::Display, io, path::PathBuf, process::ExitStatus, time::Duration};

/// Why a private server could not be found, started or asked.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum DevstackError {
    /// No usable installation in any of the places searched.
    #[error(
        "{server} was not found on this machine. Run `make bootstrap` to install it, or set {variable} to {expected}.\nLooked at:\n{looked_at}"
    )]
    NotFound { server: &'static str, variable: &'static str, expected: &'static str, looked_at: String },
    /// The variable that names the installation is set, and what it names cannot be used.
    #[error(
        "{variable} is set to {value}, but {problem}. Set it to {expected}, or unset it to search the usual places.", value = value.display()
    )]
    Unusable { variable: &'static str, value: PathBuf, expected: &'static str, problem: String },
    /// Running as root without an account to hand PostgreSQL to.
    #[error(
        "PostgreSQL refuses to run as root, and this machine has neither an account `postgres` nor `nobody` to run it as. Create one of them, or run as an ordinary user."
    )]
    NoAccount,
    /// `initdb` failed.
    #[error("could not create a PostgreSQL cluster: initdb ended with {status}. It said:\n{output}")]
    Initdb { status: ExitStatus, output: String },
    /// The server's process ended before it answered.
    #[error("{server} ended while it was starting ({status}). The end of its log:\n{log_tail}")]
    Ended { server: &'static str, status: ExitStatus, log_tail: String },
    /// The server's process lives but did not answer in time.
    #[error("{server} did not answer within {} s. The end of its log:\n{log_tail}", waited.as_secs())]
    Silent { server: &'static str, waited: Duration, log_tail: String },
    /// PostgreSQL refused a statement.
    #[error("PostgreSQL could not {doing}: {source}")]
    Sql { doing: String, source: sqlx::Error },
    /// The operating system refused something.
    #[error("could not {doing}: {source}")]
    Io { doing: String, source: io::Error },
}

impl DevstackError {
    /// Whether the server ended with one of `messages` in its log.
    pub(super) fn log_says(&self, messages: &[&str]) -> bool {
        match self {
            Self::Ended { log_tail, .. } => messages.iter().any(|said| log_tail.contains(said)),
            _ => false,
        }
    }
}

/// Names what was being done when an I/O error came up.
pub(super) trait Doing<T> {
    fn doing(self, doing: impl Display) -> Result<T, DevstackError>;
}

impl<T> Doing<T> for io::Result<T> {
    fn doing(self, doing: impl Display) -> Result<T, DevstackError> {
        self.map_err(|source| DevstackError::Io { doing: doing.to_string(), source })
    }
}
