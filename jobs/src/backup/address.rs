//! How pg_dump and pg_restore reach the server: the meaning of DATABASE_URL, in the environment variables of libpq.

use std::collections::BTreeMap;
use std::fmt;

use anyhow::Context;
use sqlx::postgres::{PgConnectOptions, PgSslMode};
use url::Url;

/// Seconds; libpq's own default is to wait for ever.
const CONNECT_TIMEOUT: &str = "10";

/// The way to one database. The password is in it: it goes to the programs in their environment, as arguments can be read by everybody
/// on the machine.
#[derive(Clone)]
pub(super) struct Address {
    environment: BTreeMap<&'static str, String>,
}

impl fmt::Debug for Address {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_set().entries(self.environment.keys()).finish()
    }
}

impl Address {
    /// # Errors
    /// When it is not a PostgreSQL URL. The error does not repeat it.
    pub(super) fn parse(database_url: &str) -> anyhow::Result<Self> {
        let url = Url::parse(database_url).context("it is not a URL")?;
        let options: PgConnectOptions = database_url.parse().context("it is not a PostgreSQL URL")?;
        let host = options.get_socket().map_or_else(|| options.get_host().to_owned(), |socket| socket.display().to_string());
        let mut environment = BTreeMap::from([
            ("PGHOST", host),
            ("PGPORT", options.get_port().to_string()),
            ("PGUSER", options.get_username().to_owned()),
            ("PGDATABASE", options.get_database().unwrap_or(options.get_username()).to_owned()),
            ("PGSSLMODE", ssl_mode(options.get_ssl_mode()).to_owned()),
            ("PGAPPNAME", "celeriac backup".to_owned()),
            ("PGCONNECT_TIMEOUT", CONNECT_TIMEOUT.to_owned()),
        ]);
        environment.extend(options.get_options().map(|options| ("PGOPTIONS", options.to_owned())));
        // Without one libpq looks into ~/.pgpass, as our own connections do.
        environment.extend(url.password().map(|password| ("PGPASSWORD", percent_decoded(password))));
        for (name, value) in url.query_pairs() {
            let variable = match &*name {
                "password" => "PGPASSWORD",
                "sslrootcert" | "ssl-root-cert" | "ssl-ca" => "PGSSLROOTCERT",
                "sslcert" | "ssl-cert" => "PGSSLCERT",
                "sslkey" | "ssl-key" => "PGSSLKEY",
                _ => continue,
            };
            environment.insert(variable, value.into_owned());
        }
        Ok(Self { environment })
    }

    /// The same server and user, another database.
    pub(super) fn with_database(&self, database: &str) -> Self {
        let mut environment = self.environment.clone();
        environment.insert("PGDATABASE", database.to_owned());
        Self { environment }
    }

    pub(super) fn environment(&self) -> &BTreeMap<&'static str, String> {
        &self.environment
    }

    pub(super) fn database(&self) -> &str {
        &self.environment["PGDATABASE"]
    }

    pub(super) fn user(&self) -> &str {
        &self.environment["PGUSER"]
    }
}

fn ssl_mode(mode: PgSslMode) -> &'static str {
    match mode {
        PgSslMode::Disable => "disable",
        PgSslMode::Allow => "allow",
        PgSslMode::Prefer => "prefer",
        PgSslMode::Require => "require",
        PgSslMode::VerifyCa => "verify-ca",
        PgSslMode::VerifyFull => "verify-full",
    }
}

/// `%41` → `A`. A URL keeps its password encoded; a percent sign that encodes nothing stays as it is.
fn percent_decoded(text: &str) -> String {
    let bytes = text.as_bytes();
    let mut decoded = Vec::with_capacity(bytes.len());
    let mut at = 0;
    while at < bytes.len() {
        let code = (bytes[at] == b'%').then(|| text.get(at + 1..at + 3)).flatten();
        match code.and_then(|code| u8::from_str_radix(code, 16).ok()) {
            Some(byte) => {
                decoded.push(byte);
                at += 3;
            }
            None => {
                decoded.push(bytes[at]);
                at += 1;
            }
        }
    }
    String::from_utf8_lossy(&decoded).into_owned()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_url_means_the_same_to_the_programs() {
        let address = Address::parse("postgres://app:p%40s+s%25@db.example:6543/shop?sslmode=verify-full&sslrootcert=/etc/ca.pem").unwrap();
        let environment = address.environment();
        let expected = [
            ("PGHOST", "db.example"),
            ("PGPORT", "6543"),
            ("PGUSER", "app"),
            ("PGDATABASE", "shop"),
            ("PGPASSWORD", "p@s+s%"),
            ("PGSSLMODE", "verify-full"),
            ("PGSSLROOTCERT", "/etc/ca.pem"),
        ];
        for (name, value) in expected {
            assert_eq!(environment[name], value, "{name}");
        }
        assert_eq!(address.with_database("scratch").environment()["PGDATABASE"], "scratch");
    }

    #[test]
    fn a_socket_is_a_host_and_nothing_shows_the_password() {
        let address = Address::parse("postgres://app:hidden@localhost/shop?host=/run/postgresql").unwrap();
        assert_eq!(address.environment()["PGHOST"], "/run/postgresql");
        assert!(!format!("{address:?}").contains("hidden"));
    }
}
