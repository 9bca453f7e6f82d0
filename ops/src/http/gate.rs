//! Who may see the console.
//!
//! With CONSOLE_PASSWORD set: whoever knows it (HTTP Basic, any user name). Without it only at a loopback address, and there only under a
//! local name: a web page elsewhere that points its own name at 127.0.0.1 could otherwise read the console through the visitor's browser.
//! An address open to the network without a password is refused at start.

use std::net::{IpAddr, SocketAddr};
use std::sync::Arc;

use axum::extract::{Request, State};
use axum::http::{HeaderMap, header};
use axum::middleware::Next;
use axum::response::Response;
use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use secrecy::{ExposeSecret, SecretString};
use sha2::{Digest, Sha256};
use subtle::ConstantTimeEq;

use super::Shared;
use crate::error::Error;

/// A shorter password can be guessed over the network.
const PASSWORD_CHARS_MIN: usize = 12;

/// The rule in force. Cheap to clone.
#[derive(Clone)]
pub(super) enum Gate {
    /// SHA-256 of the password, so that the comparison takes the same time for any length.
    Password(Arc<[u8; 32]>),
    LocalNamesOnly,
}

impl Gate {
    /// # Errors
    /// When the address is open to the network and there is no password, or the password is too short.
    pub(super) fn new(password: Option<SecretString>, address: SocketAddr) -> anyhow::Result<Self> {
        match password {
            Some(password) => {
                let password = password.expose_secret();
                anyhow::ensure!(
                    password.chars().count() >= PASSWORD_CHARS_MIN,
                    "CONSOLE_PASSWORD is shorter than {PASSWORD_CHARS_MIN} characters: make one with `openssl rand -base64 24`"
                );
                Ok(Self::Password(Arc::new(Sha256::digest(password.as_bytes()).into())))
            }
            None if address.ip().is_loopback() => Ok(Self::LocalNamesOnly),
            None => anyhow::bail!(
                "BIND={address} is open to the network and CONSOLE_PASSWORD is not set: set one (`openssl rand -base64 24` makes one), \
                 or bind to 127.0.0.1"
            ),
        }
    }

    fn admit(&self, headers: &HeaderMap) -> Result<(), Error> {
        match self {
            Self::LocalNamesOnly => {
                if is_local_name(headers) {
                    Ok(())
                } else {
                    Err(Error::StrangeHost)
                }
            }
            Self::Password(expected) => {
                let given = basic_password(headers).ok_or(Error::PasswordNeeded)?;
                let given: [u8; 32] = Sha256::digest(given.expose_secret().as_bytes()).into();
                if bool::from(given.ct_eq(expected.as_slice())) { Ok(()) } else { Err(Error::PasswordNeeded) }
            }
        }
    }
}

/// Lets a request to the console through, or answers it.
pub(super) async fn pass(State(shared): State<Shared>, request: Request, next: Next) -> Result<Response, Error> {
    shared.gate.admit(request.headers())?;
    Ok(next.run(request).await)
}

#[cfg(any(test, fuzzing))]
pub(super) fn try_headers(headers: &HeaderMap) {
    let _ = (basic_password(headers), is_local_name(headers));
}

fn basic_password(headers: &HeaderMap) -> Option<SecretString> {
    let (scheme, encoded) = headers.get(header::AUTHORIZATION)?.to_str().ok()?.split_once(' ')?;
    let decoded = scheme.eq_ignore_ascii_case("basic").then(|| STANDARD.decode(encoded.trim()))?.ok()?;
    let (_, password) = std::str::from_utf8(&decoded).ok()?.split_once(':')?;
    Some(password.into())
}

fn is_local_name(headers: &HeaderMap) -> bool {
    let Some(host) = headers.get(header::HOST).and_then(|host| host.to_str().ok()) else { return false };
    let name = match host.strip_prefix('[') {
        Some(rest) => rest.split(']').next().unwrap_or_default(),
        None => host.split(':').next().unwrap_or_default(),
    };
    name.eq_ignore_ascii_case("localhost") || name.parse::<IpAddr>().is_ok_and(|address| address.is_loopback())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn headers(name: header::HeaderName, value: &str) -> HeaderMap {
        HeaderMap::from_iter([(name, value.parse().unwrap())])
    }

    #[test]
    fn an_open_address_without_a_password_is_refused() {
        let open: SocketAddr = "0.0.0.0:5555".parse().unwrap();
        let loopback: SocketAddr = "127.0.0.1:5555".parse().unwrap();
        assert!(Gate::new(None, open).is_err_and(|error| error.to_string().contains("CONSOLE_PASSWORD")));
        assert!(Gate::new(Some("hunter2".into()), open).is_err_and(|error| !error.to_string().contains("hunter2")));
        assert!(Gate::new(Some("a long enough one".into()), open).is_ok());
        assert!(Gate::new(None, loopback).is_ok());
    }

    #[test]
    fn without_a_password_only_local_names_are_answered() {
        let gate = Gate::LocalNamesOnly;
        for local in ["localhost:5555", "127.0.0.1", "127.0.0.1:5555", "[::1]:5555", "LOCALHOST"] {
            assert!(gate.admit(&headers(header::HOST, local)).is_ok(), "{local} was refused");
        }
        for strange in ["evil.example", "127.0.0.1.evil.example:5555", "localhost.evil.example", "10.0.0.1", ""] {
            assert!(gate.admit(&headers(header::HOST, strange)).is_err(), "{strange:?} was admitted");
        }
        assert!(gate.admit(&HeaderMap::new()).is_err());
    }

    #[test]
    fn only_the_password_opens() {
        let gate = Gate::new(Some("correct horse battery".into()), "0.0.0.0:1".parse().unwrap()).unwrap();
        let basic = |pair: &str| headers(header::AUTHORIZATION, &format!("Basic {}", STANDARD.encode(pair)));
        assert!(gate.admit(&basic("anybody:correct horse battery")).is_ok());
        for wrong in ["anybody:correct horse", "correct horse battery", "a:", ":"] {
            assert!(matches!(gate.admit(&basic(wrong)), Err(Error::PasswordNeeded)), "{wrong:?} was admitted");
        }
        assert!(matches!(gate.admit(&HeaderMap::new()), Err(Error::PasswordNeeded)));
    }
}
