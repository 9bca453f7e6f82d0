//! Who sends mail, through which server. The names are Django's.

use std::time::Duration;

use anyhow::Context;
use celeriac_process::Settings;
use lettre::message::Mailbox;
use secrecy::SecretString;
use sqlx::PgPool;

/// The mail server, and what every mail says of its sender.
#[derive(Debug, Clone)]
pub struct MailConfig {
    pub host: String,
    pub port: u16,
    pub security: Security,
    pub credentials: Option<(String, SecretString)>,
    /// Longest wait for each answer of the server.
    pub timeout: Duration,
    pub from: Mailbox,
    /// Where links lead, without a slash at its end.
    pub site_url: String,
}

/// How the line is encrypted. Certificates are always checked.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Security {
    /// Not at all: for a server on the same machine or network.
    Plain,
    /// It begins in the clear and is encrypted before anything is said (587). A server that cannot is not used.
    StartTls,
    /// From the first byte (465).
    Tls,
}

/// What the job needs.
#[derive(Debug, Clone)]
pub struct Mailing {
    pub pool: PgPool,
    /// `None`: mail is off.
    pub config: Option<MailConfig>,
}

impl MailConfig {
    /// `None` without EMAIL_HOST.
    ///
    /// # Errors
    /// When the settings contradict each other, or the sender is no address.
    pub fn from_settings(settings: &Settings) -> anyhow::Result<Option<Self>> {
        let Some(host) = settings.maybe("EMAIL_HOST").map(str::to_owned) else { return Ok(None) };
        let security = match (settings.flag("EMAIL_USE_TLS"), settings.flag("EMAIL_USE_SSL")) {
            (false, false) => Security::Plain,
            (true, false) => Security::StartTls,
            (false, true) => Security::Tls,
            (true, true) => anyhow::bail!("EMAIL_USE_TLS and EMAIL_USE_SSL exclude each other: STARTTLS (port 587), or TLS at once (465)"),
        };
        let credentials = match (settings.maybe("EMAIL_HOST_USER"), settings.maybe_secret("EMAIL_HOST_PASSWORD")) {
            (Some(user), Some(password)) => Some((user.to_owned(), password)),
            _ => None,
        };
        anyhow::ensure!(
            credentials.is_none() || security != Security::Plain || is_loopback(&host),
            "EMAIL_HOST_PASSWORD would go over the network in the clear: set EMAIL_USE_TLS=true (port 587) or EMAIL_USE_SSL=true (465)"
        );
        let needed = |name: &str| settings.maybe(name).with_context(|| format!("{name} is not set, and EMAIL_HOST needs it"));
        Ok(Some(Self {
            host,
            port: u16::try_from(settings.integer("EMAIL_PORT")).expect("the table bounds it"),
            security,
            credentials,
            timeout: settings.duration("EMAIL_TIMEOUT"),
            from: needed("DEFAULT_FROM_EMAIL")?
                .parse()
                .context("DEFAULT_FROM_EMAIL is not an address, as in App <no-reply@example.org>")?,
            site_url: needed("SITE_URL")?.trim_end_matches('/').to_owned(),
        }))
    }
}

fn is_loopback(host: &str) -> bool {
    host == "localhost" || host.parse::<std::net::IpAddr>().is_ok_and(|address| address.is_loopback())
}

#[cfg(test)]
mod tests {
    use celeriac_process::Process;

    use super::*;

    fn config(more: &[(&str, &str)]) -> anyhow::Result<Option<MailConfig>> {
        let base = [("REDIS_URL", "redis://h"), ("DEFAULT_FROM_EMAIL", "App <no-reply@example.org>"), ("SITE_URL", "https://app.example/")];
        let pairs = base.iter().chain(more).map(|(name, value)| ((*name).to_owned(), (*value).to_owned()));
        MailConfig::from_settings(&Settings::from_pairs(Process::OwnWorker, pairs)?)
    }

    #[test]
    fn a_password_is_never_sent_in_the_clear_over_a_network() {
        let login = [("EMAIL_HOST_USER", "app"), ("EMAIL_HOST_PASSWORD", "hunter2")];
        let with = |more: &[(&str, &str)]| config(&[&login, more].concat());
        let refused = format!("{:#}", with(&[("EMAIL_HOST", "smtp.example.org")]).unwrap_err());
        assert!(refused.contains("EMAIL_USE_TLS=true") && !refused.contains("hunter2"), "{refused}");
        assert_eq!(with(&[("EMAIL_HOST", "127.0.0.1")]).unwrap().unwrap().security, Security::Plain);
        let encrypted = with(&[("EMAIL_HOST", "smtp.example.org"), ("EMAIL_USE_TLS", "True"), ("EMAIL_PORT", "587")]).unwrap().unwrap();
        assert_eq!((encrypted.security, encrypted.port, encrypted.site_url.as_str()), (Security::StartTls, 587, "https://app.example"));
        assert!(!format!("{encrypted:?}").contains("hunter2"));
        assert!(with(&[("EMAIL_HOST", "h"), ("EMAIL_USE_TLS", "true"), ("EMAIL_USE_SSL", "true")]).is_err());
    }

    #[test]
    fn without_a_server_mail_is_off() {
        assert!(config(&[]).unwrap().is_none());
    }
}
